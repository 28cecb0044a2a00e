"""How many messages a sending domain may send on one day: a limit, and a ramp while receivers do not know it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

# Beyond this many days a ramp has certainly met any limit, and the power would only grow without end.
_LONGEST = 365


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
    days = min(max((day - ramp.start).days, 0), _LONGEST)
    grown = math.floor(ramp.first_day * ramp.growth**days)
    return grown if limit is None else min(grown, limit)
