"""Read models of the report: the pipeline, the messages and the funnel of every sequence, each counted set-wise."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, and_, case, func, select

from db.conditions import NOW
from db.stages import counts as pipeline
from db.tables import (
    audience_members,
    dead_letters,
    enrollments,
    events,
    executed_steps,
    leads,
    messages,
    runs,
    scores,
    stage_transitions,
)
from db.types import UTCDateTime, epoch_seconds
from nurture.conditions import STAGES
from nurture.score_lines import BIN

DAY = 86_400
_STAGES: tuple[str, ...] = STAGES
# What a lead does with a message, as the report's columns name it.
ANSWERS = {
    "email.opened": "opened",
    "email.clicked": "clicked",
    "email.replied": "replied",
    "email.unsubscribed": "unsubscribed",
    "email.bounced": "bounced",
    "email.complained": "complained",
}


def moves(connection: Connection, now: datetime) -> dict[str, int]:
    """How many leads the runs at `now` moved, as `lead to mql`."""
    query = select(stage_transitions.c.from_stage, stage_transitions.c.to_stage, func.count()).where(
        stage_transitions.c.recorded_at == NOW
    )
    rows = connection.execute(
        query.group_by(stage_transitions.c.from_stage, stage_transitions.c.to_stage), {"now": now}
    )
    return {f"{start} to {end}": int(count) for start, end, count in rows}


def pipeline_by_day(connection: Connection, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """The pipeline at the end of each day (UTC) of a period: `date`, and the leads in each stage then.

    A lead counts from when it was first known: its creation, or its first transition when history was imported.
    """
    first, last = _day_number(since), _day_number(until)
    changes: dict[int, dict[str, int]] = {number: dict.fromkeys(_STAGES, 0) for number in range(first, last + 1)}
    for number, stage, change in [*_arrivals(connection, until), *_departures(connection, until)]:
        changes[max(number, first)][stage] += change
    level: dict[str, int] = dict.fromkeys(_STAGES, 0)
    days = []
    for number in range(first, last + 1):
        level = {stage: level[stage] + changes[number][stage] for stage in _STAGES}
        days.append({"date": _date_of(number), **level})
    return days


def _arrivals(connection: Connection, until: datetime) -> list[tuple[int, str, int]]:
    """Leads as they became known; each begins as `lead`."""
    begin = (
        select(stage_transitions.c.lead_id, func.min(stage_transitions.c.effective_at).label("at"))
        .group_by(stage_transitions.c.lead_id)
        .subquery()
    )
    known = case((begin.c.at < leads.c.created_at, begin.c.at), else_=leads.c.created_at)
    day = _day(known).label("day")
    rows = connection.execute(
        select(day, func.count())
        .select_from(leads.outerjoin(begin, begin.c.lead_id == leads.c.id))
        .where(leads.c.merged_into_id.is_(None), leads.c.erased_at.is_(None), known <= sa.literal(until, UTCDateTime()))
        .group_by(sa.text("day"))
    )
    return [(int(number), "lead", int(count)) for number, count in rows]


def _departures(connection: Connection, until: datetime) -> list[tuple[int, str, int]]:
    """Transitions, as one fewer where the lead was and one more where it went."""
    day = _day(stage_transitions.c.effective_at).label("day")
    rows = connection.execute(
        select(day, stage_transitions.c.from_stage, stage_transitions.c.to_stage, func.count())
        .select_from(stage_transitions.join(leads, leads.c.id == stage_transitions.c.lead_id))
        .where(
            leads.c.merged_into_id.is_(None),
            leads.c.erased_at.is_(None),
            stage_transitions.c.effective_at <= sa.literal(until, UTCDateTime()),
        )
        .group_by(sa.text("day"), stage_transitions.c.from_stage, stage_transitions.c.to_stage)
    )
    found: list[tuple[int, str, int]] = []
    for number, start, end, count in rows:
        found += [(int(number), start, -int(count)), (int(number), end, int(count))]
    return found


def _day(instant: Any) -> Any:
    return sa.cast(func.floor(epoch_seconds(instant) / float(DAY)), sa.Integer)


def _day_number(instant: datetime) -> int:
    return int(instant.timestamp()) // DAY


def _date_of(number: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number)).date().isoformat()


class Period(NamedTuple):
    """What a report covers: from the first known lead, live from the first run, until the last one."""

    since: datetime
    live_since: datetime
    until: datetime


def period(connection: Connection) -> Period | None:
    """The time that there is something to say about; None when nothing has run yet."""
    first, last = connection.execute(select(func.min(runs.c.now), func.max(runs.c.now))).one()
    known = connection.execute(select(func.min(leads.c.created_at))).scalar()
    return Period(min(known or first, first), first, last) if first is not None else None


def messages_by_status(connection: Connection) -> list[dict[str, Any]]:
    """The ledger: how many messages per status and reason, most first."""
    number = func.count().label("messages")
    rows = connection.execute(
        select(messages.c.status, messages.c.reason, number)
        .group_by(messages.c.status, messages.c.reason)
        .order_by(number.desc(), messages.c.status, messages.c.reason)
    )
    return [dict(row._mapping) for row in rows]


def messages_by_day(connection: Connection, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Messages accepted per day (UTC) of a period."""
    day = _day(messages.c.settled_at).label("day")
    rows = connection.execute(
        select(day, func.count())
        .where(messages.c.status == "accepted", messages.c.settled_at.between(since, until))
        .group_by(sa.text("day"))
    )
    found = {int(number): int(count) for number, count in rows}
    return [
        {"date": _date_of(number), "accepted": found.get(number, 0)}
        for number in range(_day_number(since), _day_number(until) + 1)
    ]


def enrollment_counts(connection: Connection) -> list[dict[str, Any]]:
    """Enrollments per sequence, state and reason of their end; `active` ones have no reason unless they are held."""
    number = func.count().label("enrollments")
    rows = connection.execute(
        select(enrollments.c.sequence, enrollments.c.status, enrollments.c.reason, number)
        .group_by(enrollments.c.sequence, enrollments.c.status, enrollments.c.reason)
        .order_by(enrollments.c.sequence, number.desc(), enrollments.c.reason)
    )
    return [dict(row._mapping) for row in rows]


def standing(connection: Connection) -> list[dict[str, Any]]:
    """Where active enrollments stand now, and what they wait for."""
    columns = (enrollments.c.sequence, enrollments.c.step_id, enrollments.c.waiting_for)
    rows = connection.execute(
        select(*columns, func.count().label("enrollments")).where(enrollments.c.status == "active").group_by(*columns)
    )
    return [dict(row._mapping) for row in rows]


def steps_executed(connection: Connection) -> list[dict[str, Any]]:
    """How often each step of each sequence ran, by outcome and, for branches, by the way that was taken."""
    way = case((executed_steps.c.kind == "branch", executed_steps.c.detail)).label("way")
    columns = (enrollments.c.sequence, executed_steps.c.step_id, executed_steps.c.kind, executed_steps.c.outcome)
    rows = connection.execute(
        select(*columns, way, func.count().label("executed"))
        .join(enrollments, enrollments.c.id == executed_steps.c.enrollment_id)
        .group_by(*columns, sa.text("way"))
    )
    return [dict(row._mapping) for row in rows]


def step_messages(connection: Connection) -> list[dict[str, Any]]:
    """What became of the messages of each e-mail step."""
    columns = (
        messages.c.sequence,
        messages.c.step_id,
        messages.c.email,
        messages.c.variant,
        messages.c.status,
        messages.c.reason,
    )
    rows = connection.execute(select(*columns, func.count().label("messages")).group_by(*columns))
    return [dict(row._mapping) for row in rows]


def step_answers(connection: Connection) -> list[dict[str, Any]]:
    """To how many messages of each e-mail step people (no machines) answered, by kind of answer."""
    columns = (messages.c.sequence, messages.c.step_id, messages.c.variant, events.c.type)
    rows = connection.execute(
        select(*columns, func.count(events.c.message_id.distinct()).label("messages"))
        .join(messages, messages.c.id == events.c.message_id)
        .where(events.c.type.in_(list(ANSWERS)), events.c.machine.is_(False))
        .group_by(*columns)
    )
    return [{**row._mapping, "answer": ANSWERS[row.type]} for row in rows]


def goals_after_step(connection: Connection) -> list[dict[str, Any]]:
    """How many enrollments reached their goal, by the step after which they did."""
    columns = (enrollments.c.sequence, enrollments.c.step_id)
    rows = connection.execute(
        select(*columns, func.count().label("goals")).where(enrollments.c.status == "goal").group_by(*columns)
    )
    return [dict(row._mapping) for row in rows]


def score_histogram(connection: Connection) -> list[dict[str, Any]]:
    """Leads by total score in bins of ten points, per stage; `points` is where the bin begins."""
    begins = (sa.cast(func.floor(scores.c.total / float(BIN)), sa.Integer) * BIN).label("points")
    rows = connection.execute(
        select(begins, leads.c.stage, func.count().label("leads"))
        .join(leads, leads.c.id == scores.c.lead_id)
        .where(leads.c.merged_into_id.is_(None))
        .group_by(sa.text("points"), leads.c.stage)
        .order_by(sa.text("points"))
    )
    return [dict(row._mapping) for row in rows]


def dead_letters_by_reason(connection: Connection) -> list[dict[str, Any]]:
    """Records that could not be used, by reason and state."""
    number = func.count().label("letters")
    rows = connection.execute(
        select(dead_letters.c.kind, dead_letters.c.reason, dead_letters.c.status, number)
        .group_by(dead_letters.c.kind, dead_letters.c.reason, dead_letters.c.status)
        .order_by(number.desc(), dead_letters.c.reason)
    )
    return [dict(row._mapping) for row in rows]


def audience_sizes(connection: Connection) -> list[dict[str, Any]]:
    """Members that each platform has been told, per audience, and changes still to tell."""
    waiting = func.sum(case((audience_members.c.status.in_(("adding", "removing")), 1), else_=0))
    told = func.sum(
        case((and_(audience_members.c.status == "member"), 1), (audience_members.c.status == "removing", 1), else_=0)
    )
    columns = (audience_members.c.platform, audience_members.c.audience)
    rows = connection.execute(
        select(*columns, told.label("members"), waiting.label("waiting")).group_by(*columns).order_by(*columns)
    )
    return [
        {
            "platform": row.platform,
            "audience": row.audience,
            "members": int(row.members),
            "waiting": int(row.waiting),
        }
        for row in rows
    ]


def totals(connection: Connection) -> dict[str, int]:
    """How much there is: leads, events, messages and runs."""
    counted: Sequence[tuple[str, Any]] = (
        (
            "leads",
            select(func.count())
            .select_from(leads)
            .where(leads.c.merged_into_id.is_(None), leads.c.erased_at.is_(None)),
        ),
        ("events", select(func.count()).select_from(events)),
        ("messages", select(func.count()).select_from(messages)),
        ("runs", select(func.count()).select_from(runs)),
    )
    return {name: int(connection.execute(query).scalar_one()) for name, query in counted}


__all__ = [
    "ANSWERS",
    "Period",
    "audience_sizes",
    "dead_letters_by_reason",
    "enrollment_counts",
    "goals_after_step",
    "messages_by_day",
    "messages_by_status",
    "moves",
    "period",
    "pipeline",
    "pipeline_by_day",
    "score_histogram",
    "standing",
    "step_answers",
    "step_messages",
    "steps_executed",
    "totals",
]
