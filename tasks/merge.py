"""Two leads are one person: merge them, and bring the score up to date in the same transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from db import account_scores, accounts, definitions, entries, merges, work
from db.engine import Connection, DatabaseBusy
from db.merges import Merged, Pair
from nurture.errors import BadInput
from nurture.failpoints import hit
from tasks.context import Compiled, Context
from tasks.explain import find

# A run may be in the way; PostgreSQL then takes one of the two back.
MOST_TRIES = 5


@dataclass(frozen=True)
class MergeReport:
    """The lead that stays, the one that has become part of it, and what came of it."""

    lead: int
    merged: int
    dry_run: bool
    names: dict[int, str | None]
    done: Merged

    def as_json(self) -> dict[str, Any]:
        """The report as plain data, without names."""
        return {"lead": self.lead, "merged": self.merged, "dry_run": self.dry_run, **self.done.as_counts()}


def merge_leads(context: Context, stays: str, goes: str, now: datetime, *, dry_run: bool = False) -> MergeReport:
    """Make one lead of two, found by id, address or any identifier; the first one stays, its id and address with it.

    With `dry_run` everything is done and taken back. The next run acts on what follows for stage and sequences. Raises
    UnknownLead, and BadInput when both names mean one lead.
    """
    for _ in range(MOST_TRIES - 1):
        try:
            return _merge(context, stays, goes, now, dry_run)
        except DatabaseBusy:
            continue
    return _merge(context, stays, goes, now, dry_run)


def _compiled(context: Context) -> Compiled | None:
    """The live definitions; none as long as no run has looked at anybody."""
    with context.database.read() as connection:
        if definitions.live_hash(connection) is None:
            return None
    return context.compiled()


def _merge(context: Context, stays: str, goes: str, now: datetime, dry_run: bool) -> MergeReport:
    compiled = _compiled(context)
    with context.database.write() as connection:
        merges.alone(connection)
        pair = Pair(find(connection, stays, context.settings), find(connection, goes, context.settings))
        if pair.stays == pair.goes:
            raise BadInput(f"`{stays}` and `{goes}` both mean lead {pair.stays}; there is nothing to merge")
        if merges.any_erased(connection, pair):
            raise BadInput("one of the two was erased; there is nothing left to merge")
        names = merges.names(connection, pair)
        savepoint = connection.begin_nested() if dry_run else None
        done = _join(connection, compiled, pair, now)
        if savepoint is not None:
            savepoint.rollback()
        hit("merge.before_commit")
    hit("merge.committed")
    return MergeReport(pair.stays, pair.goes, dry_run, names, done)


def _join(connection: Connection, compiled: Compiled | None, pair: Pair, now: datetime) -> Merged:
    rules = compiled.bundle.rules if compiled else None
    plans = compiled.entries if compiled else {}
    news = merges.have_news(connection, pair)
    # What the lead has done itself since the last run may still enroll it.
    own = [
        name
        for name, plan in plans.items()
        if pair.stays in news and entries.holds_for(connection, plan, pair.stays, now)
    ]
    done = merges.merge(connection, pair, now, per_account=rules is not None and rules.task_per == "account")
    batch = uuid4().hex
    # News of the lead that goes may open a sales task; what it makes true is marked below, so it enrolls nobody.
    merges.claim(connection, pair.stays, batch, now, silent=not news)
    if compiled is None:
        return done
    compiled.verdicts.judge(connection, batch, now)
    compiled.derived.derive(connection, batch, now)
    lines = compiled.score_lines(connection)
    compiled.scores.rescore(connection, batch, now, compiled.version("scoring"), lines=lines)
    if compiled.bundle.rules.account_scores:
        accounts.add_up(connection, done.accounts)
        account_scores.look_at_colleagues(
            connection, done.accounts, now, compiled.where_colleagues_wait(connection), but_for=pair.stays
        )
    for name, plan in plans.items():
        if name not in own:
            entries.mark_lead_without_entering(connection, plan, pair.stays, now)
    work.hand_on(connection, "score", batch, "stage")
    work.finish(connection, "score", batch)
    return done


__all__ = ["MergeReport", "merge_leads"]
