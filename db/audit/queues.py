"""Queues: whoever is marked is looked at, and no batch outlives its transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, select, update

from db.audit.check import DUE_BY, Check, Done, Scene
from db.tables import work_queue


def _in_a_batch(connection: Connection, scene: Scene) -> Select[Any]:
    return select(work_queue.c.lead_id).where(work_queue.c.batch.is_not(None))


def _out_of_it(connection: Connection, scene: Scene) -> Done:
    freed = update(work_queue).where(work_queue.c.batch.is_not(None)).values(batch=None)
    return [("taken out of a batch that nobody works on", connection.execute(freed).rowcount)]


def _left_behind(connection: Connection, scene: Scene) -> Select[Any]:
    return select(work_queue.c.lead_id).where(work_queue.c.marked_at <= DUE_BY)


CHECKS: tuple[Check, ...] = (
    Check(
        "queue-batches",
        "nobody in a queue belongs to a batch that no step works on",
        "report it as a fault; the next run takes them anyway",
        _in_a_batch,
        _out_of_it,
    ),
    Check(
        "queues",
        "a finished run leaves nobody waiting in a queue",
        "run `ripen run follow-up`; if they stay, report it as a fault",
        _left_behind,
    ),
)
