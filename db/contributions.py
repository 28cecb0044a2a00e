"""Points: the statements that work out where a score comes from, as rows of contributions.

The order is fixed: decay each event, cap per rule, cap per group, sum, floor.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import CTE, FromClause, Select, case, func, literal, or_, select, union_all

from db import work
from db.conditions import Scope, compile_condition
from db.event_sums import BATCH, bucket, period_of, sums
from db.subqueries import ConstantRows
from db.tables import leads, score_contributions, work_queue
from db.types import least_of
from nurture.definitions.bundle import Bundle
from nurture.definitions.scoring import Cap, EventRule, ProfileRule, Scoring

COLUMNS = ["lead_id", "rule", "kind", "dimension", "events", "raw_points", "points", "last_at"]
# PostgreSQL wants to know of which type a NULL is.
_NEVER = sa.cast(sa.null(), score_contributions.c.last_at.type)
# Added up in another order, the same points differ by less, and no cap has taken anything.
_ROUNDED = 1e-9
_KINDS = ConstantRows(sa.column("kind", sa.String), name="kind_rows").rows([("rule",), ("cap",)]).cte("kinds")


def of_events(bundle: Bundle) -> Select[Any]:
    """The points of events by rule, and what the caps of rules, and of groups by the period, took away."""
    scoring = bundle.scoring
    caps = {name: cap for name, cap in _caps(scoring).items() if cap.per != "ever"}
    plain: list[int] = []
    periodic: list[int] = []
    grouped: list[int] = []
    for number, rule in enumerate(scoring.rules):
        ever = period_of(scoring, rule) == "ever"
        (grouped if rule.group in caps else plain if ever else periodic).append(number)
    parts: list[Select[Any]] = []
    if plain:
        parts.append(
            _rows(_uncapped(sums(scoring, plain, "plain").subquery("per_rule")), capped=_have_caps(scoring, plain))
        )
    if periodic:
        parts.append(_rows(_added_up(sums(scoring, periodic, "periodic").subquery("per_period")), capped=True))
    if grouped:
        periods = sums(scoring, grouped, "grouped").cte("per_period_of_groups")
        parts.append(_rows(_added_up(periods), capped=_have_caps(scoring, grouped)))
        parts.append(_group_caps(periods, caps))
    return parts[0] if len(parts) == 1 else select(union_all(*parts).subquery())


def _have_caps(scoring: Scoring, numbers: list[int]) -> bool:
    return any(scoring.rules[number].cap for number in numbers)


def _uncapped(per_rule: FromClause) -> Select[Any]:
    counts = least_of(per_rule.c.points * per_rule.c.left, per_rule.c.cap)
    return select(
        per_rule.c.lead_id,
        per_rule.c.rule,
        per_rule.c.dimension,
        per_rule.c.points,
        per_rule.c.events,
        per_rule.c.left,
        counts.label("counts"),
        per_rule.c.last_at,
    )


def _added_up(periods: FromClause) -> Select[Any]:
    place = (periods.c.lead_id, periods.c.rule, periods.c.dimension, periods.c.points)
    return select(
        *place,
        func.sum(periods.c.events).label("events"),
        func.sum(periods.c.left).label("left"),
        func.sum(least_of(periods.c.points * periods.c.left, periods.c.cap)).label("counts"),
        func.max(periods.c.last_at).label("last_at"),
    ).group_by(*place)


def _rows(per_rule: Select[Any], *, capped: bool) -> Select[Any]:
    """A row for each lead and rule, and one more where the rule's cap took something away."""
    rules = per_rule.subquery("rules")
    faded = rules.c.points * rules.c.left
    if not capped:
        return select(
            rules.c.lead_id,
            rules.c.rule,
            literal("rule").label("kind"),
            rules.c.dimension,
            rules.c.events,
            (rules.c.points * rules.c.events).label("raw_points"),
            faded.label("points"),
            rules.c.last_at,
        )
    # Each row is looked at once for each kind: cheaper than to keep them all for a second walk.
    is_rule, taken = _KINDS.c.kind == "rule", rules.c.counts - faded
    return (
        select(
            rules.c.lead_id,
            rules.c.rule,
            _KINDS.c.kind,
            rules.c.dimension,
            case((is_rule, rules.c.events), else_=0).label("events"),
            case((is_rule, rules.c.points * rules.c.events), else_=taken).label("raw_points"),
            case((is_rule, faded), else_=taken).label("points"),
            rules.c.last_at,
        )
        # Both kinds are there for every row: the outer join only keeps SQLite from walking the rows twice.
        .select_from(rules.outerjoin(_KINDS, sa.true()))
        .where(or_(is_rule, taken < -_ROUNDED))
    )


def _caps(scoring: Scoring) -> dict[str, Cap]:
    return {name: group.cap for name, group in scoring.groups.items() if group.cap}


def _group_caps(periods: CTE, caps: dict[str, Cap]) -> Select[Any]:
    named: dict[str, list[str]] = {}
    for name, cap in caps.items():
        named.setdefault(cap.per, []).append(name)
    # Exact, because the period of a rule's cap lies within its group's: the lint refuses any other.
    period = case(
        *[(periods.c.grouping.in_(groups), bucket(periods.c.last_at, per)) for per, groups in named.items()], else_=0
    )
    limit = case({name: cap.points for name, cap in caps.items()}, value=periods.c.grouping)
    per_group = (
        select(
            periods.c.lead_id,
            periods.c.grouping,
            periods.c.dimension,
            period.label("period"),
            func.min(limit).label("cap"),
            func.sum(least_of(periods.c.points * periods.c.left, periods.c.cap)).label("points"),
            func.max(periods.c.last_at).label("last_at"),
        )
        .group_by(periods.c.lead_id, periods.c.grouping, periods.c.dimension, sa.text("period"))
        .cte("per_group")
    )
    taken = func.sum(least_of(per_group.c.points, per_group.c.cap) - per_group.c.points)
    return (
        select(
            per_group.c.lead_id,
            (literal("group:") + per_group.c.grouping).label("rule"),
            literal("group_cap").label("kind"),
            per_group.c.dimension,
            literal(0).label("events"),
            taken.label("raw_points"),
            taken.label("points"),
            func.max(per_group.c.last_at).label("last_at"),
        )
        .group_by(per_group.c.lead_id, per_group.c.grouping, per_group.c.dimension)
        .having(taken < 0)
    )


def of_lasting_groups(bundle: Bundle) -> Select[Any] | None:
    """What the caps of groups that hold for ever take away: what was just stored adds up to them."""
    scoring, parts = bundle.scoring, score_contributions
    caps = {name: cap for name, cap in _caps(scoring).items() if cap.per == "ever"}
    every: list[EventRule | ProfileRule] = [*scoring.rules, *scoring.fit]
    members = {rule.id: rule.group for rule in every if rule.group in caps}
    if not members:
        return None
    group = case(members, value=parts.c.rule)
    per_group = (
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
    taken = case({name: cap.points for name, cap in caps.items()}, value=per_group.c.grouping) - per_group.c.points
    return select(
        per_group.c.lead_id,
        literal("group:") + per_group.c.grouping,
        literal("group_cap"),
        per_group.c.dimension,
        literal(0),
        taken,
        taken,
        per_group.c.last_at,
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
            leads.c.erased_at.is_(None),
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
