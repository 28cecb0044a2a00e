"""The second line against personal data in logs: what looks like an address, a phone number or a token is blotted out.

The first line is that nothing of the kind is handed to a log at all.
"""

from __future__ import annotations

import re

_MARKS = (
    (re.compile(r"[^\s<>\"'`(),;:=\[\]{}|]+@[^\s<>\"'`(),;:\[\]{}|]+"), "[address]"),
    (re.compile(r"\+\d(?:[ ()./-]{0,2}\d){6,}"), "[phone]"),
    # Longer than a UUID: keys and hashes, and signed links with letters of both cases and digits.
    (
        re.compile(r"(?<![\w.-])(?:[0-9a-f]{40,}|(?=[\w.-]*\d)(?=[\w.-]*[A-Z])(?=[\w.-]*[a-z])[\w.-]{40,})", re.ASCII),
        "[token]",
    ),
)


def redact(text: str) -> str:
    """The same text without anything that looks like an address, a phone number (with its +) or a token."""
    for pattern, mark in _MARKS:
        text = pattern.sub(mark, text)
    return text
