"""Countries: their names in many languages to the two letters of ISO 3166."""

from __future__ import annotations

import re
from functools import cache

from phonenumbers import SUPPORTED_REGIONS

# What people write and no table of official names has; also the two-letter codes that are not ISO's.
_ALSO = {
    "america": "US",
    "great britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "uk": "GB",
    "northern ireland": "GB",
    "holland": "NL",
    "the netherlands": "NL",
    "korea": "KR",
    "republic of korea": "KR",
    "russian federation": "RU",
    "uae": "AE",
    "viet nam": "VN",
    "czech republic": "CZ",
    "turkey": "TR",
    "turkiye": "TR",
    "ivory coast": "CI",
    "hong kong": "HK",
    "macau": "MO",
    "macao": "MO",
    "taiwan": "TW",
    "usa": "US",
}
_DROPPED = re.compile(r"[.,()'’]")


def country_code(text: str) -> str | None:
    """The two capital letters of a country given by code or by name in any language; None when nobody knows it."""
    word = " ".join(_DROPPED.sub("", text).casefold().split())
    if word in _ALSO:
        return _ALSO[word]
    if len(word) == 2 and word.upper() in SUPPORTED_REGIONS:
        return word.upper()
    return _names().get(word)


@cache
def _names() -> dict[str, str]:
    # 0.4 seconds to import, so only once somebody writes a name.
    from phonenumbers.geodata.locale import LOCALE_DATA

    found: dict[str, set[str]] = {}
    for code, names in LOCALE_DATA.items():
        for name in names.values():
            # A star marks "as in that language".
            if not name.startswith("*"):
                found.setdefault(" ".join(_DROPPED.sub("", name).casefold().split()), set()).add(code)
    return {name: codes.pop() for name, codes in found.items() if len(codes) == 1}
