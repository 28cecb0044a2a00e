"""How much may still be sent: the day of a domain, and the bucket of a rate; each a row that all workers share."""

from __future__ import annotations

import math
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy import Connection, func, select, update

from db.tables import sending_days, transports
from db.types import database_clock, epoch_seconds
from db.work import insert_for


def left_today(connection: Connection, domain: str, day: date, most: int) -> int:
    """How many messages the domain may still send that day; the row stays locked until the transaction ends."""
    row = {"domain": domain, "day": day, "taken": 0}
    connection.execute(insert_for(connection)(sending_days).values(row).on_conflict_do_nothing())
    taken = connection.execute(select(sending_days.c.taken).where(_is(domain, day)).with_for_update()).scalar_one()
    return max(most - int(taken), 0)


def take(connection: Connection, domain: str, day: date, number: int) -> None:
    """Take so many of a day's allowance; a negative number gives back what was not sent after all."""
    if number:
        taken = sending_days.c.taken + number
        taken = sa.case((taken > 0, taken), else_=0)
        connection.execute(update(sending_days).where(_is(domain, day)).values(taken=taken))


def _is(domain: str, day: date) -> sa.ColumnElement[bool]:
    return sa.and_(sending_days.c.domain == domain, sending_days.c.day == day)


def draw(connection: Connection, transport: str, wanted: int, rate: float, now: datetime) -> tuple[int, float]:
    """Draw from the bucket of a transport that fills by `rate` messages a second and holds one second's worth.

    Returns how many may go at once, and when that is none, after how many seconds to ask again. The clock is the
    database's, so that workers on several machines fill one bucket.
    """
    holds = max(rate, 1.0)
    row = {"name": transport, "changed_at": now, "failures": 0}
    connection.execute(insert_for(connection)(transports).values(row).on_conflict_do_nothing())
    mine = transports.c.name == transport
    since = epoch_seconds(database_clock()) - epoch_seconds(transports.c.tokens_at)
    filled = func.coalesce(transports.c.tokens + since * rate, holds)
    found = float(connection.execute(select(filled).where(mine).with_for_update()).scalar_one())
    tokens = min(max(found, 0.0), holds)
    granted = min(wanted, math.floor(tokens))
    connection.execute(update(transports).where(mine).values(tokens=tokens - granted, tokens_at=database_clock()))
    return granted, 0.0 if granted else (1.0 - tokens) / rate


def pour_back(connection: Connection, transport: str, number: int) -> None:
    """Put back what was drawn in this transaction and found no message."""
    connection.execute(
        update(transports).where(transports.c.name == transport).values(tokens=transports.c.tokens + number)
    )
