"""Waits of whole days end at the same local time, set-wise: Python looks where the clocks change, one statement joins.

Only bases that have a change of the clocks between them and their target need a row; everybody else waits 24 hours a
day. The rule itself is `nurture.local_time.after`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, FromClause, func, literal, select

from db.batches import instant_cell, listed, looked_up
from db.tables import leads
from db.types import UTCDateTime, later_of, plus_seconds
from db.windows import Place, lives_at
from nurture.durations import Duration
from nurture.local_time import OffsetPeriod, offset_periods, zone_of

_DAY = timedelta(days=1)
_NAME = "clock_changes"
_COLUMNS: tuple[sa.Column[Any], ...] = (
    sa.Column("zone", sa.String),
    sa.Column("country", sa.String),
    sa.Column("base_from", UTCDateTime()),
    sa.Column("base_until", UTCDateTime()),
    sa.Column("not_before", UTCDateTime()),
    sa.Column("seconds", sa.Integer),
)


def later(
    connection: Connection,
    of: FromClause,
    base: ColumnElement[Any],
    length: Duration,
    whom: Sequence[ColumnElement[bool]],
    parameters: Mapping[str, Any],
    *time_zones: str | None,
) -> ColumnElement[Any]:
    """A SQL expression for rows of `of`: the instant so long after `base`, in the lead's local time.

    `of` has a `lead_id`, `base` is an instant of its row, `whom` are the conditions of the statement that will use the
    expression (with `parameters`, such as `now`): for the leads of these rows, and only for them, it is right, as long
    as it is used in the same transaction. `time_zones` are fallen back to: the sequence's, then the project's. Where
    the days matter it costs one query. For a running wait that an edit has made longer or shorter:

        wake_at = later(connection, enrollments, enrollments.c.waiting_since, length, whom, {"now": now}, *time_zones)
    """
    plain = plus_seconds(base, literal(length.seconds))
    if not length.days:
        return plain
    changes = [
        (zone or "", country or "", *cells)
        for (zone, country), first, last in _bases(connection, of, base, whom, parameters)
        for cells in _changes(connection, zone_of(zone, country, *time_zones), first, last, length)
    ]
    if not changes:
        return plain
    rows = looked_up(listed(connection, _NAME, changes, *_COLUMNS))
    changed = (
        select(later_of(rows.c.not_before, plus_seconds(base, rows.c.seconds)))
        .select_from(leads.join(rows, lives_at(rows)))
        .where(leads.c.id == of.c.lead_id, rows.c.base_from <= base, base < rows.c.base_until)
        .correlate(of)
        .scalar_subquery()
    )
    return func.coalesce(plus_seconds(changed, literal(length.minutes * 60)), plain, type_=UTCDateTime())


def _bases(
    connection: Connection,
    of: FromClause,
    base: ColumnElement[Any],
    whom: Sequence[ColumnElement[bool]],
    parameters: Mapping[str, Any],
) -> Iterator[tuple[Place, datetime, datetime]]:
    """Where the leads live, with the earliest and the latest base there."""
    query = (
        select(leads.c.time_zone, leads.c.country, func.min(base), func.max(base))
        .select_from(of.join(leads, leads.c.id == of.c.lead_id))
        .where(*whom, base.is_not(None))
        .group_by(leads.c.time_zone, leads.c.country)
    )
    for zone, country, first, last in connection.execute(query, dict(parameters)):
        yield (zone, country), first, last


def _changes(
    connection: Connection, local: ZoneInfo, first: datetime, last: datetime, length: Duration
) -> Iterator[tuple[Any, ...]]:
    for base_from, base_until, not_before, seconds in changes(local, first, last, length.days):
        instants = (instant_cell(connection, each) for each in (base_from, base_until, not_before))
        yield (*instants, seconds)


def changes(
    local: ZoneInfo, first: datetime, last: datetime, days: int
) -> Iterator[tuple[datetime, datetime, datetime, int]]:
    """The spans of bases for which so many days are not 24 hours each: from, until, the earliest result, the seconds.

    The result is the base plus the seconds, or the earliest result where that is later: the first valid instant after
    a jump.
    """
    length = days * _DAY
    periods = offset_periods(local, first, last + length + 2 * _DAY)
    for number, here in enumerate(periods):
        targets = periods[number:]
        # Up to which base each period takes the target, and the periods before it.
        bounds = [_last_base(target, here, length, last) for target in targets]
        reached = list(accumulate(bounds, max))
        for index, target in enumerate(targets[1:], 1):
            base_from = max(here.since, reached[index - 1])
            base_until = min(here.until or last + _DAY, bounds[index])
            if base_from < base_until:
                seconds = int((here.offset + length - target.offset).total_seconds())
                yield base_from, base_until, target.since, seconds


def _last_base(target: OffsetPeriod, here: OffsetPeriod, length: timedelta, last: datetime) -> datetime:
    """The first base, in one period, whose target's local time comes after another period has ended."""
    return last + _DAY if target.until is None else target.until + target.offset - here.offset - length
