"""Stages: each conversion in the order of its events, then thresholds; append-only, with cause and evidence.

Rules see the stage as it was before the event, so one webinar makes a lead an MQL and only the next one an SQL. The
statements run in rounds, one transition per lead and round, until nothing moves: four stages need at most four rounds
forward and as many after each rejection by sales.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Select, and_, case, func, insert, literal, not_, or_, select, update

from db import runs, work
from db.conditions import NOW, Scope, compile_condition, event_matches
from db.subqueries import ConstantRows, there_is
from db.tables import events, leads, scores, stage_transitions, work_queue
from db.types import UTCDateTime, json_text, plus_seconds
from nurture.conditions import STAGE_RANK, Stage
from nurture.definitions.bundle import Bundle
from nurture.definitions.lifecycle import Recycle

BATCH: sa.BindParameter[str] = sa.bindparam("batch", type_=sa.String())
# After every event of the same instant: a threshold is looked at when all events are in.
AFTER_EVENTS = 2**63 - 1
_MAX_ROUNDS = 40
_LOOKED_AT = "cool-downs looked at"
_COLUMNS = [
    "lead_id",
    "from_stage",
    "to_stage",
    "effective_at",
    "effective_tiebreak",
    "recorded_at",
    "cause",
    "rule",
    "event_id",
    "score",
    "reason",
    "cool_until",
    "silent",
]


class StagePlan:
    """The statements of a restage, built once per set of definitions."""

    def __init__(self, bundle: Bundle) -> None:
        self.by_event = insert(stage_transitions).from_select(_COLUMNS, _by_event(bundle))
        self.by_score = [insert(stage_transitions).from_select(_COLUMNS, query) for query in _by_score(bundle)]

    def restage(self, connection: Connection, batch: str, now: datetime) -> int:
        """Move the leads of a claimed batch; returns how many transitions were recorded."""
        values = {"now": now, "batch": batch}
        moved = 0
        for _ in range(_MAX_ROUNDS):
            recorded = connection.execute(self.by_event, values).rowcount
            if not recorded:
                break
            moved += recorded
            connection.execute(_FOLLOW, values)
        for statement in self.by_score:
            recorded = connection.execute(statement, values).rowcount
            if recorded:
                moved += recorded
                connection.execute(_FOLLOW, values)
        return moved


def _batch() -> Any:
    return work_queue.join(leads, leads.c.id == work_queue.c.lead_id)


_IN_BATCH = and_(work_queue.c.queue == "stage", work_queue.c.batch == BATCH)
_RANK = case(STAGE_RANK, value=leads.c.stage)


def _latest(column: str, *, before: Any = None, backward: bool = False) -> Any:
    """A column of the lead's last transition; optionally the last before an event, or the last backward one."""
    each = stage_transitions.alias()
    query = select(each.c[column]).where(each.c.lead_id == leads.c.id)
    if before is not None:
        query = query.where(
            or_(
                each.c.effective_at < before.c.occurred_at,
                and_(each.c.effective_at == before.c.occurred_at, each.c.effective_tiebreak < before.c.tiebreak),
            )
        )
    if backward:
        query = query.where(each.c.cause == "recycle")
    return (
        query.order_by(each.c.effective_at.desc(), each.c.effective_tiebreak.desc(), each.c.id.desc())
        .limit(1)
        .correlate(leads, events)
        .scalar_subquery()
    )


def _rules(bundle: Bundle) -> Any:
    rows = [
        (rule.id, kind, start, rule.to, STAGE_RANK[rule.to], 0)
        for rule in bundle.lifecycle.conversions
        for kind in rule.on
        for start in rule.from_stages
    ]
    recycle = bundle.lifecycle.recycle
    rows += [("recycle", kind, "sql", recycle.to, STAGE_RANK[recycle.to], 1) for kind in recycle.on]
    return (
        ConstantRows(
            sa.column("rule", sa.String),
            sa.column("type", sa.String),
            sa.column("from_stage", sa.String),
            sa.column("to_stage", sa.String),
            sa.column("to_rank", sa.Integer),
            sa.column("backward", sa.Integer),
            name="conversion_rows",
        )
        .rows(rows)
        .cte("conversions", nesting=True)
    )


def _by_event(bundle: Bundle) -> Select[Any]:
    """The next transition that an event causes, for each lead of the batch that has one."""
    rules = _rules(bundle)
    after_last = func.coalesce(_position_after(_latest("effective_at"), _latest("effective_tiebreak")), literal(True))
    conditions = [
        or_(rules.c.rule != rule.id, and_(*event_matches(events, rule.where)))
        for rule in bundle.lifecycle.conversions
        if rule.where
    ]
    forward = and_(rules.c.backward == 0, rules.c.to_rank > _RANK, _after_rejection(rules))
    backward = and_(rules.c.backward == 1, leads.c.stage == rules.c.from_stage, after_last)
    stage_before = func.coalesce(_latest("to_stage", before=events), "lead")
    found = (
        select(
            leads.c.id.label("lead_id"),
            leads.c.stage.label("from_stage"),
            rules.c.to_stage,
            # A late event acts now: it cannot have happened before a transition that is already recorded.
            case((after_last, events.c.occurred_at), else_=NOW).label("effective_at"),
            case((after_last, events.c.tiebreak), else_=literal(AFTER_EVENTS)).label("effective_tiebreak"),
            case((rules.c.backward == 1, "recycle"), else_="event").label("cause"),
            rules.c.rule,
            events.c.id.label("event_id"),
            # Imported history stays history, also when something new comes in the same batch.
            or_(work_queue.c.silent, events.c.silent).label("silent"),
            case(
                (rules.c.backward == 1, json_text(events.c.properties, literal("reason"))),
                (not_(after_last), literal("late event")),
                else_=None,
            ).label("reason"),
            case(
                (rules.c.backward == 1, _cool_until(bundle.lifecycle.recycle, events.c.occurred_at)), else_=None
            ).label("cool_until"),
            func.row_number()
            .over(
                partition_by=leads.c.id,
                order_by=(events.c.occurred_at, events.c.tiebreak, rules.c.to_rank.desc(), rules.c.rule),
            )
            .label("place"),
        )
        .select_from(_batch().join(events, events.c.lead_id == leads.c.id).join(rules, rules.c.type == events.c.type))
        .where(
            _IN_BATCH,
            leads.c.merged_into_id.is_(None),
            events.c.machine.is_(False),
            events.c.occurred_at <= NOW,
            or_(forward, backward),
            rules.c.from_stage == stage_before,
            *conditions,
        )
        .subquery()
    )
    return select(
        found.c.lead_id,
        found.c.from_stage,
        found.c.to_stage,
        found.c.effective_at,
        found.c.effective_tiebreak,
        NOW,
        found.c.cause,
        found.c.rule,
        found.c.event_id,
        sa.cast(sa.null(), sa.Float),
        found.c.reason,
        found.c.cool_until,
        found.c.silent,
    ).where(found.c.place == 1)


def _position_after(instant: Any, tiebreak: Any) -> Any:
    return or_(events.c.occurred_at > instant, and_(events.c.occurred_at == instant, events.c.tiebreak > tiebreak))


def _after_rejection(rules: Any) -> Any:
    """After sales gave a lead back: new evidence only, and for SQL the cool-down must be over."""
    back_at = _latest("effective_at", backward=True)
    fresh = _position_after(back_at, _latest("effective_tiebreak", backward=True))
    cool = or_(rules.c.to_stage != "sql", _latest("cool_until", backward=True) <= NOW)
    return or_(back_at.is_(None), and_(fresh, cool))


def _cool_until(recycle: Recycle, effective_at: Any) -> Any:
    """When a lead that was given back may become SQL again: by the reason that sales gave."""
    said = json_text(events.c.properties, literal("reason"))
    own = {reason: each.cool_down.seconds for reason, each in recycle.reasons.items() if each.cool_down}
    seconds: Any = literal(recycle.cool_down.seconds)
    if own:
        seconds = case(own, value=said, else_=seconds)
    return plus_seconds(effective_at, seconds)


def _by_score(bundle: Bundle) -> list[Select[Any]]:
    """Thresholds, looked at after the events: SQL first, then MQL."""
    thresholds = bundle.rules.thresholds
    back_at = _latest("effective_at", backward=True)
    fresh = or_(
        back_at.is_(None),
        and_(
            _latest("cool_until", backward=True) <= NOW,
            there_is(
                events,
                events.c.lead_id == leads.c.id,
                events.c.occurred_at > back_at,
                events.c.machine.is_(False),
                events.c.occurred_at <= NOW,
                # An unsubscribe is no evidence for anything.
                events.c.type.in_([rule.event for rule in bundle.scoring.rules if rule.points > 0]),
            ),
        ),
    )
    also = [compile_condition(thresholds.only_if, Scope(bundle.fields))] if thresholds.only_if else []
    queries = []
    goals: tuple[tuple[Stage, float | None], ...] = (("sql", thresholds.sql), ("mql", thresholds.mql))
    for stage, points in goals:
        if points is None:
            continue
        held = scores.c[thresholds.score]
        lower = [name for name, rank in STAGE_RANK.items() if rank < STAGE_RANK[stage]]
        queries.append(
            select(
                leads.c.id,
                leads.c.stage,
                literal(stage),
                NOW,
                literal(AFTER_EVENTS),
                NOW,
                literal("score"),
                literal(f"threshold:{stage}"),
                sa.cast(sa.null(), sa.BigInteger),
                held,
                sa.cast(sa.null(), sa.Text),
                sa.cast(sa.null(), UTCDateTime()),
                work_queue.c.silent,
            )
            .select_from(_batch().join(scores, scores.c.lead_id == leads.c.id))
            .where(
                _IN_BATCH,
                leads.c.merged_into_id.is_(None),
                leads.c.stage.in_(lower),
                held >= points,
                *([fresh] if stage == "sql" else []),
                *also,
            )
        )
    return queries


def _follow() -> Any:
    """Make each lead's stage that of its last transition."""
    each = stage_transitions.alias()
    last = select(each.c.to_stage).where(each.c.lead_id == leads.c.id).order_by(each.c.id.desc()).limit(1)
    since = select(each.c.effective_at).where(each.c.lead_id == leads.c.id).order_by(each.c.id.desc()).limit(1)
    moved = select(stage_transitions.c.lead_id).where(
        stage_transitions.c.recorded_at == NOW, stage_transitions.c.lead_id.in_(work.leads_of(BATCH, "stage"))
    )
    return (
        update(leads)
        .where(leads.c.id.in_(moved))
        .values(stage=last.correlate(leads).scalar_subquery(), stage_since=since.correlate(leads).scalar_subquery())
    )


_FOLLOW = _follow()


def mark_cooled_down(connection: Connection, now: datetime) -> int:
    """Queue the leads whose cool-down after a rejection has ended since the last look."""
    looked_at = runs.setting(connection, _LOOKED_AT)
    back = stage_transitions
    ended = [back.c.cool_until <= now]
    if looked_at is not None:
        ended.append(back.c.cool_until > datetime.fromisoformat(looked_at))
    runs.remember(connection, _LOOKED_AT, now.isoformat())
    return work.mark(connection, "stage", select(back.c.lead_id).where(*ended), now)


def counts(connection: Connection) -> dict[str, int]:
    """How many leads are in each stage."""
    rows = connection.execute(
        select(leads.c.stage, func.count()).where(leads.c.merged_into_id.is_(None)).group_by(leads.c.stage)
    )
    found = {str(stage): int(count) for stage, count in rows}
    return {stage: found.get(stage, 0) for stage in STAGE_RANK}
