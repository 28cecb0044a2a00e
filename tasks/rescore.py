"""Rescore the leads that changed, and those whose decay falls due."""

from __future__ import annotations

from uuid import uuid4

from db import scores, work
from nurture.failpoints import hit
from tasks.context import Run


def rescore(run: Run) -> dict[str, int]:
    """Bring scores and their breakdown up to date; hands the leads on to the stages."""
    context, now = run.context, run.now
    compiled = context.compiled()
    rescored = 0
    with context.database.write() as connection:
        scores.mark_due(connection, now)
    hit("rescore.marked")
    while True:
        batch = uuid4().hex
        with context.database.write() as connection:
            claimed = work.claim(connection, "score", batch, context.batch_size)
            if claimed:
                compiled.verdicts.judge(connection, batch, now)
                compiled.derived.derive(connection, batch, now)
                compiled.scores.rescore(connection, batch, now, compiled.version("scoring"))
                hit("rescore.scored")
                work.hand_on(connection, "score", batch, "stage", now)
                work.finish(connection, "score", batch)
            hit("rescore.before_commit")
        hit("rescore.committed")
        rescored += claimed
        if claimed < context.batch_size:
            return {"leads_rescored": rescored}
