"""What an unquoted YAML word means, what is said when that is in doubt, and YAML's complaints in plain words."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NOTHING = ("", "~", "null")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)\Z")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+\Z")
_LOOSE_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_BASED = re.compile(r"[-+]?0[oO]?[0-7]+\Z|[-+]?0[xX][0-9a-fA-F]+\Z|[-+]?0[bB][01]+\Z")
_GROUPED = re.compile(r"[-+]?[0-9]+(_[0-9]+)+(\.[0-9_]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|nan)\Z", re.IGNORECASE)
_MOST_DIGITS = 15

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a word is refused."""

    message: str
    remedy: str


def read_scalar(word: str) -> tuple[str | int | float | bool | None, Doubt | None]:
    """The value of an unquoted word, and the doubt about it; `NO`, `yes`, `12:30` and dates are text."""
    if word in _NOTHING:
        return None, None
    if word in _BOOLEANS:
        return _BOOLEANS[word], None
    if word in ("Null", "NULL"):
        return None, Doubt(f"`{word}` would be read as nothing", _either("null", word))
    if _too_long(word):
        return word, Doubt(f"`{word[:24]}` is too large to be kept as a number", "put quotes round it if it is text")
    if _INTEGER.match(word) or _DECIMAL.match(word):
        return _number(word)
    if _GROUPED.match(word):
        plain = word.replace("_", "")
        return _value(plain), Doubt(f"`{word}` is text to YAML, although it looks like a number", _either(plain, word))
    if _BASED.match(word):
        return _value(_based(word)), Doubt(f"`{word}` can be read as {_based(word)}", _either(_based(word), word))
    if _NOT_FINITE.match(word):
        return word, Doubt(
            f"`{word}` is not a number that can be counted with", f'put quotes round it if it is text: "{word}"'
        )
    if _LOOSE_NUMBER.match(word):
        plain = _plain(word)
        return _value(plain), Doubt(f"`{word}` would be read as the number {plain}", _either(plain, word))
    return word, None


def _too_long(word: str) -> bool:
    """More digits than a number keeps, or larger than one can be."""
    if not (_LOOSE_NUMBER.match(word) or _GROUPED.match(word) or _BASED.match(word)):
        return False
    digits = sum(character.isdigit() for character in word.lower().partition("e")[0])
    huge = bool(_LOOSE_NUMBER.match(word)) and abs(float(word)) > 10**_MOST_DIGITS
    return len(word) > 40 or digits > _MOST_DIGITS or huge


def _number(word: str) -> tuple[int | float, Doubt | None]:
    plain = _plain(word)
    doubt = None if plain == word else Doubt(f"`{word}` would be read as the number {plain}", _either(plain, word))
    return _value(word), doubt


def _plain(word: str) -> str:
    number = float(word)
    return str(int(number)) if number == int(number) else repr(number)


def _value(word: str) -> int | float:
    return float(word) if "." in word or "e" in word else int(word)


def _based(word: str) -> str:
    sign, digits = ("-" if word[0] == "-" else ""), word.lstrip("+-").lower()
    base = {"x": 16, "b": 2, "o": 8}.get(digits[1:2])
    return sign + str(int(digits[2:], base) if base else int(digits, 10))


def _either(number: str, word: str) -> str:
    return f'write {number}, or put quotes round it if it is text: "{word}"'


def syntax_problem(lines: list[str], place: Place, start: Place | None, problem: str) -> tuple[Place, str, str, str]:
    """Place, code, message and remedy for what the parser could not read; `start` is where the broken part begins."""
    line = lines[place[0] - 1] if place[0] <= len(lines) else ""
    template = re.search(r"(?:[:\-]\s+|^\s*)(\{\{|\{%)", line)
    if template:
        return (
            (place[0], template.start(1) + 1),
            "unquoted-template",
            f"`{template[1]}` starts a template, and stands here without quotes",
            'put quotes round templates: "{{ ... }}"',
        )
    if "'\\t'" in problem or "\t" in line[: len(line) - len(line.lstrip())]:
        return place, "tab", "a tab stands where YAML wants spaces", "use spaces only, two for each level"
    if "cannot start any token" in problem:
        mark = line[place[1] - 1 : place[1]]
        return place, "yaml-syntax", f"an unquoted text cannot start with {mark}", "put quotes round the text"
    for words, message, remedy in _COMPLAINTS:
        if words in problem:
            at = start if start and words in _SAID_AT_THE_START else place
            return at, "yaml-syntax", message, remedy
    return (
        place,
        "yaml-syntax",
        f"YAML cannot read on from here: {' '.join(problem.split())[:120]}",
        "put quotes round a text with special characters",
    )


_COMPLAINTS = (
    (
        "mapping values are not allowed",
        "a `:` that does not belong here",
        "put quotes round a text with `: ` in it; line up the names of one level; see that each has its `:`",
    ),
    ("unexpected end of stream", "a quote is opened here and never closed", "close it"),
    (
        "expected <block end>",
        "this line does not belong to the level above it",
        "line up the names and the `-` of one level",
    ),
    ("expected ',' or", "a `[` or `{` is opened here and not closed", "close it, or add the missing comma"),
    ("but found '<stream end>'", "a `[` or `{` is opened and not closed before the end", "close it"),
    ("could not find expected ':'", "a name without a `:` after it", "write `name: value`"),
    (
        "unknown escape character",
        "`\\` in double quotes starts a special character",
        "use single quotes, or write `\\\\`",
    ),
)
_SAID_AT_THE_START = ("unexpected end of stream", "expected ',' or")
