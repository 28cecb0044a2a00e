"""Windows: holidays of a country that is known, and days that leave something open."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from nurture.closed_days import has_holidays
from nurture.definitions.sequences import WEEKDAYS, Window
from nurture.lint.findings import Finding
from nurture.strict_yaml import Path

_A_YEAR = 366


def lint_window(window: Window, document: str, path: Path) -> Iterator[Finding]:
    """A window by itself."""
    if isinstance(window.holidays, str) and not has_holidays(window.holidays):
        yield Finding(
            document,
            (*path, "holidays"),
            "unknown-country",
            f"no holidays are known for `{window.holidays}`",
            "write `true` for where the lead lives, or a code like `DK` or `DE-BY`",
        )
    if _longest_closed(window) >= _A_YEAR:
        yield Finding(
            document,
            (*path, "closed"),
            "never-open",
            "these days keep the window closed for a year or more",
            "leave some of its days open",
        )


def _longest_closed(window: Window) -> int:
    """How many days in a row the window stays closed by its own closed days, weekends included."""
    closed = {date.fromisoformat(day) for day in window.closed}
    longest = 0
    for day in closed:
        if day - timedelta(days=1) in closed:
            continue
        length = 0
        while day in closed or WEEKDAYS[day.weekday()] not in window.days:
            length, day = length + 1, day + timedelta(days=1)
        longest = max(longest, length)
    return longest
