"""Derived events: what raw events mean (a page view of the pricing page) or add up to (several pages in one visit).

They are rows like any other, rebuilt for the leads of a batch: a late raw event may move or undo one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, case, delete, func, literal, select

from db import work
from db.conditions import NOW, event_matches
from db.tables import events
from db.types import epoch_seconds
from nurture.definitions.bundle import Bundle
from nurture.definitions.catalogue import DerivedType

SOURCE = "ripen:derived"
BATCH: sa.BindParameter[str] = sa.bindparam("batch", type_=sa.String())
_COLUMNS = [
    "source",
    "source_event_id",
    "lead_id",
    "identity_id",
    "type",
    "occurred_at",
    "received_at",
    "tiebreak",
    "properties",
    "machine",
    "silent",
]


class DerivePlan:
    """The statements that derive events, built once per set of definitions."""

    def __init__(self, bundle: Bundle) -> None:
        derived = bundle.catalogue.derived
        self.statements = [_statements(name, each) for name, each in derived.items()]
        self.orphans = delete(events).where(events.c.source == SOURCE, events.c.type.not_in(list(derived)))

    def derive(self, connection: Connection, batch: str, now: datetime) -> int:
        """Bring the derived events of a claimed batch up to date; returns how many were added."""
        added = 0
        for undo, rows in self.statements:
            connection.execute(undo, {"batch": batch, "now": now})
            insert = work.insert_for(connection)(events).from_select(_COLUMNS, rows)
            added += max(connection.execute(insert.on_conflict_do_nothing(), {"batch": batch, "now": now}).rowcount, 0)
        return added

    def forget_others(self, connection: Connection, lead_id: int | None = None) -> int:
        """Delete derived events of types that are derived no longer, of one lead or of all; returns how many."""
        whose = self.orphans if lead_id is None else self.orphans.where(events.c.lead_id == lead_id)
        return connection.execute(whose).rowcount


def _statements(name: str, derived: DerivedType) -> tuple[Any, Any]:
    raw = _occurrences(derived)
    event_id = literal(f"{name}:") + raw.c.source + ":" + raw.c.source_event_id
    rows = select(
        literal(SOURCE),
        event_id,
        raw.c.lead_id,
        raw.c.identity_id,
        literal(name),
        raw.c.occurred_at,
        NOW,
        raw.c.tiebreak,
        raw.c.properties,
        raw.c.machine,
        raw.c.silent,
    ).where(raw.c.lead_id.is_not(None))
    mine = events.alias()
    undo = delete(events).where(
        events.c.id.in_(
            select(mine.c.id).where(
                mine.c.lead_id.in_(work.leads_of(BATCH, "score")),
                mine.c.type == name,
                mine.c.source == SOURCE,
                mine.c.source_event_id.not_in(select(event_id)),
            )
        )
    )
    return undo, rows


def _occurrences(derived: DerivedType) -> Any:
    """The raw events that stand for a derived one: each match, or the one that completes a visit."""
    wanted = [
        events.c.lead_id.in_(work.leads_of(BATCH, "score")),
        events.c.type == derived.from_,
        events.c.machine.is_(False),
        events.c.occurred_at <= NOW,
        *event_matches(events, derived.where),
    ]
    columns = [
        events.c.source,
        events.c.source_event_id,
        events.c.lead_id,
        events.c.identity_id,
        events.c.occurred_at,
        events.c.tiebreak,
        events.c.properties,
        events.c.machine,
        events.c.silent,
    ]
    if derived.at_least == 1:
        return select(*columns).where(*wanted).subquery()
    assert derived.visit_gap is not None
    order = (events.c.occurred_at, events.c.tiebreak)
    previous = func.lag(epoch_seconds(events.c.occurred_at)).over(partition_by=events.c.lead_id, order_by=order)
    pause = epoch_seconds(events.c.occurred_at) - previous
    begins = case((pause <= derived.visit_gap.seconds, 0), else_=1).label("begins")
    steps = select(*columns, begins).where(*wanted).subquery()
    visit = (
        func.sum(steps.c.begins)
        .over(partition_by=steps.c.lead_id, order_by=(steps.c.occurred_at, steps.c.tiebreak), rows=(None, 0))
        .label("visit")
    )
    visits = select(steps, visit).subquery()
    place = (
        func.row_number()
        .over(partition_by=(visits.c.lead_id, visits.c.visit), order_by=(visits.c.occurred_at, visits.c.tiebreak))
        .label("place")
    )
    placed = select(visits, place).subquery()
    return select(placed).where(placed.c.place == derived.at_least).subquery()
