"""How many messages a sending domain may send on one day: a limit, and a ramp while receivers do not know it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

# So many nobody sends: a ramp has ended there, and the power would only grow without end.
_MOST = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Ramp:
    """From `start` on `first_day` messages a day, and each day `growth` times as many."""

    start: date
    first_day: int
    growth: float


def most_on(day: date, limit: int | None, ramp: Ramp | None) -> int | None:
    """The most messages on that day, None when there is no limit; before the ramp's start its first day counts."""
    if ramp is None:
        return limit
    days = max((day - ramp.start).days, 0)
    ends = days * math.log(ramp.growth) >= math.log(_MOST / ramp.first_day)
    grown = _MOST if ends else math.floor(ramp.first_day * ramp.growth**days)
    return grown if limit is None else min(grown, limit)
