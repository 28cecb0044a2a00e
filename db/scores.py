"""Scores: derived set-wise from the events of the leads that changed, with every point's origin kept.

The order is fixed: decay each event, cap per rule, cap per group, sum, floor.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import CTE, Connection, Select, case, delete, func, literal, or_, select, union_all, update

from db import work
from db.conditions import NOW, Scope, compile_condition, event_matches
from db.subqueries import ConstantRows, value_of
from db.tables import accounts, events, leads, score_contributions, scores, work_queue
from db.types import epoch_seconds, greatest_of, least_of, month_number, plus_seconds
from nurture.definitions.bundle import Bundle
from nurture.definitions.scoring import EventRule

BATCH: sa.BindParameter[str] = sa.bindparam("batch", type_=sa.String())
VERSION: sa.BindParameter[int] = sa.bindparam("version", type_=sa.BigInteger())
_COLUMNS = ["lead_id", "rule", "kind", "dimension", "events", "raw_points", "points", "last_at"]
# The next look at a decaying score; stages never fall by decay, so a day is soon enough.
_DECAY_LOOK = 86_400


class ScorePlan:
    """The statements of a rescore, built once per set of definitions."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.contributions = _event_contributions(bundle) if bundle.scoring.rules else None
        self.profile_contributions = _profile_contributions(bundle) if bundle.scoring.fit else None
        self.floors = _floors(bundle.scoring.floor) if bundle.scoring.floor is not None else None
        self.decaying = [rule.id for rule in bundle.scoring.rules if bundle.scoring.decay_of(rule)]

    def rescore(self, connection: Connection, batch: str, now: datetime, version: int) -> int:
        """Replace scores and contributions of a claimed batch of leads; returns how many leads."""
        values = {"now": now, "batch": batch, "version": version}
        connection.execute(_CLEAR, values)
        for select_rows in (self.contributions, self.profile_contributions, self.floors):
            if select_rows is not None:
                connection.execute(sa.insert(score_contributions).from_select(_COLUMNS, select_rows), values)
        written = _upsert_scores(connection, self.decaying, values)
        if self.bundle.rules.account_scores:
            if connection.dialect.name == "postgresql":
                # Two batches may hold colleagues: the second adds up when the first has committed.
                connection.execute(_LOCK_ACCOUNTS, values)
            connection.execute(_ROLL_UP, values)
        return written


def mark_due(connection: Connection, now: datetime) -> int:
    """Queue the leads that time alone makes due: a score decays, or an event lay ahead of the run that saw it."""
    # Who waits already is looked at anyway, as silently as it was marked.
    waiting = select(work_queue.c.lead_id).where(work_queue.c.queue == "score")
    due = select(scores.c.lead_id).where(scores.c.due_at <= now, scores.c.lead_id.not_in(waiting))
    # The limit that is none keeps SQLite from reading all scores in the order of the leads instead.
    due = due.order_by(scores.c.due_at).limit(2**40)
    return work.mark(connection, "score", due, now)


def mark_everyone(connection: Connection, now: datetime) -> int:
    """Queue every lead, because the rules changed; history is re-scored, and stages follow without silence."""
    return work.mark(connection, "score", select(leads.c.id).where(leads.c.merged_into_id.is_(None)), now)


def count_everyone(connection: Connection) -> int:
    """How many leads `mark_everyone` would queue."""
    query = select(func.count()).select_from(leads).where(leads.c.merged_into_id.is_(None))
    return int(connection.execute(query).scalar_one())


# PostgreSQL wants to know of which type a NULL is.
_NEVER = sa.cast(sa.null(), score_contributions.c.last_at.type)
_CLEAR = delete(score_contributions).where(score_contributions.c.lead_id.in_(work.leads_of(BATCH, "score")))


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


def _event_contributions(bundle: Bundle) -> Select[Any]:
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
    conditions = [
        or_(rules.c.rule != rule.id, *[sa.and_(*event_matches(events, rule.where))])
        for rule in scoring.rules
        if rule.where
    ]
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
    if any(group.cap for group in scoring.groups.values()):
        parts.append(_group_caps(inner, bundle))
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


def _group_caps(inner: CTE, bundle: Bundle) -> Select[Any]:
    caps = {name: group.cap for name, group in bundle.scoring.groups.items() if group.cap}
    period = case({name: cap.per for name, cap in caps.items()}, value=inner.c.grouping)
    limit = case({name: cap.points for name, cap in caps.items()}, value=inner.c.grouping)
    sums = (
        select(
            inner.c.lead_id,
            inner.c.grouping,
            inner.c.dimension,
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


def _profile_contributions(bundle: Bundle) -> Any:
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
        .where(work_queue.c.queue == "score", work_queue.c.batch == BATCH, compile_condition(rule.when, scope))
        for rule in bundle.scoring.fit
    ]
    return parts[0] if len(parts) == 1 else union_all(*parts)


def _floors(floor: float) -> Select[Any]:
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


def _upsert_scores(connection: Connection, decaying: list[str], values: dict[str, Any]) -> int:
    parts = score_contributions
    by_dimension = {
        name: func.coalesce(func.sum(case((parts.c.dimension == name, parts.c.points), else_=0.0)), 0.0)
        for name in ("interest", "fit")
    }
    # What is received while a run is on its way happens after the run's `now`; the next run has to look again.
    due: Any = value_of(
        events,
        func.min(events.c.occurred_at),
        events.c.lead_id == work_queue.c.lead_id,
        events.c.occurred_at > NOW,
    )
    if decaying:
        fading = func.max(case((parts.c.rule.in_(decaying), 1), else_=0))
        # An event that lies ahead does so by minutes; it comes before any decay.
        due = func.coalesce(due, case((fading == 1, plus_seconds(NOW, literal(_DECAY_LOOK))), else_=sa.null()))
    rows = (
        select(
            work_queue.c.lead_id,
            by_dimension["interest"],
            by_dimension["fit"],
            func.coalesce(func.sum(parts.c.points), 0.0),
            NOW,
            due,
            VERSION,
        )
        .select_from(work_queue.outerjoin(parts, parts.c.lead_id == work_queue.c.lead_id))
        .where(work_queue.c.queue == "score", work_queue.c.batch == BATCH)
        .group_by(work_queue.c.lead_id)
    )
    columns = ["lead_id", "interest", "fit", "total", "scored_at", "due_at", "version_id"]
    insert = work.insert_for(connection)(scores).from_select(columns, rows)
    return connection.execute(
        insert.on_conflict_do_update(
            index_elements=["lead_id"], set_={name: insert.excluded[name] for name in columns[1:]}
        ),
        values,
    ).rowcount


def _roll_up() -> Any:
    sums = (
        select(
            leads.c.account_id,
            func.sum(scores.c.interest).label("interest"),
            func.sum(scores.c.fit).label("fit"),
            func.sum(scores.c.total).label("total"),
        )
        .select_from(leads.join(scores, scores.c.lead_id == leads.c.id))
        .where(leads.c.account_id.in_(_TOUCHED), leads.c.merged_into_id.is_(None))
        .group_by(leads.c.account_id)
        .subquery()
    )
    return (
        update(accounts)
        .where(accounts.c.id == sums.c.account_id)
        .values(interest=sums.c.interest, fit=sums.c.fit, total=sums.c.total)
    )


_TOUCHED = select(leads.c.account_id).where(leads.c.id.in_(work.leads_of(BATCH, "score")))
_LOCK_ACCOUNTS = (
    select(accounts.c.id).where(accounts.c.id.in_(_TOUCHED)).order_by(accounts.c.id).with_for_update(key_share=True)
)
_ROLL_UP = _roll_up()


def rule_of(bundle: Bundle, rule_id: str) -> EventRule | None:
    """The event rule with this id, if it is still live."""
    return next((rule for rule in bundle.scoring.rules if rule.id == rule_id), None)
