"""The queues of leads that a step has to look at: marked where something changed, emptied by the step's transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from db.conditions import NOW
from db.statistics import refresh
from db.tables import enrollments, work_queue
from db.types import least_of
from db.upserts import Upsert


def insert_for(connection: Connection) -> Any:
    """The INSERT that knows ON CONFLICT; both databases speak the same words."""
    return Upsert


def mark(
    connection: Connection,
    queue: str,
    leads: Select[Any],
    now: datetime,
    *,
    silent: bool | sa.ColumnElement[bool] = False,
) -> int:
    """Put the leads of a SELECT of one column (lead id) into a queue; returns how many were marked.

    A lead that is there already stays, less silent. The upsert locks the row, so that a step that is emptying the queue
    right now cannot miss the change. A row is silent while everything behind it is imported history.
    """
    return connection.execute(mark_statement(connection, queue, leads, silent=silent), {"now": now}).rowcount


def mark_statement(
    connection: Connection, queue: str, leads: Select[Any], *, silent: bool | sa.ColumnElement[bool] = False
) -> Any:
    """The same as a statement, which takes the run's `now`."""
    source = leads.subquery()
    quiet = silent if isinstance(silent, sa.ColumnElement) else literal(silent)
    rows = (
        select(literal(queue), source.c[0], quiet, literal(1), NOW)
        .where(source.c[0].is_not(None))
        .distinct()
        .order_by(source.c[0])
    )
    return queue_up(rows)


def queue_up(rows: Select[Any]) -> Any:
    """The statement that marks rows of queue, lead, silent, 1 and now, in the order of the leads."""
    insert = Upsert(work_queue).from_select(["queue", "lead_id", "silent", "marks", "marked_at"], rows)
    return insert.on_conflict_do_update(
        index_elements=["queue", "lead_id"],
        set_={
            "marks": work_queue.c.marks + 1,
            "silent": and_(work_queue.c.silent, insert.excluded.silent),
            "marked_at": least_of(work_queue.c.marked_at, insert.excluded.marked_at),
        },
    )


def mark_ids(connection: Connection, queue: str, lead_ids: list[int], now: datetime, *, silent: bool = False) -> None:
    """The same for a list of ids that is at hand anyway."""
    if not lead_ids:
        return
    insert = insert_for(connection)(work_queue)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["queue", "lead_id"],
            set_={
                "marks": work_queue.c.marks + 1,
                "silent": and_(work_queue.c.silent, insert.excluded.silent),
                "marked_at": least_of(work_queue.c.marked_at, insert.excluded.marked_at),
            },
        ),
        [
            {"queue": queue, "lead_id": lead, "silent": silent, "marks": 1, "marked_at": now}
            for lead in sorted(set(lead_ids))
        ],
    )


def claim(connection: Connection, queue: str, batch: str, limit: int, *, silent: bool | None = None) -> int:
    """Take up to so many leads of a queue into a batch, as the first act of a transaction; returns how many."""
    wanted = select(work_queue.c.lead_id).where(work_queue.c.queue == queue)
    if silent is not None:
        wanted = wanted.where(work_queue.c.silent.is_(silent))
    mine = is_free(connection, work_queue.c.lead_id, wanted.order_by(work_queue.c.lead_id).limit(limit))
    claimed = connection.execute(
        update(work_queue).where(work_queue.c.queue == queue, mine).values(batch=batch)
    ).rowcount
    refresh(connection, claimed, work_queue)
    return claimed


def is_free(connection: Connection, column: ColumnElement[Any], wanted: Select[Any]) -> ColumnElement[bool]:
    """Whether a row, by its id, is one of the first of a SELECT that nobody else has in hand; locks them.

    They are found once: as a plain subquery PostgreSQL may look for them anew for every row of the table.
    """
    if connection.dialect.name != "postgresql":
        return column.in_(wanted)
    found = wanted.with_for_update(skip_locked=True).scalar_subquery()
    return column == sa.any_(func.array(found, type_=ARRAY(column.type)))


def leads_of(batch: str | sa.BindParameter[str], queue: str) -> Select[Any]:
    """The lead ids of a claimed batch."""
    return select(work_queue.c.lead_id).where(work_queue.c.queue == queue, work_queue.c.batch == batch)


def enrollments_of(batch: str | sa.BindParameter[str]) -> Select[Any]:
    """The enrollment ids of the leads of a batch whose entries, exits and waits are looked at.

    By ids: beside the version or the step SQLite would walk everybody who is there.
    """
    each = enrollments.alias("of_batch")
    return (
        select(each.c.id)
        .join(work_queue, work_queue.c.lead_id == each.c.lead_id)
        .where(work_queue.c.queue == "entry", work_queue.c.batch == batch)
    )


def hand_on(connection: Connection, queue: str, batch: str, following: str) -> None:
    """Mark the leads of a batch for the next queue, as silent as they were, and since when something is waiting."""
    rows = (
        select(
            literal(following),
            work_queue.c.lead_id,
            work_queue.c.silent,
            literal(1),
            work_queue.c.marked_at,
        )
        .where(work_queue.c.queue == queue, work_queue.c.batch == batch)
        .order_by(work_queue.c.lead_id)
    )
    connection.execute(queue_up(rows))


def finish(connection: Connection, queue: str, batch: str) -> int:
    """Empty the batch, as the last act of the transaction that did its work."""
    return connection.execute(
        delete(work_queue).where(work_queue.c.queue == queue, work_queue.c.batch == batch)
    ).rowcount


def waiting(connection: Connection) -> dict[str, int]:
    """How many leads wait in each queue."""
    rows = connection.execute(select(work_queue.c.queue, func.count()).group_by(work_queue.c.queue))
    return {str(queue): int(count) for queue, count in rows}


__all__ = [
    "claim",
    "finish",
    "hand_on",
    "insert_for",
    "is_free",
    "leads_of",
    "mark",
    "mark_ids",
    "mark_statement",
    "queue_up",
    "waiting",
]
