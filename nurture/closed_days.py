"""Closed days: the public holidays of a country, and the days that a business closes by itself."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from nurture.errors import DefinitionError


def closed_days(country: str | None, years: Iterable[int], own: Iterable[str] = ()) -> frozenset[str]:
    """The local ISO dates of those years on which nobody works; raises DefinitionError for an unknown country.

    `country` is a code like `DK`, or `DE-BY` where a part of the country has holidays of its own.
    """
    wanted = set(years)
    found = {day for day in own if int(day[:4]) in wanted}
    if country:
        found.update(*(public_holidays(country, year) for year in wanted))
    return frozenset(found)


@cache
def public_holidays(country: str, year: int) -> frozenset[str]:
    """The public holidays of a country in one year, as ISO dates, with the days on which they are observed."""
    # Imported here: only who names a country waits for it.
    import holidays

    code, _, part = country.upper().partition("-")
    try:
        days = holidays.country_holidays(code, subdiv=part or None, years=year)
    except NotImplementedError:
        raise DefinitionError(
            f"no holidays are known for `{country}`; write a code like `DK`, or `DE-BY` for a part of a country"
        ) from None
    return frozenset(day.isoformat() for day in days if day.year == year)


def has_holidays(country: str) -> bool:
    """Whether the holidays of this country are known."""
    try:
        return bool(public_holidays(country, 2026))
    except DefinitionError:
        return False
