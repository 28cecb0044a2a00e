"""The second line against personal data in logs: what looks like an address, a phone number or a token is blotted out.

The first line is that nothing of the kind is handed to a log at all.
"""

from __future__ import annotations

import re

_MARKS = (
    (re.compile(r"[^\s<>\"'`(),;:=\[\]{}|]+@[^\s<>\"'`(),;:\[\]{}|]+"), "[address]"),
    (re.compile(r"\+\d(?:[ ()./-]?\d){6,}"), "[phone]"),
    # Longer than a UUID: hashes, signed links, keys.
    (re.compile(r"(?<![\w/-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{40,}(?:\.[\w-]+)*"), "[token]"),
)


def redact(text: str) -> str:
    """The same text without anything that looks like an address, a phone number (with its +) or a token."""
    for pattern, mark in _MARKS:
        text = pattern.sub(mark, text)
    return text
