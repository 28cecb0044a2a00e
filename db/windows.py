"""Local time windows, set-wise: for whom a window is closed, and when it opens where they live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, FromClause, and_, func, select

from db.batches import instant_cell, listed
from db.tables import leads
from db.types import UTCDateTime
from nurture.definitions.sequences import Window
from nurture.local_time import closed_days_of, next_open, zone_of

# The time zone and the country of a lead, as they are stored.
Place = tuple[str | None, str | None]


def closed_places(
    places: Iterable[Place], window: Window, now: datetime, *time_zones: str | None, home: str | None = None
) -> dict[Place, datetime]:
    """The places where the window is closed now, and when it opens there.

    Time zones to fall back to come last; `home` is the country whose holidays count where a lead's own is not known.
    """
    opens: dict[Place, datetime] = {}
    for place in places:
        local = zone_of(*place, *time_zones)
        instant = next_open(window, local, now, closed_days_of(window, place[1] or home, local, now))
        if instant > now:
            opens[place] = instant
    return opens


def lives_at(places: FromClause) -> ColumnElement[bool]:
    """Whether a lead lives at a row's `zone` and `country`; both are empty texts where they are not known."""
    return and_(
        func.coalesce(leads.c.time_zone, "") == places.c.zone, func.coalesce(leads.c.country, "") == places.c.country
    )


def opening(connection: Connection, opens: Mapping[Place, datetime], of: FromClause) -> Any:
    """A SQL expression: when the window opens for the lead of a row of `of`, or NULL where it is open."""
    rows = [
        (zone or "", country or "", instant_cell(connection, instant)) for (zone, country), instant in opens.items()
    ]
    columns: tuple[sa.Column[Any], ...] = (
        sa.Column("zone", sa.String),
        sa.Column("country", sa.String),
        sa.Column("opens", UTCDateTime()),
    )
    table = listed(connection, "openings", rows, *columns)
    return (
        select(table.c.opens)
        .select_from(leads.join(table, lives_at(table)))
        .where(leads.c.id == of.c.lead_id)
        .correlate(of)
        .scalar_subquery()
    )
