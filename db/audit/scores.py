"""Scores: every point has a rule that is live, and they add up, for leads and for accounts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, not_, or_, select, update

from db import work
from db.audit.check import DUE_BY, Check, Done, Scene
from db.subqueries import there_is, value_of
from db.tables import accounts, events, leads, score_contributions, scores, work_queue

# Sums of decayed points differ in their last digits by the order in which they were added.
_CLOSE = 1e-6
_DIMENSIONS = ("interest", "fit")


def _waits(lead_id: Any) -> Any:
    """The next run looks at the lead anyway."""
    return there_is(work_queue, work_queue.c.queue == "score", work_queue.c.lead_id == lead_id)


def _sums(connection: Connection, scene: Scene) -> Select[Any]:
    parts = score_contributions
    held = {
        name: func.coalesce(func.sum(case((parts.c.dimension == name, parts.c.points), else_=0.0)), 0.0)
        for name in _DIMENSIONS
    }
    added = (
        select(
            scores.c.lead_id,
            scores.c.interest,
            scores.c.fit,
            scores.c.total,
            *(held[name].label(f"sum_{name}") for name in _DIMENSIONS),
        )
        .select_from(scores.outerjoin(parts, parts.c.lead_id == scores.c.lead_id))
        .group_by(scores.c.lead_id)
        .subquery()
    )
    return select(added.c.lead_id).where(
        or_(
            func.abs(added.c.interest - added.c.sum_interest) > _CLOSE,
            func.abs(added.c.fit - added.c.sum_fit) > _CLOSE,
            func.abs(added.c.total - added.c.interest - added.c.fit) > _CLOSE,
        )
    )


def _without_score(connection: Connection, scene: Scene) -> Select[Any]:
    """Contributions of nobody, and leads that have done something and were never scored."""
    parts = select(score_contributions.c.lead_id).where(
        not_(there_is(scores, scores.c.lead_id == score_contributions.c.lead_id))
    )
    unscored = select(leads.c.id).where(
        leads.c.merged_into_id.is_(None),
        there_is(events, events.c.lead_id == leads.c.id, events.c.received_at <= DUE_BY),
        not_(there_is(scores, scores.c.lead_id == leads.c.id)),
        not_(_waits(leads.c.id)),
    )
    return unscored.union(parts).subquery().select()


def _dead_rules(connection: Connection, scene: Scene) -> Select[Any] | None:
    if scene.bundle is None:
        return None
    scoring = scene.bundle.scoring
    live = [rule.id for rule in scoring.rules] + [rule.id for rule in scoring.fit]
    return (
        select(score_contributions.c.lead_id)
        .where(
            score_contributions.c.kind.in_(("rule", "cap")),
            score_contributions.c.rule.not_in(live),
            not_(_waits(score_contributions.c.lead_id)),
        )
        .distinct()
    )


def _rescore(find: Any) -> Any:
    def mark(connection: Connection, scene: Scene) -> Done:
        rows = find(connection, scene)
        marked = 0 if rows is None else work.mark(connection, "score", scene.these(rows), scene.now)
        return [("marked, and scored anew", marked)]

    return mark


def _sum_of(name: str) -> Any:
    mine = and_(leads.c.account_id == accounts.c.id, leads.c.merged_into_id.is_(None))
    rows = leads.join(scores, scores.c.lead_id == leads.c.id)
    return (
        select(func.coalesce(func.sum(scores.c[name]), 0.0))
        .select_from(rows)
        .where(mine)
        .correlate(accounts)
        .scalar_subquery()
    )


def _account_totals(connection: Connection, scene: Scene) -> Select[Any] | None:
    if scene.bundle is None or not scene.bundle.rules.account_scores:
        return None
    mine = and_(leads.c.account_id == accounts.c.id, leads.c.merged_into_id.is_(None))
    # While a lead of the account waits, its next score brings the sums along.
    waits = value_of(leads, func.max(case((_waits(leads.c.id), 1), else_=0)), mine)
    wrong = or_(*(func.abs(accounts.c[name] - _sum_of(name)) > _CLOSE for name in ("interest", "fit", "total")))
    return select(accounts.c.id).where(wrong, func.coalesce(waits, 0) == 0)


def _roll_up(connection: Connection, scene: Scene) -> Done:
    wrong = _account_totals(connection, scene)
    if wrong is None:
        return []
    values = {name: _sum_of(name) for name in ("interest", "fit", "total")}
    rolled = connection.execute(update(accounts).where(accounts.c.id.in_(wrong)).values(values), {"now": scene.now})
    return [("added up again", rolled.rowcount)]


CHECKS: tuple[Check, ...] = (
    Check(
        "sums",
        "the contributions of a lead add up to its score, in each dimension",
        "run `ripen run rescore`",
        _sums,
        _rescore(_sums),
    ),
    Check(
        "scored",
        "whoever did something has a score, and every contribution belongs to one",
        "run `ripen run rescore`",
        _without_score,
        _rescore(_without_score),
    ),
    Check(
        "live-rules",
        "every contribution is of a rule that is live",
        "publish the scoring again, then `ripen run rescore`",
        _dead_rules,
        _rescore(_dead_rules),
    ),
    Check(
        "account-totals",
        "an account's scores are the sums of its leads'",
        "run `ripen run rescore`",
        _account_totals,
        _roll_up,
    ),
)
