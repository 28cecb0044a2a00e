"""What a score is made of: its contributions, the events behind them, and what was left out as the work of machines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection, select

from db import work
from db.conditions import NOW, event_matches
from db.derived import DerivePlan
from db.event_sums import PAID
from db.explain.rows import LEAD, Row, every, one
from db.scores import ScorePlan
from db.subqueries import there_is
from db.tables import events, leads, score_contributions, scores, work_queue
from db.verdicts import VerdictPlan
from nurture.definitions.scoring import EventRule


def score(connection: Connection, lead_id: int) -> Row | None:
    """The lead's score as last computed."""
    return one(connection, _SCORE, lead=lead_id)


_SCORE = select(scores).where(scores.c.lead_id == LEAD)


def contributions(connection: Connection, lead_id: int) -> list[Row]:
    """Where the points come from, the most first; they add up to the score."""
    return every(connection, _CONTRIBUTIONS, lead=lead_id)


_CONTRIBUTIONS = (
    select(*(column for column in score_contributions.c if column.name != "lead_id"))
    .where(score_contributions.c.lead_id == LEAD)
    .order_by(score_contributions.c.points.desc(), score_contributions.c.rule, score_contributions.c.kind)
)


def score_as_of(
    connection: Connection,
    lead_id: int,
    verdicts: VerdictPlan,
    derived: DerivePlan,
    plan: ScorePlan,
    version: int,
    at: datetime,
) -> tuple[Row | None, list[Row]]:
    """Score and contributions as of an instant, by the statements of production in a savepoint that is rolled back."""
    batch = f"explain:{lead_id}"
    savepoint = connection.begin_nested()
    try:
        work.mark_ids(connection, "score", [lead_id], at)
        connection.execute(
            sa.update(work_queue)
            .where(work_queue.c.queue == "score", work_queue.c.lead_id == lead_id)
            .values(batch=batch)
        )
        verdicts.judge(connection, batch, at)
        derived.forget_others(connection, lead_id)
        derived.derive(connection, batch, at)
        plan.rescore(connection, batch, at, version)
        return score(connection, lead_id), contributions(connection, lead_id)
    finally:
        savepoint.rollback()


def events_behind(
    connection: Connection, lead_id: int, rules: Sequence[EventRule], now: datetime
) -> dict[str, list[Row]]:
    """The events that each event rule counts for this lead, oldest first."""
    found: dict[str, list[Row]] = {}
    for rule in rules:
        query = select(events.c.id, events.c.type, events.c.occurred_at).where(
            events.c.lead_id == lead_id,
            events.c.type == rule.event,
            *PAID,
            events.c.occurred_at <= NOW,
            *event_matches(events, rule.where),
        )
        rows = connection.execute(query.order_by(events.c.occurred_at, events.c.tiebreak), {"now": now})
        found[rule.id] = [dict(row._mapping) for row in rows]
    return found


def machine_events(connection: Connection, lead_id: int, types: Sequence[str], now: datetime) -> list[Row]:
    """The events that would have counted, had no machine done them; with who or what judged so, oldest first."""
    query = (
        select(events.c.id, events.c.type, events.c.occurred_at, events.c.source, events.c.machine_by)
        .where(
            events.c.lead_id == lead_id,
            events.c.type.in_(types),
            events.c.machine.is_(True),
            events.c.occurred_at <= NOW,
        )
        .order_by(events.c.occurred_at, events.c.tiebreak)
    )
    return every(connection, query, now=now)


def waits_for_rescore(connection: Connection, lead_id: int) -> bool:
    """Whether something has changed since the score was computed."""
    return bool(connection.execute(_WAITS, {"lead": lead_id}).scalar())


_WAITS = select(there_is(work_queue, work_queue.c.queue == "score", work_queue.c.lead_id == leads.c.id)).where(
    leads.c.id == LEAD
)
