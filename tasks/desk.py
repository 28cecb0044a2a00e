"""The sales desk: its business hours as a window, and by when a new task must be taken."""

from __future__ import annotations

from datetime import datetime, time

from nurture.closed_days import closed_days
from nurture.definitions.lifecycle import SalesDesk
from nurture.definitions.sequences import Window
from nurture.local_time import business_due, zone_of


def desk_window(desk: SalesDesk) -> Window:
    """When sales is at work, in the project's time zone."""
    start, end = (time.fromisoformat(clock) for clock in desk.business_hours)
    return Window.model_validate({"days": list(desk.business_days), "from": start, "to": end})


def task_due(desk: SalesDesk, time_zone: str, now: datetime) -> datetime:
    """By when a task that is opened now must be taken: its time runs while sales is at work."""
    closed = closed_days(desk.holidays, range(now.year - 1, now.year + 3), desk.closed)
    minutes = int(desk.due.total.total_seconds() // 60)
    return business_due(now, minutes, desk_window(desk), zone_of(None, None, time_zone), closed)
