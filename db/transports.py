"""The state of the e-mail transports, shared by all workers: one that refuses the sender pauses for everybody."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from db.tables import transports
from db.work import insert_for

# A sender that is refused is tried again after so long, each time twice as long, up to the longest.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=30), timedelta(hours=4)
# The longest that a provider may ask us to wait.
LONGEST_WAIT = timedelta(hours=1)
ASKED_TO_WAIT = "asked-to-wait"


def refused(connection: Connection, name: str, reason: str, now: datetime) -> int:
    """The sender is refused: all workers leave the transport alone, each time longer; returns how often in a row.

    What several workers hear at once is one refusal.
    """
    row = _locked(connection, name, now)
    failures = int(row.failures)
    rests = row.paused_until is not None and row.paused_until > now
    if failures and rests and row.reason != ASKED_TO_WAIT:
        return failures
    failures += 1
    pause: timedelta = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
    _set(connection, name, paused_until=now + pause, reason=reason[:500], failures=failures, changed_at=now)
    return failures


def wait(connection: Connection, name: str, seconds: float, now: datetime) -> None:
    """The provider asks us to wait: all workers do, unless they rest for longer already; nothing is wrong."""
    until = now + min(timedelta(seconds=max(seconds, 1.0)), LONGEST_WAIT)
    row = _locked(connection, name, now)
    if row.paused_until is None or row.paused_until < until:
        _set(connection, name, paused_until=until, reason=ASKED_TO_WAIT, changed_at=now)


def works(connection: Connection, name: str, now: datetime) -> None:
    """The transport has taken a message: the refusals are over."""
    connection.execute(
        update(transports)
        .where(transports.c.name == name, transports.c.failures > 0)
        .values(failures=0, paused_until=None, reason=None, changed_at=now)
    )


def on_probation(connection: Connection, name: str) -> bool:
    """Whether the sender was refused last time, so that a single message has to show that it works again."""
    found = connection.execute(select(transports.c.failures).where(transports.c.name == name)).scalar_one_or_none()
    return bool(found)


def _locked(connection: Connection, name: str, now: datetime) -> Any:
    """The row of a transport, made when it is missing, and locked."""
    fresh = {"name": name, "failures": 0, "changed_at": now}
    connection.execute(insert_for(connection)(transports).values(fresh).on_conflict_do_nothing())
    return connection.execute(select(transports).where(transports.c.name == name).with_for_update()).one()


def _set(connection: Connection, name: str, **values: Any) -> None:
    connection.execute(update(transports).where(transports.c.name == name).values(values))


def paused(connection: Connection, name: str, now: datetime) -> RowMapping | None:
    """The pause of a transport, when it is paused now."""
    return (
        connection.execute(select(transports).where(transports.c.name == name, transports.c.paused_until > now))
        .mappings()
        .one_or_none()
    )
