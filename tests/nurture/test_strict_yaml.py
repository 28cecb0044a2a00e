"""YAML without surprises: what is text stays text, what is doubtful is said, and nothing crashes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nurture.strict_yaml import MAX_BYTES, MAX_DEPTH, MAX_VALUES, load_yaml, text_problem


def said(text: str) -> list[tuple[int, int, str, str, str]]:
    return [
        (each.line, each.column, each.code, each.message, each.remedy) for each in load_yaml(text, "x.yaml").problems
    ]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("NO", "NO"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("12:30", "12:30"),
        ("9:30:00", "9:30:00"),
        ("2026-11-22", "2026-11-22"),
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
        ("1.2.3", "1.2.3"),
        ("=", "="),
        ("nulls", "nulls"),
        ("'1.10'", "1.10"),
        ('"true"', "true"),
        ("blåbærgrød", "blåbærgrød"),
        ("/pricing", "/pricing"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("0", 0),
        ("-5", -5),
        ("0.5", 0.5),
        ("-1.25", -1.25),
    ],
)
def test_a_word_means_what_it_says(written, value):
    loaded = load_yaml(f"key: {written}\n", "x.yaml")

    assert loaded.data == {"key": value}
    assert type(loaded.data["key"]) is type(value)
    assert loaded.problems == []


@pytest.mark.parametrize(
    ("written", "message", "remedy"),
    [
        ("1.10", "`1.10` would be read as the number 1.1", 'write 1.1, or put quotes round it if it is text: "1.10"'),
        ("1.0", "`1.0` would be read as the number 1", 'write 1, or put quotes round it if it is text: "1.0"'),
        (".5", "`.5` would be read as the number 0.5", 'write 0.5, or put quotes round it if it is text: ".5"'),
        ("1e3", "`1e3` would be read as the number 1000", 'write 1000, or put quotes round it if it is text: "1e3"'),
        ("+45", "`+45` would be read as the number 45", 'write 45, or put quotes round it if it is text: "+45"'),
        ("-0", "`-0` would be read as the number 0", 'write 0, or put quotes round it if it is text: "-0"'),
        ("0o7", "`0o7` can be read as 7", 'write 7, or put quotes round it if it is text: "0o7"'),
        ("007", "`007` can be read as 7", 'write 7, or put quotes round it if it is text: "007"'),
        ("0x1F", "`0x1F` can be read as 31", 'write 31, or put quotes round it if it is text: "0x1F"'),
        (
            "1_000",
            "`1_000` is text to YAML, although it looks like a number",
            'write 1000, or put quotes round it if it is text: "1_000"',
        ),
        ("Null", "`Null` would be read as nothing", 'write null, or put quotes round it if it is text: "Null"'),
        (".inf", "`.inf` is not a number that can be counted with", 'put quotes round it if it is text: ".inf"'),
        ("1e999", "`1e999` is too large to be kept as a number", "put quotes round it if it is text"),
        ("4" * 20, f"`{'4' * 20}` is too large to be kept as a number", "put quotes round it if it is text"),
        ("4" * 5000, f"`{'4' * 24}` is too large to be kept as a number", "put quotes round it if it is text"),
    ],
)
def test_a_doubtful_number_is_refused_with_both_ways_out(written, message, remedy):
    assert said(f"a:\n  - key: {written}\n") == [(2, 10, "ambiguous-value", message, remedy)]


@pytest.mark.parametrize(
    ("text", "place", "code", "message", "remedy"),
    [
        (
            "a: 1\nb: 2\na: 3\n",
            (3, 1),
            "duplicate-key",
            "`a` stands here twice; the first is in line 1",
            "keep one of them",
        ),
        (
            "a: &x 1\nb: *x\n",
            (1, 4),
            "yaml-anchor",
            "`&x` names a part for repetition",
            "delete it, and write repeated parts out",
        ),
        ("a: *x\n", (1, 4), "yaml-alias", "`*x` repeats another part of the file", "write the part out again"),
        ("<<: {a: 1}\n", (1, 1), "yaml-merge", "`<<` would copy another part of the file", "write the part out again"),
        (
            "a: !!python/object:os.system x\n",
            (1, 4),
            "yaml-tag",
            "a word that starts with `!` tells YAML to build something",
            "delete it; put quotes round a text that starts with `!`",
        ),
        (
            "a: 1\n---\nb: 2\n",
            (2, 1),
            "several-documents",
            "`---` starts a second document in the same file",
            "keep one definition in each file",
        ),
        (
            "%YAML 1.1\n---\na: yes\n",
            (1, 1),
            "yaml-directive",
            "a line that starts with `%` changes how YAML is read",
            "delete that line",
        ),
        (
            "1: a\n",
            (1, 1),
            "key-not-text",
            "the name `1` would be read as something else than text",
            'put quotes round it: "1"',
        ),
        (
            "true: a\n",
            (1, 1),
            "key-not-text",
            "the name `true` would be read as something else than text",
            'put quotes round it: "true"',
        ),
        (
            "? [a, b]\n: 1\n",
            (1, 3),
            "key-not-text",
            "a list or mapping stands where a name is expected",
            "put quotes round a text that has `{`, `[` or `?` in it",
        ),
        ("a:\n\tb: 1\n", (2, 1), "tab", "a tab stands where YAML wants spaces", "use spaces only, two for each level"),
        ("a:\tb\n", (1, 3), "tab", "a tab stands where YAML wants spaces", "use spaces only, two for each level"),
        (
            "\ufeffa: 1\n",
            (1, 1),
            "byte-order-mark",
            "the file starts with a byte order mark",
            "save it as UTF-8 without BOM",
        ),
        (
            "a\x00:\x00",
            (1, 2),
            "control-character",
            "the character U+0000 cannot stand in a text file",
            "delete it, and save the file as UTF-8",
        ),
        ("a: b: c\n", (1, 5), "yaml-syntax", "a `:` that does not belong here", None),
        ("a: 'b\nc: d\n", (1, 4), "yaml-syntax", "a quote is opened here and never closed", "close it"),
        (
            "a: [b\nc: d\n",
            (1, 4),
            "yaml-syntax",
            "a `[` or `{` is opened here and not closed",
            "close it, or add the missing comma",
        ),
        ("a: @b\n", (1, 4), "yaml-syntax", "an unquoted text cannot start with @", "put quotes round the text"),
        (
            "- a\nb: 1\n",
            (2, 1),
            "yaml-syntax",
            "this line does not belong to the level above it",
            "line up the names and the `-` of one level",
        ),
        (
            'a: "\\q"\n',
            (1, 6),
            "yaml-syntax",
            "`\\` in double quotes starts a special character",
            "use single quotes, or write `\\\\`",
        ),
    ],
)
def test_what_yaml_would_do_in_silence_is_said(text, place, code, message, remedy):
    problems = said(text)

    assert [(line, column, found, sentence) for line, column, found, sentence, _ in problems] == [
        (*place, code, message)
    ]
    assert remedy is None or problems[0][4] == remedy
    assert problems[0][4]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("title: {{ lead.name }}\n", 8),
        ("title: {{ lead.name }}, hello\n", 8),
        ("title: {% if lead %}\n", 8),
        ("- {{ lead.name }}\n", 3),
        ("title: [a, {{ lead.name }}]\n", 12),
    ],
)
def test_a_template_without_quotes_is_recognised(text, column):
    [(line, found, code, _, remedy)] = said(text)

    assert (line, found, code) == (1, column, "unquoted-template")
    assert remedy == 'put quotes round templates: "{{ ... }}"'


def test_a_text_that_ends_in_a_comment_by_accident_is_remarked():
    loaded = load_yaml("title: Offer #1 for you\npoints: 5  # five\n", "x.yaml")

    assert loaded.data == {"title": "Offer", "points": 5}
    assert [(each.line, each.column, each.code, each.severity) for each in loaded.problems] == [
        (1, 14, "cut-by-comment", "warning")
    ]


def test_depth_size_and_count_are_bounded():
    deep = "[" * 20_000
    assert said(deep)[0][:3] == (1, MAX_DEPTH + 1, "too-deep")
    assert said("a: " + "x" * MAX_BYTES)[0][2] == "too-large"
    assert said("- a\n" * (MAX_VALUES + 1))[0][2] == "too-large"
    assert load_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH, "x.yaml").problems == []


def test_every_key_and_value_has_its_place():
    loaded = load_yaml("a:\n  - b: 1\n    'c': [x, y]\n", "x.yaml")

    assert loaded.data == {"a": [{"b": 1, "c": ["x", "y"]}]}
    assert loaded.positions.of(("a",), key=True) == (1, 1)
    assert loaded.positions.of(("a", 0, "b")) == (2, 8)
    assert loaded.positions.of(("a", 0, "c"), key=True) == (3, 5)
    assert loaded.positions.of(("a", 0, "c", 1)) == (3, 14)


def test_what_is_not_there_has_the_place_of_what_is_around_it():
    loaded = load_yaml("a:\n  - did: email.clicked\n", "x.yaml")

    assert loaded.positions.of(("a", 0, "missing")) == (2, 5)
    assert loaded.positions.of(("a", 0, "did", "event", 0)) == (2, 10)


def test_an_empty_file_is_nothing_and_no_error():
    assert (load_yaml("", "x.yaml").data, load_yaml("# only\n", "x.yaml").problems) == (None, [])


def test_windows_line_ends_change_nothing():
    assert load_yaml("a: 1\r\nb:\r\n  - c\r\n", "x.yaml").data == {"a": 1, "b": ["c"]}


def test_other_texts_are_looked_at_too():
    problem = text_problem("Hello\nyou\x07\n", "emails/a/text.txt")

    assert problem is not None
    assert (problem.file, problem.line, problem.column, problem.code) == (
        "emails/a/text.txt",
        2,
        4,
        "control-character",
    )
    assert text_problem("Kære æ ø å 🌱\n", "x.txt") is None


PIECES = "a|b: |- |? |: |\n|\n  |\t|{|}|[|]|,|&x |*x|!t |!!int |'|>|%|@|`|#| #|---\n|...\n|<<|{{|}}|\\|\\x4|0|1_0|.|-|~"
ODD_PIECES = ["|", '"', "1e9", "|2-\n", "\r", "\x85", "\u2028", "\ufeff", "\x00", "\ud800", "æ", "🌱"]
YAML_PIECES = st.lists(st.sampled_from([*PIECES.split("|"), *ODD_PIECES]), max_size=40).map("".join)


@given(st.one_of(st.text(max_size=200), YAML_PIECES))
def test_any_text_gives_data_or_problems_and_never_a_crash(text):
    loaded = load_yaml(text, "x.yaml")

    assert loaded.readable or loaded.problems
    for problem in loaded.problems:
        assert problem.file == "x.yaml"
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.message
