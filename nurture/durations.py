"""Durations as a marketer writes them: calendar days and weeks keep the local time, hours and minutes are exact.

What happens to people is measured in minutes at the least; seconds are for telling machines from people.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

_PART = re.compile(r"(\d{1,6})\s*(months?|weeks?|days?|hours?|h|minutes?|min|m)\b")
_SECONDS_PART = re.compile(r"(\d{1,6})\s*(?:seconds?|secs?|s)\b")
_LONGEST_DAYS = 3660
_UNITS = {"mo": 30 * 1440, "we": 7 * 1440, "da": 1440, "ho": 60, "h": 60, "mi": 1, "m": 1}


class Duration(BaseModel):
    """A length of time; `days` are calendar days in the lead's time zone, `minutes` and `odd_seconds` are exact."""

    model_config = ConfigDict(frozen=True)

    days: int = 0
    minutes: int = 0
    text: str = ""
    odd_seconds: int = 0

    @property
    def total(self) -> timedelta:
        """The length with every day counted as 24 hours."""
        return timedelta(days=self.days, minutes=self.minutes, seconds=self.odd_seconds)

    @property
    def seconds(self) -> int:
        """The length in seconds with every day counted as 24 hours."""
        return int(self.total.total_seconds())


def parse_duration(value: Any) -> Duration:
    """Read `3 days`, `24 h`, `2 weeks`, `6 months` (30 days each) or `1 day 4 hours`; raises ValueError."""
    if isinstance(value, Duration):
        return value
    if isinstance(value, dict):
        return Duration.model_validate(value)
    if not isinstance(value, str):
        raise ValueError(f"a duration is written like `3 days` or `24 h`, not {value!r}")
    text = value.strip().lower()
    rest = _PART.sub("", text).replace(",", " ").replace(" and ", " ").strip()
    parts = _PART.findall(text)
    if rest or not parts:
        raise ValueError(f"`{value}` is not a duration; write it like `3 days`, `24 h`, `2 weeks` or `6 months`")
    days = minutes = 0
    for number, unit in parts:
        size = _UNITS[unit[:2]] * int(number)
        if unit[0] == "d" or unit[:2] in ("mo", "we"):
            days += size // 1440
        else:
            minutes += size
    if days + minutes / 1440 > _LONGEST_DAYS:
        raise ValueError(f"`{value}` is longer than ten years")
    return Duration(days=days, minutes=minutes, text=value)


def parse_short_duration(value: Any) -> Duration:
    """Read `10 s`, `90 seconds`, `1 minute 30 s` or what is a duration anyway; raises ValueError."""
    if not isinstance(value, str) or not _SECONDS_PART.search(value.lower()):
        return parse_duration(value)
    text = value.strip().lower()
    seconds = sum(int(number) for number in _SECONDS_PART.findall(text))
    rest = _SECONDS_PART.sub("", text).replace(" and ", " ").strip(" ,")
    try:
        longer = parse_duration(rest) if rest else Duration()
    except ValueError:
        raise ValueError(f"`{value}` is not a duration; write it like `10 s`, `90 seconds` or `2 minutes`") from None
    return Duration(days=longer.days, minutes=longer.minutes, odd_seconds=seconds, text=value)


DurationText = Annotated[Duration, BeforeValidator(parse_duration), PlainSerializer(lambda d: d.text)]
ShortDurationText = Annotated[Duration, BeforeValidator(parse_short_duration), PlainSerializer(lambda d: d.text)]
