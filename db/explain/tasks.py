"""The sales tasks that a lead is part of."""

from __future__ import annotations

from sqlalchemy import Connection, or_, select

from db.explain.rows import LEAD, TASK, Row, every, one
from db.tables import sales_task_leads, sales_tasks


def tasks_of(connection: Connection, lead_id: int) -> list[Row]:
    """The sales tasks that the lead is part of, newest first."""
    return every(connection, _TASKS, lead=lead_id)


_TASKS = (
    select(sales_tasks)
    .where(
        or_(
            sales_tasks.c.lead_id == LEAD,
            sales_tasks.c.id.in_(select(sales_task_leads.c.task_id).where(sales_task_leads.c.lead_id == LEAD)),
        )
    )
    .order_by(sales_tasks.c.id.desc())
)


def task(connection: Connection, task_id: int) -> Row | None:
    """One sales task."""
    return one(connection, _TASK, task=task_id)


_TASK = select(sales_tasks).where(sales_tasks.c.id == TASK)
