"""Bring sales tasks to sales: escalate once what nobody took, and tell the CRM what it has not heard."""

from __future__ import annotations

from connectors.crm.base import CrmTask
from db import sales_tasks
from nurture.errors import OutsideFailed, RetryLater
from nurture.failpoints import hit
from tasks.briefs import build_brief
from tasks.context import Run

_PER_RUN = 2_000


def escalate(run: Run) -> dict[str, int]:
    """Escalate overdue tasks and hand every new or changed task over with its brief; a lost reply is told again."""
    context, now = run.context, run.now
    compiled = context.compiled()
    with context.database.write() as connection:
        escalated = sales_tasks.escalate_overdue(connection, now, compiled.bundle.lifecycle.sales.escalate_to)
    told = failed = 0
    if context.crm is not None:
        with context.database.read() as connection:
            rows = sales_tasks.untold(connection, _PER_RUN)
        for row in rows:
            if row["erased_at"] is not None:
                continue
            with context.database.read() as connection:
                facts, brief = build_brief(connection, row["id"], compiled, context.settings, now)
            try:
                reference = context.crm.upsert(CrmTask(f"task-{row['id']}", row["crm_revision"], facts, brief))
            except (RetryLater, OutsideFailed) as error:
                with context.database.write() as connection:
                    sales_tasks.not_told(connection, row["id"], str(error))
                failed += 1
                continue
            hit("sales.told")
            with context.database.write() as connection:
                sales_tasks.told(connection, row["id"], row["crm_revision"], reference)
            hit("sales.recorded")
            told += 1
    counts = {"tasks_escalated": escalated, "tasks_told": told, "tasks_not_told": failed, **forget_tasks(run)}
    return {key: value for key, value in counts.items() if value}


def forget_tasks(run: Run) -> dict[str, int]:
    """Let the CRM delete the tasks of erased people; what fails is tried again by the next run."""
    context = run.context
    done = failed = 0
    if context.crm is None:
        return {}
    with context.database.read() as connection:
        rows = [row for row in sales_tasks.untold(connection, _PER_RUN) if row["erased_at"] is not None]
    for row in rows:
        try:
            context.crm.forget(f"task-{row['id']}", row["crm_reference"])
        except (RetryLater, OutsideFailed) as error:
            with context.database.write() as connection:
                sales_tasks.not_told(connection, row["id"], str(error))
            failed += 1
            continue
        hit("sales.forgotten")
        with context.database.write() as connection:
            sales_tasks.forgotten(connection, row["id"], row["crm_revision"])
        done += 1
    return {"tasks_forgotten": done, "tasks_not_forgotten": failed}
