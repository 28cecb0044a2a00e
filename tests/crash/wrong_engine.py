"""The classic mistakes of an engine, to be caught by the same trials as the real one passes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from db import advance, work
from db.tables import work_queue
from nurture import failpoints
from tasks import day, rescore


def commit_in_the_middle(connection: Any) -> None:
    """End the caller's transaction and begin another, as careless code does."""
    driver = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        driver.execute("COMMIT")
        driver.execute("BEGIN IMMEDIATE")
    else:
        driver.commit()


def advance_then_enqueue() -> None:
    """The step counts as done in one transaction, and its message is written to the ledger in the next."""
    right = advance.SequenceProgram._execute

    def wrong(self: Any, connection: Any, node: Any, now: Any, counts: Any) -> set[str]:
        if node.kind != "email":
            return right(self, connection, node, now, counts)
        moved = connection.execute(self._pass_by(node), {"now": now}).rowcount
        for label, statement in self._build(connection, node):
            rows = max(connection.execute(statement, {"now": now}).rowcount, 0)
            advance._add(counts, label or "recorded", rows)
            moved += rows
            commit_in_the_middle(connection)
            failpoints.hit("advance.statement")
        return {node.next} if moved and node.next else set()

    advance.SequenceProgram._execute = wrong


def finish_then_score() -> None:
    """The leads leave the queue in one transaction, and their scores are written in the next."""

    def wrong(run: Any) -> dict[str, int]:
        context, now = run.context, run.now
        compiled = context.compiled()
        with context.database.write() as connection:
            rescore.scores.mark_due(connection, now)
        while True:
            batch, told = uuid4().hex, 0
            with context.database.write() as connection:
                claimed = work.claim(connection, "score", batch, context.batch_size)
                mine = list(connection.execute(work.leads_of(batch, "score")).scalars())
                work.hand_on(connection, "score", batch, "stage")
                work.finish(connection, "score", batch)
            failpoints.hit("rescore.before_commit")
            with context.database.write() as connection:
                work.mark_ids(connection, "score", mine, now)
                connection.execute(sa.update(work_queue).where(work_queue.c.lead_id.in_(mine)).values(batch=batch))
                compiled.verdicts.judge(connection, batch, now)
                told = compiled.answers.spread(connection, batch, now)
                compiled.derived.derive(connection, batch, now)
                waiting = compiled.where_colleagues_wait(connection)
                compiled.scores.rescore(connection, batch, now, compiled.version("scoring"), waiting)
                work.finish(connection, "score", batch)
            failpoints.hit("rescore.committed")
            if claimed < context.batch_size and not told:
                return {"leads_rescored": claimed}

    def instead(steps: Any) -> Any:
        return tuple(wrong if step is rescore.rescore else step for step in steps)

    day.FLOWS = {name: instead(steps) for name, steps in day.FLOWS.items()}
    day.rescore = wrong
