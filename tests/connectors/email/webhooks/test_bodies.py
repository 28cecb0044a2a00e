"""Bodies taken apart, and values of any type."""

from __future__ import annotations

from datetime import UTC, datetime
from time import perf_counter

import pytest

from connectors.email.webhooks.base import FactKind, Meaning, RefusedFact, Vocabulary
from connectors.email.webhooks.bodies import form_of, is_form, json_parts, lowered, translated
from connectors.email.webhooks.payloads import (
    address,
    addresses,
    at,
    fact_id,
    header_pairs,
    is_automatic,
    key_in_headers,
    mail_date,
    message_key,
    moment,
    words,
)
from nurture.errors import RefusedRow
from tests.connectors.email.webhooks.senders import KEY

POISON = b'{"a":' * 2_000 + b"1" + b"}" * 2_000


def test_a_list_with_a_poisoned_part_is_cut_where_its_parts_end():
    body = b' [ {"a": "],[{}\\\\"}, ' + POISON + b', {"b": ["x", {"c": "\\",}"}]}, "e,f" ] '
    first, poisoned, second, text = json_parts(body)
    assert first == {"a": "],[{}\\"}
    assert second == {"b": ["x", {"c": '",}'}]}
    assert isinstance(poisoned, RefusedFact)
    assert (poisoned.reason, poisoned.raw) == ("not-json", b" " + POISON)
    assert isinstance(text, RefusedFact)
    assert text.reason == "not-an-object"


def test_a_part_that_is_only_too_deep_is_kept_as_it_came():
    deep = b'{"a":' * 100 + b"1" + b"}" * 100
    good, bad = json_parts(b'[{"b":1},' + deep + b"]")
    assert good == {"b": 1}
    assert isinstance(bad, RefusedFact)
    assert (bad.reason, bad.raw) == ("too-deep", deep)


HOSTILE = {
    "escaped signs": b'["' + b'\\"' * 400_000 + b"]",
    "open texts": b'["' * 300_000 + b"]",
    "many parts": b"[" + b"{,}" * 300_000 + b"]",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_body_takes_no_longer_than_its_length(body):
    start = perf_counter()
    parts = json_parts(body)
    assert all(isinstance(part, RefusedFact) for part in parts)
    assert perf_counter() - start < 20


def test_an_unforeseen_payload_costs_only_its_own_part():
    def translate(part):
        raise KeyError("a secret value")

    found = translated([{"a": 1}, RefusedFact("not-json", "x", b"x")], translate)
    assert [(each.reason, each.raw) for each in found.refused] == [("unreadable", {"a": 1}), ("not-json", b"x")]
    assert "secret" not in found.refused[0].message


@pytest.mark.parametrize(
    ("kind", "body", "form"),
    [
        ("application/x-www-form-urlencoded", b"{}", True),
        ("Multipart/Form-Data; boundary=x", b"{}", True),
        ("application/json", b"a=1", False),
        ("", b"a=1", True),
        ("", b' {"a": 1}', False),
        ("text/plain; charset=UTF-8", b"[]", False),
    ],
)
def test_a_form_is_known_by_its_type_else_by_its_first_character(kind, body, form):
    assert is_form({"CONTENT-TYPE": kind}, body) is form


def parts(*each: bytes) -> bytes:
    """A form of parts."""
    return b"".join(b"--a b\r\n" + part + b"\r\n" for part in each) + b"--a b--\r\n"


def test_a_form_of_parts_has_the_texts_and_only_the_names_of_files():
    body = parts(
        b'Content-Disposition: form-data; name="text"\r\n\r\nOne\r\n\r\n--a',
        b'content-disposition: form-data; name="text"\r\nContent-Type: text/plain\r\n\r\n\xff',
        b'Content-Disposition: form-data; filename="x.txt"; name="file"\r\n\r\nsecret',
        b'Content-Disposition: form-data; name="filename"\r\n\r\nkept',
        b'Content-Disposition: form-data; name="empty"\r\n\r\n',
        b"Content-Type: text/plain\r\n\r\nwithout a name",
    )
    assert form_of({"Content-Type": 'multipart/form-data; boundary="a b"'}, body) == {
        "text": ["One\r\n\r\n--a", "\ufffd"],
        "file": [""],
        "filename": ["kept"],
        "empty": [""],
    }


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", parts(b"x")),
        ("multipart/form-data; boundary=", parts(b"x")),
        ("multipart/form-data; boundary=other", parts(b"x")),
        ('multipart/form-data; boundary="a b"', parts(*[b"x"] * 1_001)),
        ('multipart/form-data; boundary="a b"', b""),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 1_001)),
    ],
)
def test_a_form_without_parts_or_with_too_many_is_refused(kind, body):
    with pytest.raises(RefusedRow) as refused:
        form_of({"Content-Type": kind}, body)
    assert refused.value.reason == "bad-form"


def test_a_form_keeps_every_value_in_its_order():
    body = b"a=1&b=%FF&a=2&c="
    assert form_of({}, body) == {"a": ["1", "2"], "b": ["�"], "c": [""]}


def test_header_names_are_lowered_whatever_they_are():
    assert lowered({"X-A": "b", 7: 8}) == {"x-a": "b", "7": "8"}  # type: ignore[dict-item]


# --- Values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "bare"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada <Ada@Example.com>", "Ada@Example.com"),
        ('"Love, Ada" <ada@example.com>', "ada@example.com"),
        ("ünï@example.com", "ünï@example.com"),
        ("invalid@invalid", "invalid@invalid"),
        ("ada", None),
        ("@example.com", None),
        ("ada@", None),
        ("a b@example.com", None),
        ("ada@example.com, bob@example.com", None),
        ("ada@example.com\r\nBcc: bob@example.com", None),
        ("a@b@c", None),
        ("x" * 400 + "@example.com", None),
        ("@" * 10_000, None),
        ("", None),
        (None, None),
        (7, None),
        ({"a": 1}, None),
    ],
)
def test_an_address_is_bare_or_none(given, bare):
    assert address(given) == bare


def test_addresses_come_from_lists_of_texts_and_of_objects():
    assert addresses(["a@example.com", 7, {"emailAddress": "b@example.com"}], "emailAddress") == [
        "a@example.com",
        None,
        "b@example.com",
    ]
    assert addresses([]) == addresses(None) == [None]


@pytest.mark.parametrize(
    "given",
    [1772618460, 1772618460.0, "1772618460", 1772618460000, "2026-03-04T10:01:00Z", "2026-03-04T11:01:00+01:00"],
)
def test_an_instant_is_read_in_all_its_spellings(given):
    assert moment(None, "", "soon", True, [], {}, given, 1) == datetime(2026, 3, 4, 10, 1, tzinfo=UTC)


@pytest.mark.parametrize("given", [None, True, 0, -1, 7, 10**18, 1e300, float("inf"), "x" * 10_000, "²" * 10, [], {}])
def test_what_is_no_instant_is_none(given):
    assert moment(given) is None


def test_the_date_of_a_mail_is_read_or_none():
    assert mail_date("Wed, 4 Mar 2026 11:01:00 +0100") == datetime(2026, 3, 4, 10, 1, tzinfo=UTC)
    assert mail_date("Wed, 4 Mar 2026 10:01:00") == datetime(2026, 3, 4, 10, 1, tzinfo=UTC)
    assert {
        mail_date(each) for each in (None, "", "soon", 7, "Wed, 99 Mar 9999 99:99:99 +9999", "4 Mar 1960 1:01 +0000")
    } == {None}


@pytest.mark.parametrize("given", [KEY, f"<{KEY}>", f"<{KEY}@mail.example.com>", f"{KEY}@mail.example.com", f" {KEY} "])
def test_our_key_is_found_alone_and_in_a_message_id(given):
    assert message_key(None, 7, "other", given) == KEY


@pytest.mark.parametrize(
    "given", [KEY.upper(), KEY + "0", KEY[1:], f"x{KEY}", f"<{KEY}@a@b>", f"{KEY} {KEY}", "", None, [KEY]]
)
def test_what_only_looks_like_our_key_is_none(given):
    assert message_key(given) is None


@pytest.mark.parametrize(
    "given",
    [
        {"In-Reply-To": f"<x@example.com> <{KEY}@mail.example.com>"},
        [{"name": "In-Reply-To", "value": f"<{KEY}@mail.example.com>"}],
        [{"Name": "References", "Value": f"<x@example.com>\r\n <{KEY}@mail.example.com>"}],
        [["references", KEY]],
    ],
)
def test_headers_come_in_many_shapes(given):
    assert key_in_headers(header_pairs(given), ("in-reply-to", "references")) == KEY


def test_headers_of_no_shape_are_none():
    for given in (None, 7, "text", [7], [[1, 2]], [["a"]], [{"name": "a"}], {"a": 1}):
        assert header_pairs(given) == []


@pytest.mark.parametrize(
    ("header", "automatic"),
    [
        (("auto-submitted", "auto-replied"), True),
        (("auto-submitted", "Auto-Generated; x=y"), True),
        (("auto-submitted", "No"), False),
        (("precedence", "auto_reply"), True),
        (("precedence", "bulk"), False),
        (("x-autoreply", "yes"), True),
        (("subject", "auto-submitted"), False),
    ],
)
def test_a_machine_says_that_it_is_one(header, automatic):
    assert is_automatic([("from", "ada@example.com"), header]) is automatic


def test_texts_are_one_line_of_bounded_length():
    assert words(" a\r\n\tb\x00c\u2028d ") == "a b c d"
    assert words("x" * 10_000) == "x" * 300
    assert words(7) == "7"
    assert {words(each) for each in (None, True, 1.5, [], {}, "", " \x00")} == {None}


def test_looking_into_something_else_than_an_object_finds_nothing():
    assert at({"a": {"b": 1}}, "a", "b") == 1
    assert at({"a": [1]}, "a", "b") is at(None, "a") is at("text", "a") is None


@pytest.mark.parametrize("own", [None, "", "with space", "x" * 201, "ünï", "a\nb", "\ud800"])
def test_an_id_that_is_not_plain_becomes_a_hash(own):
    found = fact_id("brevo", {"b": 1, "a": 2}, own)
    assert found.startswith("content:")
    assert len(found) == 48
    assert found == fact_id("brevo", {"a": 2, "b": 1}, own)
    assert found != fact_id("resend", {"a": 2, "b": 1}, own)


def test_the_longest_known_words_count():
    words_of = Vocabulary(
        {"bounce": Meaning(FactKind.BOUNCED, hard=False), "bounce / Hard": Meaning(FactKind.BOUNCED, True)}
    )
    assert words_of.meaning("Bounce", "hard", "anything").hard is True
    assert words_of.meaning("bounce", None, "hard").hard is False
    assert words_of.meaning("bounce / Hard").kind is FactKind.UNKNOWN
    assert words_of.meaning(None).kind is words_of.meaning("").kind is FactKind.UNKNOWN
