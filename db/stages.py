"""Stages: each conversion in the order of its events, then thresholds; append-only, with cause and evidence.

Rules see the stage as it was before the event, so one webinar makes a lead an MQL and only the next one an SQL. The
statements run in rounds, one transition per lead and round, until nothing moves. Every transition has a position, an
instant and a place within it, and positions only grow: an event that is looked at too late for its own acts now, and
what qualifies during a cool-down acts when that ends, whenever a run looks.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)

from db import runs, work
from db.conditions import NOW, Scope, compile_condition, event_matches
from db.statistics import grown
from db.subqueries import ConstantRows, there_is, value_of
from db.tables import events, leads, scores, stage_transitions, work_queue
from db.types import UTCDateTime, beside_index, json_text, later_of, plus_seconds
from nurture.conditions import STAGE_RANK, Stage
from nurture.definitions.bundle import Bundle
from nurture.definitions.lifecycle import Recycle

BATCH: sa.BindParameter[str] = sa.bindparam("batch", type_=sa.String())
# After every event of the same instant: a threshold is looked at when all events are in.
AFTER_EVENTS = 2**63 - 1
# Before every event of the same instant: where a cool-down ends.
_BEFORE_EVENTS = -1
# What acts later than this after it happened says so: whoever asked has been waiting.
LATE = timedelta(days=1)
LATE_EVENT = "late event"
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
        # It ends: a transition in time uses up a part of the finite past, and a late one only goes forward.
        while recorded := connection.execute(self.by_event, values).rowcount:
            moved += recorded
            connection.execute(_FOLLOW, values)
        for statement in self.by_score:
            recorded = connection.execute(statement, values).rowcount
            if recorded:
                moved += recorded
                connection.execute(_FOLLOW, values)
        grown(connection, moved, stage_transitions)
        return moved


def _batch() -> Any:
    return work_queue.join(leads, leads.c.id == work_queue.c.lead_id)


_IN_BATCH = and_(work_queue.c.queue == "stage", work_queue.c.batch == BATCH)
_RANK = case(STAGE_RANK, value=leads.c.stage)


def _last(name: str, *, backward: bool = False) -> tuple[FromClause, ColumnElement[bool]]:
    """The last transition of a lead, or its last one backward, and how it joins the lead.

    Looked up for each lead: a table of them all would be walked for each event, where SQLite takes it to be small.
    """
    last, each = stage_transitions.alias(name), stage_transitions.alias(f"{name}_each")
    query = select(each.c.id).where(each.c.lead_id == leads.c.id)
    if backward:
        query = query.where(each.c.cause == "recycle")
    newest = query.order_by(each.c.effective_at.desc(), each.c.effective_tiebreak.desc(), each.c.id.desc()).limit(1)
    return last, last.c.id == newest.correlate(leads).scalar_subquery()


def stage_before(event: Any) -> Any:
    """The stage of a lead just before an event, by the transitions that are recorded."""
    each = stage_transitions.alias()
    query = select(each.c.to_stage).where(
        each.c.lead_id == event.c.lead_id,
        or_(
            each.c.effective_at < event.c.occurred_at,
            and_(each.c.effective_at == event.c.occurred_at, each.c.effective_tiebreak < event.c.tiebreak),
        ),
    )
    last = query.order_by(each.c.effective_at.desc(), each.c.effective_tiebreak.desc(), each.c.id.desc()).limit(1)
    return func.coalesce(last.correlate_except(each).scalar_subquery(), "lead")


def _rules(bundle: Bundle) -> Any:
    rows = [
        (rule.id, number, kind, start, rule.to, STAGE_RANK[rule.to], 0)
        for number, rule in enumerate(bundle.lifecycle.conversions)
        for kind in rule.on
        for start in rule.from_stages
    ]
    recycle = bundle.lifecycle.recycle
    rows += [("recycle", len(rows), kind, "sql", recycle.to, STAGE_RANK[recycle.to], 1) for kind in recycle.on]
    return (
        ConstantRows(
            sa.column("rule", sa.String),
            sa.column("number", sa.Integer),
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


def _types(bundle: Bundle) -> list[str]:
    """The types of events that may move anybody."""
    lifecycle = bundle.lifecycle
    return sorted({*lifecycle.recycle.on, *(kind for rule in lifecycle.conversions for kind in rule.on)})


def _by_event(bundle: Bundle) -> Select[Any]:
    """The next transition that an event causes, for each lead of the batch that has one."""
    rules = _rules(bundle)
    (last, is_last), (back, is_back) = _last("last_move"), _last("given_back", backward=True)
    # What qualifies during a cool-down waits for its end.
    held = and_(rules.c.to_stage == "sql", back.c.cool_until.is_not(None), back.c.cool_until > events.c.occurred_at)
    at = case((held, back.c.cool_until), else_=events.c.occurred_at)
    tiebreak = case((held, literal(_BEFORE_EVENTS, sa.BigInteger())), else_=events.c.tiebreak)
    in_time = or_(last.c.lead_id.is_(None), _after(at, tiebreak, last))
    conditions = [
        or_(rules.c.number != number, and_(*event_matches(events, rule.where)))
        for number, rule in enumerate(bundle.lifecycle.conversions)
        if rule.where
    ]
    newest = or_(last.c.lead_id.is_(None), _event_after(last))
    fresh = or_(back.c.lead_id.is_(None), _event_after(back))
    forward = and_(rules.c.backward == 0, rules.c.to_rank > _RANK, fresh)
    backward = and_(rules.c.backward == 1, in_time)
    effective_at = case((in_time, at), else_=_not_before(last))
    effective_tiebreak = case((in_time, tiebreak), else_=literal(AFTER_EVENTS))
    old = and_(events.c.silent.is_(False), at < plus_seconds(NOW, literal(-LATE.total_seconds())))
    said = json_text(events.c.properties, literal("reason"))
    found = (
        select(
            leads.c.id.label("lead_id"),
            leads.c.stage.label("from_stage"),
            rules.c.to_stage,
            effective_at.label("effective_at"),
            effective_tiebreak.label("effective_tiebreak"),
            case((rules.c.backward == 1, "recycle"), else_="event").label("cause"),
            rules.c.rule,
            events.c.id.label("event_id"),
            # Imported history stays history, also when something new comes in the same batch.
            or_(work_queue.c.silent, events.c.silent).label("silent"),
            case((rules.c.backward == 1, said), (or_(not_(in_time), old), literal(LATE_EVENT)), else_=None).label(
                "reason"
            ),
            case((rules.c.backward == 1, _cool_until(bundle.lifecycle.recycle)), else_=None).label("cool_until"),
            func.row_number()
            .over(
                partition_by=leads.c.id,
                order_by=(
                    effective_at,
                    effective_tiebreak,
                    events.c.occurred_at,
                    events.c.tiebreak,
                    rules.c.to_rank.desc(),
                    rules.c.number,
                ),
            )
            .label("place"),
        )
        .select_from(
            _batch()
            .join(events, events.c.lead_id == leads.c.id)
            # First the few events of these types, then the rules of each: not every rule looks for its events.
            .join(rules, rules.c.type == beside_index(events.c.type))
            .outerjoin(last, is_last)
            .outerjoin(back, is_back)
        )
        .where(
            _IN_BATCH,
            leads.c.merged_into_id.is_(None),
            events.c.type.in_(_types(bundle)),
            events.c.machine.is_(False),
            events.c.occurred_at <= NOW,
            at <= NOW,
            or_(forward, backward),
            rules.c.from_stage == case((newest, leads.c.stage), else_=stage_before(events)),
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
        # What the lead was worth then, beside the event that moved it.
        value_of(scores, scores.c[bundle.rules.thresholds.score], scores.c.lead_id == found.c.lead_id),
        found.c.reason,
        found.c.cool_until,
        found.c.silent,
    ).where(found.c.place == 1)


def _after(instant: Any, tiebreak: Any, move: Any) -> Any:
    return or_(
        instant > move.c.effective_at, and_(instant == move.c.effective_at, tiebreak > move.c.effective_tiebreak)
    )


def _event_after(move: Any) -> Any:
    return _after(events.c.occurred_at, events.c.tiebreak, move)


def _not_before(last: Any) -> Any:
    """Now; or after the last transition, where a run with a later `now` has overtaken this one."""
    return later_of(NOW, func.coalesce(last.c.effective_at, NOW))


def _cool_until(recycle: Recycle) -> Any:
    """When a lead that was given back may become SQL again: by the reason that sales gave."""
    said = json_text(events.c.properties, literal("reason"))
    own = {reason: each.cool_down.seconds for reason, each in recycle.reasons.items() if each.cool_down}
    seconds: Any = literal(recycle.cool_down.seconds)
    if own:
        seconds = case(own, value=said, else_=seconds)
    return plus_seconds(events.c.occurred_at, seconds)


def _by_score(bundle: Bundle) -> list[Select[Any]]:
    """Thresholds, looked at after the events: SQL first, then MQL."""
    thresholds = bundle.rules.thresholds
    (last, is_last), (back, is_back) = _last("last_move"), _last("given_back", backward=True)
    evidence = (events.c.lead_id == leads.c.id, events.c.occurred_at <= NOW, _event_after(back), _counts(bundle))
    again = or_(back.c.lead_id.is_(None), there_is(events, *evidence))
    # Whom only imported history brings back is history, too.
    heard = or_(back.c.lead_id.is_(None), there_is(events, *evidence, events.c.silent.is_(False)))
    cooled = or_(back.c.lead_id.is_(None), back.c.cool_until <= NOW)
    also = [compile_condition(thresholds.only_if, Scope(bundle.fields))] if thresholds.only_if else []
    held = scores.c[thresholds.score]
    queries = []
    goals: tuple[tuple[Stage, float | None], ...] = (("sql", thresholds.sql), ("mql", thresholds.mql))
    for stage, points in goals:
        if points is None:
            continue
        lower = [name for name, rank in STAGE_RANK.items() if rank < STAGE_RANK[stage]]
        queries.append(
            select(
                leads.c.id,
                leads.c.stage,
                literal(stage),
                _not_before(last),
                literal(AFTER_EVENTS),
                NOW,
                literal("score"),
                literal(f"threshold:{stage}"),
                sa.cast(sa.null(), sa.BigInteger),
                held,
                sa.cast(sa.null(), sa.Text),
                sa.cast(sa.null(), UTCDateTime()),
                or_(work_queue.c.silent, not_(heard)),
            )
            .select_from(
                _batch().join(scores, scores.c.lead_id == leads.c.id).outerjoin(last, is_last).outerjoin(back, is_back)
            )
            .where(
                _IN_BATCH,
                leads.c.merged_into_id.is_(None),
                leads.c.stage.in_(lower),
                held >= points,
                again,
                *([cooled] if stage == "sql" else []),
                *also,
            )
        )
    return queries


def _counts(bundle: Bundle) -> Any:
    """An event that is worth points in the score that decides: after a rejection an unsubscribe proves nothing."""
    score = bundle.rules.thresholds.score
    paying = [rule for rule in bundle.scoring.rules if rule.points > 0]
    # Where the profile alone makes that score, whatever the lead does is a sign.
    counted = [rule for rule in paying if score in ("total", rule.dimension)] or paying
    found = [and_(events.c.type == rule.event, *event_matches(events, rule.where)) for rule in counted]
    return and_(events.c.machine.is_(False), or_(sa.false(), *found))


def _follow() -> Any:
    """Make the stage of each lead that this run has moved that of its last transition."""
    last, is_last = _last("last_move")
    # Of one lead there are few, of one run there may be all: found by the lead.
    moved = beside_index(last.c.recorded_at) == NOW
    return (
        update(leads)
        .where(leads.c.id.in_(work.leads_of(BATCH, "stage")), last.c.lead_id == leads.c.id, is_last, moved)
        .values(stage=last.c.to_stage, stage_since=last.c.effective_at)
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
        select(leads.c.stage, func.count())
        .where(leads.c.merged_into_id.is_(None), leads.c.erased_at.is_(None))
        .group_by(leads.c.stage)
    )
    found = {str(stage): int(count) for stage, count in rows}
    return {stage: found.get(stage, 0) for stage in STAGE_RANK}
