"""How a lead came to its stage, and what it was given back for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, or_, select

from db.conditions import NOW
from db.explain.rows import LEAD, UNTIL, Row, every, one
from db.tables import events, stage_transitions


def transitions(connection: Connection, lead_id: int, until: datetime | None = None) -> list[Row]:
    """Every move between stages with its cause and evidence, in the order in which they were recorded."""
    return every(connection, _TRANSITIONS, lead=lead_id, until=until)


_TRANSITIONS = (
    select(
        stage_transitions,
        events.c.type.label("event_type"),
        events.c.occurred_at.label("event_at"),
        events.c.source.label("event_source"),
    )
    .outerjoin(events, events.c.id == stage_transitions.c.event_id)
    .where(stage_transitions.c.lead_id == LEAD, or_(UNTIL.is_(None), stage_transitions.c.effective_at <= UNTIL))
    .order_by(stage_transitions.c.id)
)


def last_given_back(connection: Connection, lead_id: int, until: datetime | None = None) -> Row | None:
    """When and why sales last gave the lead back, and until when it may not have it again."""
    return one(connection, _GIVEN_BACK, lead=lead_id, until=until)


_GIVEN_BACK = (
    select(stage_transitions.c.effective_at, stage_transitions.c.cool_until, stage_transitions.c.reason)
    .where(
        stage_transitions.c.lead_id == LEAD,
        stage_transitions.c.cause == "recycle",
        or_(UNTIL.is_(None), stage_transitions.c.effective_at <= UNTIL),
    )
    .order_by(stage_transitions.c.effective_at.desc(), stage_transitions.c.id.desc())
    .limit(1)
)


def did_since(connection: Connection, lead_id: int, types: Sequence[str], since: datetime, now: datetime) -> bool:
    """Whether a person's event of one of these types has occurred after an instant."""
    query = select(events.c.id).where(
        events.c.lead_id == lead_id,
        events.c.type.in_(types),
        events.c.machine.is_(False),
        events.c.occurred_at > since,
        events.c.occurred_at <= NOW,
    )
    return connection.execute(query.limit(1), {"now": now}).first() is not None
