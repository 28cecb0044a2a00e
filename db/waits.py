"""Waits that depend on where people live: how long so many days are there, and whether a window is open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, update

from db.conditions import NOW
from db.local_days import later
from db.tables import enrollments, leads
from db.windows import closed_places, opening
from nurture.definitions.sequences import Window
from nurture.durations import Duration


def begin(
    connection: Connection,
    standing: Sequence[ColumnElement[bool]],
    length: Duration,
    now: datetime,
    *time_zones: str | None,
    for_event: bool,
) -> int:
    """Let those who have just come to a wait wait for so long, from when the step before really happened.

    Days keep the local time. It is worked out once: who moves to another time zone meanwhile keeps the instant.
    """
    arriving = [*standing, enrollments.c.waiting_since.is_(None)]
    wake_at = later(connection, enrollments, enrollments.c.wake_at, length, arriving, {"now": now}, *time_zones)
    values: dict[str, Any] = {"waiting_since": enrollments.c.wake_at, "wake_at": wake_at}
    if for_event:
        values |= {"waiting_for": "event", "moved_at": NOW}
    return connection.execute(update(enrollments).where(*arriving).values(values), {"now": now}).rowcount


def hold_until_open(
    connection: Connection,
    standing: Sequence[ColumnElement[bool]],
    window: Window,
    now: datetime,
    *time_zones: str | None,
    home: str | None,
) -> int:
    """Let those wait for whom a window is closed, until it opens where they live."""
    places = select(leads.c.time_zone, leads.c.country).join(enrollments, enrollments.c.lead_id == leads.c.id)
    rows = connection.execute(places.where(*standing).distinct(), {"now": now})
    opens = closed_places([(row[0], row[1]) for row in rows], window, now, *time_zones, home=home)
    if not opens:
        return 0
    opens_at = opening(connection, opens, enrollments)
    return connection.execute(
        update(enrollments)
        .where(*standing, opens_at.is_not(None))
        .values(
            waiting_since=func.coalesce(enrollments.c.waiting_since, enrollments.c.wake_at),
            wake_at=opens_at,
            waiting_for="wake",
            moved_at=NOW,
        ),
        {"now": now},
    ).rowcount
