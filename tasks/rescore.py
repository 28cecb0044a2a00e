"""Rescore the leads that changed, and those whose decay falls due."""

from __future__ import annotations

from uuid import uuid4

from db import account_scores, scores, work
from nurture.failpoints import hit
from tasks.context import Run


def rescore(run: Run) -> dict[str, int]:
    """Bring scores and their breakdown up to date; hands the leads on to the stages."""
    context, now = run.context, run.now
    compiled = context.compiled()
    rescored = 0
    with context.database.write() as connection:
        scores.mark_due(connection, now)
        in_flight = compiled.programs(connection).values() if compiled.bundle.rules.account_scores else ()
    colleagues = account_scores.asked_by(compiled.bundle, [program.sequence for program in in_flight])
    while True:
        batch = uuid4().hex
        with context.database.write() as connection:
            claimed = work.claim(connection, "score", batch, context.batch_size)
            if claimed:
                compiled.derived.derive(connection, batch, now)
                compiled.scores.rescore(connection, batch, now, compiled.version("scoring"), colleagues)
                work.hand_on(connection, "score", batch, "stage", now)
                work.finish(connection, "score", batch)
            hit("rescore.before_commit")
        hit("rescore.committed")
        rescored += claimed
        if claimed < context.batch_size:
            return {"leads_rescored": rescored}
