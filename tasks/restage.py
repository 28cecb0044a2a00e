"""Move leads through the stages, settle what sales answered, and open sales tasks."""

from __future__ import annotations

from uuid import uuid4

from db import stages, work
from db.batches import one_restage_at_a_time
from db.sales_subjects import follow_people
from nurture.failpoints import hit
from tasks.context import Run
from tasks.desk import task_due


def restage(run: Run) -> dict[str, int]:
    """Record transitions for rescored leads and open a task for each new SQL; hands the leads on to the sequences."""
    context, now = run.context, run.now
    compiled = context.compiled()
    due = task_due(compiled.bundle.lifecycle.sales, context.settings.project.time_zone, now)
    counts = {"transitions": 0, "tasks_opened": 0, "colleagues_added": 0, "sales_answers": 0}
    with context.database.write() as connection:
        stages.mark_cooled_down(connection, now)
    hit("restage.marked")
    while True:
        batch = uuid4().hex
        with context.database.write() as connection:
            one_restage_at_a_time(connection)
            claimed = work.claim(connection, "stage", batch, context.batch_size)
            if claimed:
                follow_people(connection, batch, now, compiled.tasks.per_account)
                counts["sales_answers"] += compiled.answers.settle(connection, batch, now)
                counts["transitions"] += compiled.stages.restage(connection, batch, now)
                hit("restage.moved")
                for key, value in compiled.tasks.open(connection, batch, now, due).items():
                    counts[key] += value
                # What sales said of somebody before we gave it the task.
                counts["sales_answers"] += compiled.answers.settle(connection, batch, now)
                work.hand_on(connection, "stage", batch, "entry")
                work.finish(connection, "stage", batch)
            hit("restage.before_commit")
        hit("restage.committed")
        # A task that was closed has the others in it looked at, in a batch of their own.
        if not claimed:
            return counts
