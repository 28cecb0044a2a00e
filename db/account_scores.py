"""Account scores: the sums of a company's people, and who has to be looked at because one of them changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, and_, func, literal, not_, or_, select, update

from db import work
from db.batches import ids
from db.conditions import NOW
from db.subqueries import there_is
from db.tables import accounts, leads, scores, work_queue
from nurture.conditions import AccountScoreIs, Condition, walk
from nurture.definitions.bundle import Bundle
from nurture.definitions.sequences import Sequence as NurtureSequence

BATCH: sa.BindParameter[str] = sa.bindparam("batch", type_=sa.String())
# Sums of floats in another order differ by less.
_SAME = 1e-9
_SCORES = ("interest", "fit", "total")


def asked_by(bundle: Bundle, in_flight: Iterable[NurtureSequence]) -> str | None:
    """The queue in which an account's people wait when its score changes; None when nothing asks for it.

    Branches ask when a lead comes to them, and audiences ask about everybody.
    """
    if not bundle.rules.account_scores:
        return None
    only_if = bundle.rules.thresholds.only_if
    if only_if is not None and _asks(only_if):
        return "stage"
    for sequence in (*bundle.sequences.values(), *in_flight):
        goal = [sequence.goal] if sequence.goal is not None else []
        if any(_asks(each) for each in (sequence.entry.when, *goal, *(leave.when for leave in sequence.exits))):
            return "entry"
    return None


def _asks(condition: Condition) -> bool:
    return any(isinstance(part, AccountScoreIs) for part in walk(condition))


def roll_up(connection: Connection, batch: str, now: datetime, queue: str | None) -> None:
    """Add up the accounts of a batch of rescored leads; their people wait in `queue` where the sum is another."""
    values = {"now": now, "batch": batch}
    if connection.dialect.name == "postgresql":
        # Two batches may hold colleagues: the second adds up when the first has committed.
        connection.execute(_LOCK, values)
    if queue is not None:
        connection.execute(_MARK[queue], values)
    connection.execute(_ROLL_UP, values)


def left(connection: Connection, account_ids: Sequence[int], now: datetime, *, silent: bool) -> None:
    """Somebody has left these accounts: the next rescore adds them up, and one that nobody is left in has nothing.

    Whoever moves a lead to another account, or makes it part of another lead, calls this in the same transaction.
    """
    if not account_ids:
        return
    asked = ids(connection, "asked", sorted(set(account_ids)))
    people = and_(leads.c.account_id == accounts.c.id, leads.c.merged_into_id.is_(None))
    one = (
        select(func.min(leads.c.id))
        .where(leads.c.account_id.in_(select(asked.c.id)), leads.c.merged_into_id.is_(None))
        .group_by(leads.c.account_id)
    )
    work.mark(connection, "score", one, now, silent=silent)
    connection.execute(
        update(accounts)
        .where(accounts.c.id.in_(select(asked.c.id)), accounts.c.total != 0, not_(there_is(leads, people)))
        .values(dict.fromkeys(_SCORES, 0.0))
    )


def look_at_colleagues(
    connection: Connection, account_ids: Sequence[int], now: datetime, queue: str | None, *, but_for: int
) -> None:
    """After a merge: the people of these accounts wait in `queue` for the next run; what a merge changes is no news."""
    if queue is None or not account_ids:
        return
    asked = ids(connection, "asked", sorted(set(account_ids)))
    theirs = leads.c.account_id.in_(select(asked.c.id)), leads.c.merged_into_id.is_(None), leads.c.id != but_for
    work.mark(connection, queue, select(leads.c.id).where(*theirs), now, silent=True)


_TOUCHED = select(leads.c.account_id).where(leads.c.id.in_(work.leads_of(BATCH, "score")))
_LOCK = select(accounts.c.id).where(accounts.c.id.in_(_TOUCHED)).order_by(accounts.c.id).with_for_update(key_share=True)


def _changed() -> Any:
    """The accounts of the batch with their new sums, where these differ from the stored ones."""
    account = accounts.alias("summed")
    sums = [func.coalesce(func.sum(scores.c[name]), 0.0).label(name) for name in _SCORES]
    joined = account.outerjoin(
        leads, and_(leads.c.account_id == account.c.id, leads.c.merged_into_id.is_(None))
    ).outerjoin(scores, scores.c.lead_id == leads.c.id)
    return (
        select(account.c.id, *sums)
        .select_from(joined)
        .where(account.c.id.in_(_TOUCHED))
        .group_by(account.c.id, *(account.c[name] for name in _SCORES))
        .having(or_(*(func.abs(sums[index].element - account.c[name]) > _SAME for index, name in enumerate(_SCORES))))
        .subquery("changed")
    )


def _roll_up() -> Any:
    changed = _changed()
    return update(accounts).where(accounts.c.id == changed.c.id).values({name: changed.c[name] for name in _SCORES})


def _mark(queue: str) -> Any:
    """The people of the accounts that will change, silent while only imported history changes them."""
    changed = _changed()
    there = leads.alias("there")
    loud = (
        sa.exists()
        .select_from(work_queue.join(there, there.c.id == work_queue.c.lead_id))
        .where(
            work_queue.c.queue == "score",
            work_queue.c.batch == BATCH,
            work_queue.c.silent.is_(False),
            there.c.account_id == leads.c.account_id,
        )
        .correlate(leads)
    )
    rows = (
        select(literal(queue), leads.c.id, not_(loud), literal(1), NOW)
        .select_from(leads.join(changed, changed.c.id == leads.c.account_id))
        .where(leads.c.merged_into_id.is_(None))
        .order_by(leads.c.id)
    )
    return work.queue_up(rows)


_ROLL_UP = _roll_up()
_MARK = {queue: _mark(queue) for queue in ("stage", "entry")}
