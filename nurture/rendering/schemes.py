"""A mail as it looks in light and in dark: its own rules made to hold, whatever the machine of the onlooker prefers."""

from __future__ import annotations

import re
from typing import Literal

Scheme = Literal["light", "dark"]
# Where a rule may ask for a scheme: in style sheets and in the `media` of styles and sources, never in words.
_PLACES = re.compile(r"<style\b[^<>]*>.*?</style\s*>|<(?:source|link|meta)\b[^<>]*>", re.IGNORECASE | re.DOTALL)
_ASKS = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)", re.IGNORECASE)
_HEAD_END = re.compile(r"</head\s*>", re.IGNORECASE)
_DOCTYPE = re.compile(r"\s*<!doctype[^<>]*>", re.IGNORECASE)
# They stand wherever a feature of media may stand.
_HOLDS, _NEVER = "(min-width: 0px)", "(max-width: 0px)"


def in_scheme(html: str, scheme: Scheme) -> str:
    """The page as a program in this scheme shows it; programs that darken by themselves are not imitated."""

    def asked(found: re.Match[str]) -> str:
        return _HOLDS if found[1].lower() == scheme else _NEVER

    page = _PLACES.sub(lambda place: _ASKS.sub(asked, place.group()), html)
    style = f"<style>:root {{ color-scheme: only {scheme} !important }}</style>"
    head_end = _HEAD_END.search(page)
    if head_end is not None:
        return page[: head_end.start()] + style + page[head_end.start() :]
    doctype = _DOCTYPE.match(page)
    at = doctype.end() if doctype else 0
    return page[:at] + style + page[at:]


def has_dark_rules(html: str) -> bool:
    """Whether the page says anywhere how it looks in dark."""
    return any(
        asked[1].lower() == "dark" for place in _PLACES.finditer(html) for asked in _ASKS.finditer(place.group())
    )
