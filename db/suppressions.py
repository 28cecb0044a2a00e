"""Suppressions: addresses that get no mail, known by their keyed hash, so that a stop outlives an erasure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from db.tables import suppressions
from db.work import insert_for


class Stop(NamedTuple):
    """One address and what it gets no more: `all`, or `topic:<name>`."""

    email_hash: str
    scope: str
    reason: str
    since: datetime


def suppress(connection: Connection, stops: Iterable[Stop]) -> int:
    """Suppress addresses; one that is suppressed already stays as it is. The caller holds the lock on their leads."""
    # The earliest reason counts, whatever arrived first in the batch.
    first: dict[tuple[str, str], Stop] = {}
    for stop in sorted(stops, key=lambda each: (each.since, each.reason)):
        first.setdefault((stop.email_hash, stop.scope), stop)
    if not first:
        return 0
    rows = [stop._asdict() for stop in first.values()]
    done = connection.execute(insert_for(connection)(suppressions).on_conflict_do_nothing(), rows)
    return max(done.rowcount, 0)
