"""Scores: derived set-wise from the events of the leads that changed, with every point's origin kept.

The order is fixed: decay each event, cap per rule, cap per group, sum, floor.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Select, case, delete, func, not_, or_, select, update

from db import account_scores, contributions, score_times, work
from db.conditions import NOW
from db.event_sums import BATCH
from db.statistics import grown
from db.subqueries import there_is, value_of
from db.tables import events, leads, score_contributions, scores, work_queue
from db.verdicts import settling
from nurture.definitions.bundle import Bundle
from nurture.score_lines import Lines, lines_of

VERSION: sa.BindParameter[int] = sa.bindparam("version", type_=sa.BigInteger())
_SCORE_COLUMNS = ["lead_id", "interest", "fit", "total", "scored_at", "due_at", "version_id"]


class ScorePlan:
    """The statements of a rescore, built once per set of definitions."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        scoring = bundle.scoring
        self.contributions = contributions.of_events(bundle) if scoring.rules else None
        self.profile_contributions = contributions.of_profiles(bundle) if scoring.fit else None
        self.lasting_group_caps = contributions.of_lasting_groups(bundle)
        self.floors = contributions.of_floor(scoring.floor) if scoring.floor is not None else None
        self.fades = any(scoring.decay_of(rule) for rule in scoring.rules)
        self.lines = lines_of(bundle)
        self._totals: dict[Lines, Any] = {}

    def rescore(
        self,
        connection: Connection,
        batch: str,
        now: datetime,
        version: int,
        colleagues: str | None = None,
        lines: Lines | None = None,
    ) -> int:
        """Replace scores and contributions of a claimed batch of leads; returns how many leads.

        The people of accounts whose sum changes wait in the queue `colleagues`. `lines` are those of the definitions
        and of older versions that leads are still in.
        """
        values = {"now": now, "batch": batch, "version": version}
        connection.execute(_CLEAR, values)
        for rows in (self.contributions, self.profile_contributions, self.lasting_group_caps, self.floors):
            if rows is not None:
                insert = sa.insert(score_contributions).from_select(contributions.COLUMNS, rows)
                connection.execute(insert, values)
        insert = work.insert_for(connection)(scores).from_select(_SCORE_COLUMNS, self.scored(lines or self.lines))
        fresh = {name: insert.excluded[name] for name in _SCORE_COLUMNS[1:]}
        written = connection.execute(insert.on_conflict_do_update(index_elements=["lead_id"], set_=fresh), values)
        grown(connection, written.rowcount, scores, score_contributions)
        if self.bundle.rules.account_scores:
            account_scores.roll_up(connection, batch, now, colleagues)
        return written.rowcount

    def scored(self, lines: Lines) -> Any:
        """The score of each lead of the batch, and when it has to be looked at again, as rows of `scores`."""
        if lines not in self._totals:
            self._totals[lines] = _totals(self.bundle, lines)
        return self._totals[lines]


def mark_due(connection: Connection, now: datetime) -> int:
    """Queue the leads that time alone makes due: a score fades, a fit rule's period ends, an event comes or settles."""
    # Who waits already is looked at anyway, as silently as it was marked, unless it does something new.
    waiting = there_is(work_queue, work_queue.c.queue == "score", work_queue.c.lead_id == scores.c.lead_id)
    reached = (
        events.c.lead_id == scores.c.lead_id,
        events.c.occurred_at > scores.c.scored_at,
        events.c.occurred_at <= NOW,
    )
    happened, history = there_is(events, *reached, events.c.silent.is_(False)), there_is(events, *reached)
    # The limit that is none keeps SQLite from reading all scores in the order of the leads instead.
    due = select(scores.c.lead_id).where(scores.c.due_at <= now).order_by(scores.c.due_at).limit(2**40)
    loud = or_(happened, sa.and_(not_(history), not_(waiting)))
    marked = max(connection.execute(_SETTLED, {"now": now}).rowcount, 0)
    marked += work.mark(connection, "score", due.where(loud), now)
    return marked + work.mark(connection, "score", due.where(history, not_(happened)), now, silent=True)


def _settled() -> Any:
    """The statement that queues whose opens and clicks settle: never silent, and waiting since they were received."""
    mine = settling(scores.c.lead_id)
    since = value_of(events, func.min(events.c.received_at), *mine).label("since")
    due = select(scores.c.lead_id, since).where(scores.c.due_at <= NOW, there_is(events, *mine))
    found = due.order_by(scores.c.due_at).limit(2**40).subquery("found")
    rows = select(sa.literal("score"), found.c.lead_id, sa.literal(False), sa.literal(1), found.c.since)
    # On SQLite an INSERT from a SELECT with ON CONFLICT needs a WHERE.
    return work.queue_up(rows.where(sa.true()).order_by(found.c.lead_id))


_SETTLED = _settled()


def look_for(connection: Connection, lines: Lines, now: datetime, *, rises: bool) -> int:
    """Let the next run look at whose score may come to a line that nobody knew of when it was looked at last.

    Where points below zero fade (`rises`), that may be anybody's.
    """
    beyond = [sa.true() if rises else scores.c[line.dimension] >= line.points for line in lines.of_leads]
    if lines.of_accounts:
        beyond.append(there_is(leads, leads.c.id == scores.c.lead_id, leads.c.account_id.is_not(None)))
    later = or_(scores.c.due_at.is_(None), scores.c.due_at > now)
    return connection.execute(update(scores).where(later, or_(sa.false(), *beyond)).values(due_at=now)).rowcount


def everybody() -> Select[Any]:
    """The ids of all leads, without those who have become part of another or were erased."""
    return select(leads.c.id).where(leads.c.merged_into_id.is_(None), leads.c.erased_at.is_(None))


def mark_everyone(connection: Connection, now: datetime) -> int:
    """Queue every lead, because the rules changed; history is re-scored, and stages follow without silence."""
    return work.mark(connection, "score", everybody(), now)


def count_everyone(connection: Connection) -> int:
    """How many leads `mark_everyone` would queue."""
    query = select(func.count()).select_from(everybody().subquery())
    return int(connection.execute(query).scalar_one())


_CLEAR = delete(score_contributions).where(score_contributions.c.lead_id.in_(work.leads_of(BATCH, "score")))


def _totals(bundle: Bundle, lines: Lines) -> Any:
    """The score of each lead of the batch: its contributions, added up, and when they have to be looked at again."""
    parts = score_contributions
    by_dimension = [
        func.coalesce(func.sum(case((parts.c.dimension == name, parts.c.points), else_=0.0)), 0.0).label(name)
        for name in ("interest", "fit")
    ]
    scored = (
        select(
            work_queue.c.lead_id,
            *by_dimension,
            func.coalesce(func.sum(parts.c.points), 0.0).label("total"),
            *score_times.fading(bundle),
        )
        .select_from(work_queue.outerjoin(parts, parts.c.lead_id == work_queue.c.lead_id))
        .where(work_queue.c.queue == "score", work_queue.c.batch == BATCH)
        .group_by(work_queue.c.lead_id)
        .subquery("scored")
    )
    look = score_times.next_look(bundle, scored.c.lead_id, scored, lines)
    # On SQLite an INSERT from a SELECT with ON CONFLICT needs a WHERE.
    return select(scored.c.lead_id, scored.c.interest, scored.c.fit, scored.c.total, NOW, look, VERSION).where(
        sa.true()
    )
