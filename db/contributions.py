"""Points: the statements that work out where a score comes from, as rows of contributions.

The order is fixed: decay each event, cap per rule, cap per group, sum, floor.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import CTE, ColumnElement, Select, case, func, literal, or_, select, union_all

from db import work
from db.conditions import NOW, Scope, compile_condition, event_matches
from db.subqueries import ConstantRows
from db.tables import events, leads, score_contributions, work_queue
from db.types import ascii_lower, epoch_seconds, greatest_of, json_text, least_of, month_number
from nurture.definitions.bundle import Bundle
from nurture.definitions.scoring import Cap, EventRule, ProfileRule, Scoring

BATCH: sa.BindParameter[str] = sa.bindparam("batch", type_=sa.String())
# Nobody opens without being seen but by a click, and the click is paid.
OPENED, INFERRED = "email.opened", "inferred"
COLUMNS = ["lead_id", "rule", "kind", "dimension", "events", "raw_points", "points", "last_at"]
# PostgreSQL wants to know of which type a NULL is.
_NEVER = sa.cast(sa.null(), score_contributions.c.last_at.type)


def paying(rule: EventRule) -> list[ColumnElement[bool]]:
    """The tests on an event that has the rule's type: what its `where` asks, and no open that was only inferred."""
    tests = event_matches(events, rule.where)
    if rule.event == OPENED:
        said = func.coalesce(ascii_lower(json_text(events.c.properties, literal(INFERRED))), "")
        tests.append(said.not_in(("true", "1", "yes")))
    return tests


def _rule_table(bundle: Bundle) -> CTE:
    """The event rules as rows, so that one pass over the events serves all of them."""
    rows = []
    for rule in bundle.scoring.rules:
        decay = bundle.scoring.decay_of(rule)
        group_cap = bundle.scoring.groups[rule.group].cap if rule.group in bundle.scoring.groups else None
        period = rule.cap.per if rule.cap else (group_cap.per if group_cap else "ever")
        rows.append(
            (
                rule.id,
                rule.event,
                rule.points,
                rule.dimension,
                rule.group or "",
                period,
                float(decay.half_life.seconds) if decay and decay.half_life else 0.0,
                float(decay.linear.seconds) if decay and decay.linear else 0.0,
                rule.cap.points if rule.cap else 1e300,
            )
        )
    return (
        ConstantRows(
            sa.column("rule", sa.String),
            sa.column("type", sa.String),
            sa.column("points", sa.Float),
            sa.column("dimension", sa.String),
            sa.column("grouping", sa.String),
            sa.column("period", sa.String),
            sa.column("half_life", sa.Float),
            sa.column("linear", sa.Float),
            sa.column("cap", sa.Float),
            name="rule_rows",
        )
        .rows(rows)
        .cte("rules")
    )


def _bucket(instant: Any, period: Any) -> Any:
    day = sa.cast(func.floor(epoch_seconds(instant) / 86400.0), sa.Integer)
    # Days since 1970 began on a Thursday; weeks begin on Monday.
    return case(
        (period == "day", day),
        (period == "week", sa.cast(func.floor((day + 3) / 7.0), sa.Integer)),
        (period == "month", month_number(instant)),
        else_=0,
    )


def of_events(bundle: Bundle) -> Select[Any]:
    """The points of events by rule, and what the caps of rules and groups took away."""
    rules = _rule_table(bundle)
    scoring = bundle.scoring
    faded: Any = rules.c.points
    if any(scoring.decay_of(rule) for rule in scoring.rules):
        age = epoch_seconds(NOW) - epoch_seconds(events.c.occurred_at)
        faded = rules.c.points * case(
            # PostgreSQL refuses a power that is too small for a double; after 200 halvings nothing is left anyway.
            (rules.c.half_life > 0, func.pow(0.5, least_of(literal(200.0), age / func.nullif(rules.c.half_life, 0.0)))),
            (rules.c.linear > 0, greatest_of(literal(0.0), 1.0 - age / func.nullif(rules.c.linear, 0.0))),
            else_=1.0,
        )
    periods = any(rule.cap for rule in scoring.rules) or any(group.cap for group in scoring.groups.values())
    bucket: Any = _bucket(events.c.occurred_at, rules.c.period) if periods else literal(0)
    # A rule row takes only the events that its own `where` lets through.
    conditions = [or_(rules.c.rule != rule.id, sa.and_(*tests)) for rule in scoring.rules if (tests := paying(rule))]
    inner = (
        select(
            events.c.lead_id,
            rules.c.rule,
            rules.c.dimension,
            rules.c.grouping,
            bucket.label("bucket"),
            func.count().label("events"),
            func.sum(rules.c.points).label("raw"),
            func.sum(faded).label("faded"),
            func.max(events.c.occurred_at).label("last_at"),
            func.min(rules.c.cap).label("cap"),
        )
        .select_from(
            work_queue.join(events, events.c.lead_id == work_queue.c.lead_id).join(rules, rules.c.type == events.c.type)
        )
        .where(
            work_queue.c.queue == "score",
            work_queue.c.batch == BATCH,
            events.c.machine.is_(False),
            events.c.occurred_at <= NOW,
            *conditions,
        )
        .group_by(events.c.lead_id, rules.c.rule, rules.c.dimension, rules.c.grouping, sa.text("bucket"))
        .cte("per_period")
    )
    parts = [
        select(
            inner.c.lead_id,
            inner.c.rule,
            literal("rule").label("kind"),
            inner.c.dimension,
            func.sum(inner.c.events).label("events"),
            func.sum(inner.c.raw).label("raw_points"),
            func.sum(inner.c.faded).label("points"),
            func.max(inner.c.last_at).label("last_at"),
        ).group_by(inner.c.lead_id, inner.c.rule, inner.c.dimension)
    ]
    if any(rule.cap for rule in scoring.rules):
        parts.append(_rule_caps(inner))
    if caps := {name: cap for name, cap in _caps(scoring).items() if name not in _with_profile_rules(scoring)}:
        parts.append(_group_caps(inner, caps))
    return parts[0] if len(parts) == 1 else select(union_all(*parts).subquery())


def _rule_caps(inner: CTE) -> Select[Any]:
    taken = func.sum(least_of(inner.c.faded, inner.c.cap) - inner.c.faded)
    return (
        select(
            inner.c.lead_id,
            inner.c.rule,
            literal("cap").label("kind"),
            inner.c.dimension,
            literal(0).label("events"),
            taken.label("raw_points"),
            taken.label("points"),
            func.max(inner.c.last_at).label("last_at"),
        )
        .group_by(inner.c.lead_id, inner.c.rule, inner.c.dimension)
        .having(taken < 0)
    )


def _caps(scoring: Scoring) -> dict[str, Cap]:
    return {name: group.cap for name, group in scoring.groups.items() if group.cap}


def _with_profile_rules(scoring: Scoring) -> set[str]:
    return {rule.group for rule in scoring.fit if rule.group is not None}


def _group_caps(inner: CTE, caps: dict[str, Cap]) -> Select[Any]:
    period = case({name: cap.per for name, cap in caps.items()}, value=inner.c.grouping)
    limit = case({name: cap.points for name, cap in caps.items()}, value=inner.c.grouping)
    sums = (
        select(
            inner.c.lead_id,
            inner.c.grouping,
            inner.c.dimension,
            # Exact, because the period of a rule's cap lies within its group's: the lint refuses any other.
            _bucket(inner.c.last_at, period).label("period"),
            func.min(limit).label("cap"),
            func.sum(least_of(inner.c.faded, inner.c.cap)).label("points"),
            func.max(inner.c.last_at).label("last_at"),
        )
        .where(inner.c.grouping.in_(list(caps)))
        .group_by(inner.c.lead_id, inner.c.grouping, inner.c.dimension, sa.text("period"))
        .cte("per_group")
    )
    taken = func.sum(least_of(sums.c.points, sums.c.cap) - sums.c.points)
    return (
        select(
            sums.c.lead_id,
            (literal("group:") + sums.c.grouping).label("rule"),
            literal("group_cap").label("kind"),
            sums.c.dimension,
            literal(0).label("events"),
            taken.label("raw_points"),
            taken.label("points"),
            func.max(sums.c.last_at).label("last_at"),
        )
        .group_by(sums.c.lead_id, sums.c.grouping, sums.c.dimension)
        .having(taken < 0)
    )


def of_shared_groups(bundle: Bundle) -> Select[Any] | None:
    """What the caps of groups with fit rules take away; they hold for ever, so what was just stored adds up to them."""
    scoring, parts = bundle.scoring, score_contributions
    caps = {name: cap for name, cap in _caps(scoring).items() if name in _with_profile_rules(scoring)}
    every: list[EventRule | ProfileRule] = [*scoring.rules, *scoring.fit]
    members = {rule.id: rule.group for rule in every if rule.group in caps}
    if not members:
        return None
    group = case(members, value=parts.c.rule)
    sums = (
        select(
            parts.c.lead_id,
            group.label("grouping"),
            parts.c.dimension,
            func.sum(parts.c.points).label("points"),
            func.max(parts.c.last_at).label("last_at"),
        )
        .where(
            parts.c.lead_id.in_(work.leads_of(BATCH, "score")),
            parts.c.kind.in_(("rule", "cap")),
            parts.c.rule.in_(list(members)),
        )
        .group_by(parts.c.lead_id, sa.text("grouping"), parts.c.dimension)
        .subquery()
    )
    taken = case({name: cap.points for name, cap in caps.items()}, value=sums.c.grouping) - sums.c.points
    return select(
        sums.c.lead_id,
        literal("group:") + sums.c.grouping,
        literal("group_cap"),
        sums.c.dimension,
        literal(0),
        taken,
        taken,
        sums.c.last_at,
    ).where(taken < 0)


def of_profiles(bundle: Bundle) -> Any:
    """The points of fit rules that hold."""
    scope = Scope(bundle.fields)
    parts = [
        select(
            leads.c.id,
            literal(rule.id),
            literal("rule"),
            literal(rule.dimension),
            literal(0),
            literal(float(rule.points)),
            literal(float(rule.points)),
            _NEVER,
        )
        .select_from(work_queue.join(leads, leads.c.id == work_queue.c.lead_id))
        .where(
            work_queue.c.queue == "score",
            work_queue.c.batch == BATCH,
            leads.c.merged_into_id.is_(None),
            compile_condition(rule.when, scope),
        )
        for rule in bundle.scoring.fit
    ]
    return parts[0] if len(parts) == 1 else union_all(*parts)


def of_floor(floor: float) -> Select[Any]:
    """What the floor gives back, by dimension."""
    missing = literal(float(floor)) - func.sum(score_contributions.c.points)
    return (
        select(
            score_contributions.c.lead_id,
            literal("floor:") + score_contributions.c.dimension,
            literal("floor"),
            score_contributions.c.dimension,
            literal(0),
            missing,
            missing,
            _NEVER,
        )
        .where(score_contributions.c.lead_id.in_(work.leads_of(BATCH, "score")))
        .group_by(score_contributions.c.lead_id, score_contributions.c.dimension)
        .having(missing > 0)
    )
