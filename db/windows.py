"""Local time windows, set-wise: for whom a window is closed, and when it opens where they live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import FromClause, and_, func, select

from db.tables import leads
from db.types import UTCDateTime
from nurture.definitions.sequences import Window
from nurture.local_time import next_open, zone_of

# The time zone and the country of a lead, as they are stored.
Place = tuple[str | None, str | None]


def closed_places(
    places: Iterable[Place], window: Window, now: datetime, *fallbacks: str | None
) -> dict[Place, datetime]:
    """The places where the window is closed now, and when it opens there; time zones to fall back to come last."""
    opens = {place: next_open(window, zone_of(*place, *fallbacks), now) for place in places}
    return {place: instant for place, instant in opens.items() if instant > now}


def opening(opens: Mapping[Place, datetime], of: FromClause) -> Any:
    """A SQL expression: when the window opens for the lead of a row of `of`, or NULL where it is open."""
    rows = [(zone or "", country or "", instant) for (zone, country), instant in opens.items()]
    table = (
        sa.values(
            sa.column("zone", sa.String),
            sa.column("country", sa.String),
            sa.column("opens", UTCDateTime()),
            name="opening_rows",
        )
        .data(rows)
        .cte("openings", nesting=True)
    )
    here = and_(
        func.coalesce(leads.c.time_zone, "") == table.c.zone, func.coalesce(leads.c.country, "") == table.c.country
    )
    return (
        select(table.c.opens)
        .select_from(leads.join(table, here))
        .where(leads.c.id == of.c.lead_id)
        .correlate(of)
        .scalar_subquery()
    )
