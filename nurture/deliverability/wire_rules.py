"""Rules about the bytes: lines that every server passes on unchanged."""

from __future__ import annotations

import re

from nurture.deliverability.letter import Letter
from nurture.deliverability.rules import Rule, Seen

MAX_LINE = 998
_BARE_CR = re.compile(rb"\r(?!\n)")
_BARE_LF = re.compile(rb"(?<!\r)\n")


def _line_length(letter: Letter) -> Seen:
    longest = max(len(line) for line in re.split(rb"\r\n|\n|\r", letter.raw))
    return Seen(longest <= MAX_LINE, f"the longest has {longest} characters")


def _line_ends(letter: Letter) -> Seen:
    if _BARE_CR.search(letter.raw):
        return Seen(False, "a CR alone")
    if b"\r\n" in letter.raw and _BARE_LF.search(letter.raw):
        return Seen(False, "an LF alone among CRLF")
    # A file may have been saved with the line ends of the system; it is sent with CRLF.
    return Seen(True, "CRLF" if b"\r\n" in letter.raw else "LF throughout, as in a text file")


def _seven_bit(letter: Letter) -> Seen:
    head, _, _ = letter.raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    if not head.isascii():
        return Seen(False, "8-bit characters in the headers", "write headers as encoded words (RFC 2047)")
    if b"\x00" in letter.raw:
        return Seen(False, "a NUL")
    if letter.raw.isascii():
        return Seen(True, "7-bit")
    declared = all(part.encoding in ("8bit", "binary", "quoted-printable", "base64") for part in letter.parts)
    return Seen(declared, "8-bit, declared" if declared else "8-bit characters in a part that declares 7bit")


RULES: tuple[Rule[Letter], ...] = (
    Rule(
        "line-length",
        "must",
        f"lines of at most {MAX_LINE} characters (RFC 5322, 2.1.1)",
        "encode the part as quoted-printable or base64",
        _line_length,
    ),
    Rule(
        "line-ends",
        "must",
        "CRLF at each line's end, no CR or LF alone (SMTP smuggling)",
        "write CRLF; a bare CR or LF is read differently by different servers",
        _line_ends,
    ),
    Rule(
        "seven-bit",
        "must",
        "ASCII headers, and 8-bit parts only where declared",
        "encode the part as quoted-printable or base64",
        _seven_bit,
    ),
)
