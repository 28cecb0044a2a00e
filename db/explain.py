"""Everything that is known about one lead, read for people: why it stands where it stands, and what it was sent.

The statements are built once: a brief reads ten of them, and a run may write a thousand briefs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam, case, func, or_, select

from db import work
from db.conditions import NOW, Scope, compile_condition
from db.contributions import paying
from db.derived import DerivePlan
from db.scores import ScorePlan
from db.tables import (
    accounts,
    consent_states,
    consents,
    enrollments,
    events,
    identities,
    leads,
    messages,
    sales_task_leads,
    sales_tasks,
    score_contributions,
    scores,
    stage_transitions,
    work_queue,
)
from db.types import UTCDateTime
from db.verdicts import VerdictPlan
from nurture.conditions import Condition
from nurture.definitions.catalogue import ProfileField
from nurture.definitions.scoring import EventRule

Row = dict[str, Any]
LEAD: sa.BindParameter[int] = bindparam("lead", type_=sa.BigInteger())
TASK: sa.BindParameter[int] = bindparam("task", type_=sa.BigInteger())
UNTIL: sa.BindParameter[datetime] = bindparam("until", type_=UTCDateTime())
LIMIT: sa.BindParameter[int] = bindparam("rows", type_=sa.Integer())
_MERGES = 20


def find_lead(connection: Connection, names: Sequence[str]) -> int | None:
    """The lead of an id or of any identifier, in the first spelling that is known; a merged lead gives its survivor.

    An identifier that several systems use for different people gives the lead that has had it longest.
    """
    for name in names:
        found = None
        if name.isascii() and name.isdigit() and int(name) < 2**63:
            found = connection.execute(select(leads.c.id).where(leads.c.id == int(name))).scalar()
        if found is None:
            known = select(identities.c.lead_id).where(identities.c.value == name, identities.c.lead_id.is_not(None))
            found = connection.execute(known.order_by(identities.c.id).limit(1)).scalar()
        if found is not None:
            return survivor(connection, int(found))
    return None


def survivor(connection: Connection, lead_id: int) -> int:
    """The lead that a merged one has become; itself when it was never merged."""
    for _ in range(_MERGES):
        onward = connection.execute(_ONWARD, {"lead": lead_id}).scalar()
        if onward is None:
            break
        lead_id = int(onward)
    return lead_id


_ONWARD = select(leads.c.merged_into_id).where(leads.c.id == LEAD)


def lead(connection: Connection, lead_id: int) -> Row | None:
    """The lead's profile with the name and scores of its account, and the ids that were merged into it."""
    row = _one(connection, _LEAD, lead=lead_id)
    if row is None:
        return None
    return {**row, "merged_ids": list(connection.execute(_MERGED, {"lead": lead_id}).scalars())}


_LEAD = (
    select(
        leads,
        accounts.c.name.label("account_name"),
        accounts.c.interest.label("account_interest"),
        accounts.c.fit.label("account_fit"),
        accounts.c.total.label("account_total"),
    )
    .outerjoin(accounts, accounts.c.id == leads.c.account_id)
    .where(leads.c.id == LEAD)
)
_MERGED = select(leads.c.id).where(leads.c.merged_into_id == LEAD).order_by(leads.c.id)


def score(connection: Connection, lead_id: int) -> Row | None:
    """The lead's score as last computed."""
    return _one(connection, _SCORE, lead=lead_id)


_SCORE = select(scores).where(scores.c.lead_id == LEAD)


def contributions(connection: Connection, lead_id: int) -> list[Row]:
    """Where the points come from, the most first; they add up to the score."""
    return _all(connection, _CONTRIBUTIONS, lead=lead_id)


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
            events.c.machine.is_(False),
            events.c.occurred_at <= NOW,
            *paying(rule),
        )
        rows = connection.execute(query.order_by(events.c.occurred_at, events.c.tiebreak), {"now": now})
        found[rule.id] = [dict(row._mapping) for row in rows]
    return found


def transitions(connection: Connection, lead_id: int, until: datetime | None = None) -> list[Row]:
    """Every move between stages with its cause and evidence, in the order in which they were recorded."""
    return _all(connection, _TRANSITIONS, lead=lead_id, until=until)


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


def fulfils(
    connection: Connection, lead_id: int, condition: Condition | None, fields: Mapping[str, ProfileField], now: datetime
) -> bool:
    """Whether a condition holds for the lead, by its present profile and scores; no condition always does."""
    if condition is None:
        return True
    query = select(leads.c.id).where(leads.c.id == lead_id, compile_condition(condition, Scope(fields)))
    return connection.execute(query, {"now": now}).first() is not None


def last_given_back(connection: Connection, lead_id: int) -> datetime | None:
    """When sales last gave the lead back."""
    query = select(func.max(stage_transitions.c.effective_at)).where(
        stage_transitions.c.lead_id == lead_id, stage_transitions.c.cause == "recycle"
    )
    return connection.execute(query).scalar()


def enrollments_of(connection: Connection, lead_id: int) -> list[Row]:
    """The sequences of a lead: where it stands and what it waits for, or how it ended; newest first."""
    return _all(connection, _ENROLLMENTS, lead=lead_id)


_ENROLLMENTS = (
    select(enrollments, messages.c.not_before, messages.c.reason.label("message_reason"))
    .outerjoin(messages, messages.c.id == enrollments.c.message_id)
    .where(enrollments.c.lead_id == LEAD)
    .order_by(enrollments.c.id.desc())
)


def messages_of(connection: Connection, lead_id: int, until: datetime | None = None) -> list[Row]:
    """Every message of the ledger to this lead, sent or not, newest first."""
    return _all(connection, _MESSAGES, lead=lead_id, until=until)


_MESSAGES = (
    select(
        messages.c.id,
        messages.c.sequence,
        messages.c.step_id,
        messages.c.email,
        messages.c.topic,
        messages.c.subject,
        messages.c.status,
        messages.c.reason,
        messages.c.detail,
        messages.c.queued_at,
        messages.c.not_before,
        messages.c.handed_over_at,
        messages.c.settled_at,
    )
    .where(messages.c.lead_id == LEAD, or_(UNTIL.is_(None), messages.c.queued_at <= UNTIL))
    .order_by(messages.c.id.desc())
)


def answers_of(connection: Connection, lead_id: int) -> dict[int, list[str]]:
    """What people (no machines) did with each message to this lead, as event types in their order."""
    found: dict[int, list[str]] = {}
    for row in connection.execute(_ANSWERS, {"lead": lead_id}):
        found.setdefault(int(row.message_id), []).append(str(row.type))
    return found


_ANSWERS = (
    select(events.c.message_id, events.c.type, func.min(events.c.occurred_at).label("first_at"))
    .where(events.c.lead_id == LEAD, events.c.message_id.is_not(None), events.c.machine.is_(False))
    .group_by(events.c.message_id, events.c.type)
    .order_by(sa.text("first_at"), events.c.type)
)


def tasks_of(connection: Connection, lead_id: int) -> list[Row]:
    """The sales tasks that the lead is part of, newest first."""
    return _all(connection, _TASKS, lead=lead_id)


_TASKS = (
    select(sales_tasks)
    .where(
        or_(
            sales_tasks.c.lead_id == LEAD,
            sales_tasks.c.id.in_(select(sales_task_leads.c.task_id).where(sales_task_leads.c.lead_id == LEAD)),
        )
    )
    .order_by(sales_tasks.c.id.desc())
)


def task(connection: Connection, task_id: int) -> Row | None:
    """One sales task."""
    return _one(connection, _TASK, task=task_id)


_TASK = select(sales_tasks).where(sales_tasks.c.id == TASK)


def consents_of(connection: Connection, lead_id: int) -> list[Row]:
    """What the lead allows now, per topic, with basis and source."""
    return _all(connection, _CONSENTS, lead=lead_id)


_CONSENTS = (
    select(
        consent_states.c.topic,
        consent_states.c.status,
        consent_states.c.basis,
        consent_states.c.since,
        consents.c.source,
    )
    .outerjoin(consents, consents.c.id == consent_states.c.consent_id)
    .where(consent_states.c.lead_id == LEAD)
    .order_by(consent_states.c.topic)
)


def timeline(connection: Connection, lead_id: int, now: datetime, limit: int) -> list[Row]:
    """What the lead did, newest first; machine activity is left out."""
    return _all(connection, _TIMELINE, lead=lead_id, now=now, rows=limit)


def timeline_of(connection: Connection, lead_id: int, now: datetime, limit: int, types: Sequence[str]) -> list[Row]:
    """The same for some types of events only."""
    return _all(connection, _TIMELINE_OF, lead=lead_id, now=now, rows=limit, types=list(types))


_TIMELINE = (
    select(events.c.id, events.c.type, events.c.occurred_at, events.c.source, events.c.properties, messages.c.subject)
    .outerjoin(messages, messages.c.id == events.c.message_id)
    .where(events.c.lead_id == LEAD, events.c.occurred_at <= NOW, events.c.machine.is_(False))
    .order_by(events.c.occurred_at.desc(), events.c.tiebreak.desc())
    .limit(LIMIT)
)
_TIMELINE_OF = _TIMELINE.where(events.c.type.in_(bindparam("types", expanding=True)))


def colleagues(connection: Connection, lead_id: int, task_id: int, limit: int) -> list[Row]:
    """The other people of the lead's account, those of the same task first, then by score."""
    return _all(connection, _COLLEAGUES, lead=lead_id, task=task_id, rows=limit)


def _colleagues() -> Any:
    on_task = sa.exists().where(sales_task_leads.c.task_id == TASK, sales_task_leads.c.lead_id == leads.c.id)
    total = func.coalesce(scores.c.total, 0.0).label("total")
    mine = leads.alias()
    same = select(mine.c.account_id).where(mine.c.id == LEAD).scalar_subquery()
    return (
        select(leads.c.id, leads.c.name, leads.c.first_name, leads.c.last_name, leads.c.email, leads.c.job_title)
        .add_columns(leads.c.stage, total)
        .outerjoin(scores, scores.c.lead_id == leads.c.id)
        .where(leads.c.account_id == same, leads.c.id != LEAD, leads.c.merged_into_id.is_(None))
        .order_by(case((on_task, 0), else_=1), total.desc(), leads.c.id)
        .limit(LIMIT)
    )


_COLLEAGUES = _colleagues()


def _one(connection: Connection, query: Any, **values: Any) -> Row | None:
    row = connection.execute(query, values).one_or_none()
    return None if row is None else dict(row._mapping)


def _all(connection: Connection, query: Any, **values: Any) -> list[Row]:
    return [dict(row._mapping) for row in connection.execute(query, values)]
