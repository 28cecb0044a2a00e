"""Scores: derived set-wise from the events of the leads that changed, with every point's origin kept.

The order is fixed: decay each event, cap per rule, cap per group, sum, floor.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, case, delete, func, not_, or_, select

from db import account_scores, contributions, work
from db.conditions import NOW
from db.event_sums import BATCH
from db.score_times import next_look
from db.subqueries import there_is
from db.tables import events, leads, score_contributions, scores, work_queue
from nurture.definitions.bundle import Bundle

VERSION: sa.BindParameter[int] = sa.bindparam("version", type_=sa.BigInteger())
_SCORE_COLUMNS = ["lead_id", "interest", "fit", "total", "scored_at", "due_at", "version_id"]


class ScorePlan:
    """The statements of a rescore, built once per set of definitions."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        scoring = bundle.scoring
        self.contributions = contributions.of_events(bundle) if scoring.rules else None
        self.profile_contributions = contributions.of_profiles(bundle) if scoring.fit else None
        self.shared_group_caps = contributions.of_shared_groups(bundle)
        self.floors = contributions.of_floor(scoring.floor) if scoring.floor is not None else None
        self.totals = _totals(bundle)

    def rescore(
        self, connection: Connection, batch: str, now: datetime, version: int, colleagues: str | None = None
    ) -> int:
        """Replace scores and contributions of a claimed batch of leads; returns how many leads.

        The people of accounts whose sum changes wait in the queue `colleagues`.
        """
        values = {"now": now, "batch": batch, "version": version}
        connection.execute(_CLEAR, values)
        for rows in (self.contributions, self.profile_contributions, self.shared_group_caps, self.floors):
            if rows is not None:
                insert = sa.insert(score_contributions).from_select(contributions.COLUMNS, rows)
                connection.execute(insert, values)
        insert = work.insert_for(connection)(scores).from_select(_SCORE_COLUMNS, self.totals)
        fresh = {name: insert.excluded[name] for name in _SCORE_COLUMNS[1:]}
        written = connection.execute(insert.on_conflict_do_update(index_elements=["lead_id"], set_=fresh), values)
        if self.bundle.rules.account_scores:
            account_scores.roll_up(connection, batch, now, colleagues)
        return written.rowcount


def mark_due(connection: Connection, now: datetime) -> int:
    """Queue the leads that time alone makes due: a score fades, a period of a fit rule ends, or an event lay ahead."""
    # Who waits already is looked at anyway, as silently as it was marked, unless it does something new.
    waiting = select(work_queue.c.lead_id).where(work_queue.c.queue == "score")
    reached = (
        events.c.lead_id == scores.c.lead_id,
        events.c.occurred_at > scores.c.scored_at,
        events.c.occurred_at <= NOW,
    )
    happened, history = there_is(events, *reached, events.c.silent.is_(False)), there_is(events, *reached)
    # The limit that is none keeps SQLite from reading all scores in the order of the leads instead.
    due = select(scores.c.lead_id).where(scores.c.due_at <= now).order_by(scores.c.due_at).limit(2**40)
    loud = or_(happened, sa.and_(not_(history), scores.c.lead_id.not_in(waiting)))
    marked = work.mark(connection, "score", due.where(loud), now)
    return marked + work.mark(connection, "score", due.where(history, not_(happened)), now, silent=True)


def mark_everyone(connection: Connection, now: datetime) -> int:
    """Queue every lead, because the rules changed; history is re-scored, and stages follow without silence."""
    return work.mark(connection, "score", select(leads.c.id).where(leads.c.merged_into_id.is_(None)), now)


def count_everyone(connection: Connection) -> int:
    """How many leads `mark_everyone` would queue."""
    query = select(func.count()).select_from(leads).where(leads.c.merged_into_id.is_(None))
    return int(connection.execute(query).scalar_one())


_CLEAR = delete(score_contributions).where(score_contributions.c.lead_id.in_(work.leads_of(BATCH, "score")))


def _totals(bundle: Bundle) -> Any:
    """The score of each lead of the batch: its contributions, added up."""
    parts = score_contributions
    by_dimension = [
        func.coalesce(func.sum(case((parts.c.dimension == name, parts.c.points), else_=0.0)), 0.0)
        for name in ("interest", "fit")
    ]
    return (
        select(
            work_queue.c.lead_id,
            *by_dimension,
            func.coalesce(func.sum(parts.c.points), 0.0),
            NOW,
            next_look(bundle, work_queue.c.lead_id),
            VERSION,
        )
        .select_from(work_queue.outerjoin(parts, parts.c.lead_id == work_queue.c.lead_id))
        .where(work_queue.c.queue == "score", work_queue.c.batch == BATCH)
        .group_by(work_queue.c.lead_id)
    )
