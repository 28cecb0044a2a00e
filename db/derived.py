"""Derived events: what raw events mean (a page view of the pricing page) or add up to (several pages in one visit).

They are rows like any other, rebuilt for the leads of a batch: a late raw event may move or undo one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, delete, func, literal, or_, select

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
    # Joined with what holds now, each once: of a long list PostgreSQL would look through all for each.
    now = select(sa.cast(event_id, events.c.source_event_id.type).label("event_id")).subquery("now")
    undo = delete(events).where(
        events.c.id.in_(
            select(mine.c.id)
            .select_from(mine.outerjoin(now, now.c.event_id == mine.c.source_event_id))
            .where(
                mine.c.lead_id.in_(work.leads_of(BATCH, "score")),
                mine.c.type == name,
                mine.c.source == SOURCE,
                now.c.event_id.is_(None),
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
    # The n-th of a visit is whose last n - 1 pauses were short and the one before was not: one walk, in one order.
    order = (events.c.occurred_at, events.c.tiebreak)
    at = epoch_seconds(events.c.occurred_at)
    ago = [
        func.lag(at, back).over(partition_by=events.c.lead_id, order_by=order).label(f"ago_{back}")
        for back in range(1, derived.at_least + 1)
    ]
    walked = select(*columns, at.label("ago_0"), *ago).where(*wanted).subquery()
    pauses = [walked.c[f"ago_{back}"] - walked.c[f"ago_{back + 1}"] for back in range(derived.at_least)]
    goes_on = [pause <= derived.visit_gap.seconds for pause in pauses[:-1]]
    begins = or_(walked.c[f"ago_{derived.at_least}"].is_(None), pauses[-1] > derived.visit_gap.seconds)
    return select(walked).where(*goes_on, begins).subquery()
