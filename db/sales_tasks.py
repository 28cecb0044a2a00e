"""Sales tasks: what sales has been asked to do, told to the CRM, escalated once, answered by people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, literal, or_, select, update

from db.tables import leads, sales_task_leads, sales_tasks

OPEN = ("open", "accepted")


def escalate_overdue(connection: Connection, now: datetime, to: str) -> int:
    """Escalate once each task that nobody took in time."""
    return connection.execute(
        update(sales_tasks)
        .where(
            sales_tasks.c.status == "open",
            sales_tasks.c.due_at < now,
            sales_tasks.c.escalated_at.is_(None),
        )
        .values(escalated_at=now, owner=to, crm_revision=sales_tasks.c.crm_revision + 1)
    ).rowcount


def untold(connection: Connection, limit: int) -> list[RowMapping]:
    """The tasks whose latest state the CRM has not heard, oldest first; `erased_at` says that it is to forget one."""
    rows = connection.execute(
        select(sales_tasks, leads.c.erased_at)
        .join(leads, leads.c.id == sales_tasks.c.lead_id)
        .where(or_(sales_tasks.c.crm_told_revision < sales_tasks.c.crm_revision))
        .order_by(sales_tasks.c.id)
        .limit(limit)
    )
    return list(rows.mappings())


def told(connection: Connection, task_id: int, revision: int, reference: str | None) -> None:
    """The CRM has taken this revision of a task."""
    connection.execute(
        update(sales_tasks)
        .where(sales_tasks.c.id == task_id)
        .values(crm_status="told", crm_told_revision=revision, crm_reference=reference, crm_detail=None)
    )


def forgotten(connection: Connection, task_id: int, revision: int) -> None:
    """The CRM has let go of a task, so its reference means nothing any more."""
    told(connection, task_id, revision, None)


def not_told(connection: Connection, task_id: int, detail: str) -> None:
    """The CRM did not take it; the next run tries again."""
    connection.execute(
        update(sales_tasks).where(sales_tasks.c.id == task_id).values(crm_status="failed", crm_detail=detail)
    )


def has_open_task(lead_id: Any) -> Any:
    """A SQL expression: the lead is in the hands of sales."""
    people = sales_task_leads.join(sales_tasks, sales_tasks.c.id == sales_task_leads.c.task_id)
    mine = (sales_task_leads.c.lead_id == lead_id, sales_tasks.c.kind == "sql", sales_tasks.c.status.in_(OPEN))
    return select(literal(1)).select_from(people).where(*mine).correlate_except(sales_task_leads, sales_tasks).exists()


def listing(connection: Connection, *, status: str | None, limit: int) -> list[RowMapping]:
    """Tasks for people to read, newest first."""
    query = select(sales_tasks, leads.c.name.label("lead_name"), leads.c.company).join(
        leads, leads.c.id == sales_tasks.c.lead_id
    )
    if status:
        query = query.where(sales_tasks.c.status == status)
    return list(connection.execute(query.order_by(sales_tasks.c.id.desc()).limit(limit)).mappings())


def counts(connection: Connection) -> dict[str, int]:
    """How many tasks are in each state."""
    rows = connection.execute(select(sales_tasks.c.status, func.count()).group_by(sales_tasks.c.status))
    return {str(status): int(count) for status, count in rows}


def people(connection: Connection, task_id: int) -> list[int]:
    """Everybody whom a task is about."""
    rows = connection.execute(select(sales_task_leads.c.lead_id).where(sales_task_leads.c.task_id == task_id))
    return sorted(int(lead) for lead in rows.scalars())


def settle_step(connection: Connection, task_id: int, status: str, now: datetime) -> None:
    """What a person made of a sequence's task; it says nothing about the lead's stage."""
    when = "accepted_at" if status == "accepted" else "closed_at"
    connection.execute(
        update(sales_tasks)
        .where(sales_tasks.c.id == task_id, sales_tasks.c.kind == "step", sales_tasks.c.status.in_(OPEN))
        .values(status=status, crm_revision=sales_tasks.c.crm_revision + 1, **{when: now})
    )


def open_task(connection: Connection, task_id: int) -> RowMapping | None:
    """A task that sales can still answer."""
    return (
        connection.execute(select(sales_tasks).where(sales_tasks.c.id == task_id, sales_tasks.c.status.in_(OPEN)))
        .mappings()
        .one_or_none()
    )
