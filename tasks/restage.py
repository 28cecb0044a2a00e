"""Move leads through the stages, settle what sales answered, and open sales tasks."""

from __future__ import annotations

from uuid import uuid4

from db import sales_tasks, stages, work
from nurture.failpoints import hit
from nurture.local_time import business_due, zone_of
from tasks.context import Run
from tasks.desk import desk_window


def restage(run: Run) -> dict[str, int]:
    """Record transitions for rescored leads and open a task for each new SQL; hands the leads on to the sequences."""
    context, now = run.context, run.now
    compiled = context.compiled()
    desk = compiled.bundle.lifecycle.sales
    due = business_due(
        now,
        int(desk.due.total.total_seconds() // 60),
        desk_window(desk),
        zone_of(None, None, context.settings.project.time_zone),
    )
    counts = {"transitions": 0, "tasks_opened": 0, "colleagues_added": 0, "sales_answers": 0}
    with context.database.write() as connection:
        stages.mark_cooled_down(connection, now)
    hit("restage.marked")
    while True:
        batch = uuid4().hex
        with context.database.write() as connection:
            claimed = work.claim(connection, "stage", batch, context.batch_size)
            if claimed:
                counts["sales_answers"] += sales_tasks.apply_answers(connection, batch, now)
                counts["transitions"] += compiled.stages.restage(connection, batch, now)
                hit("restage.moved")
                for key, value in compiled.tasks.open(connection, batch, now, due).items():
                    counts[key] += value
                work.hand_on(connection, "stage", batch, "entry")
                work.finish(connection, "stage", batch)
            hit("restage.before_commit")
        hit("restage.committed")
        if claimed < context.batch_size:
            return counts
