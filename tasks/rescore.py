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
        batch, told = uuid4().hex, 0
        with context.database.write() as connection:
            claimed = work.claim(connection, "score", batch, context.batch_size)
            if claimed:
                compiled.verdicts.judge(connection, batch, now)
                # What sales says of one person of an account's task is a fact about all of them, before any is scored.
                told = compiled.answers.spread(connection, batch, now)
                compiled.derived.derive(connection, batch, now)
                waiting = compiled.where_colleagues_wait(connection)
                lines = compiled.score_lines(connection)
                compiled.scores.rescore(connection, batch, now, compiled.version("scoring"), waiting, lines)
                hit("rescore.scored")
                work.hand_on(connection, "score", batch, "stage")
                work.finish(connection, "score", batch)
            hit("rescore.before_commit")
        hit("rescore.committed")
        rescored += claimed
        if claimed < context.batch_size and not told:
            return {"leads_rescored": rescored}
