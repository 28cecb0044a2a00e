"""Sales tasks: one open at a time for each lead or account, with its people."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, and_, func, literal, not_, or_, select, update

from db import work
from db.audit.check import Check, Done, Scene
from db.conditions import NOW
from db.sales_tasks import OPEN
from db.subqueries import there_is
from db.tables import sales_task_leads, sales_tasks

_OPEN = and_(sales_tasks.c.kind == "sql", sales_tasks.c.status.in_(OPEN))


def _older() -> Any:
    """The open task that stands before this one: of the same subject, or with a person of this one."""
    other, theirs, mine = sales_tasks.alias(), sales_task_leads.alias(), sales_task_leads.alias()
    shared = (
        select(literal(1))
        .select_from(mine.join(theirs, theirs.c.lead_id == mine.c.lead_id))
        .where(mine.c.task_id == sales_tasks.c.id, theirs.c.task_id == other.c.id)
        .correlate(sales_tasks, other)
        .exists()
    )
    same = or_(other.c.subject_key == sales_tasks.c.subject_key, shared)
    return other, and_(other.c.kind == "sql", other.c.status.in_(OPEN), other.c.id < sales_tasks.c.id, same)


def _younger(connection: Connection, scene: Scene) -> Select[Any]:
    other, before = _older()
    return select(sales_tasks.c.id).where(_OPEN, there_is(other, before))


def _keep_the_older(connection: Connection, scene: Scene) -> Done:
    """The younger one's people join the older one; the CRM hears of both."""
    other, before = _older()
    pairs = (
        select(func.min(other.c.id).label("kept"), sales_tasks.c.id.label("gone"))
        .select_from(sales_tasks.join(other, before))
        .where(_OPEN)
        .group_by(sales_tasks.c.id)
        .subquery()
    )
    people = select(pairs.c.kept, sales_task_leads.c.lead_id, NOW, literal("from a second task")).join(
        pairs, pairs.c.gone == sales_task_leads.c.task_id
    )
    columns = ["task_id", "lead_id", "added_at", "reason"]
    join = work.insert_for(connection)(sales_task_leads).from_select(columns, people).on_conflict_do_nothing()
    joined = max(connection.execute(join, {"now": scene.now}).rowcount, 0)
    again = {"crm_revision": sales_tasks.c.crm_revision + 1}
    younger = list(connection.execute(_younger(connection, scene)).scalars())
    connection.execute(update(sales_tasks).where(sales_tasks.c.id.in_(select(pairs.c.kept))).values(again))
    cancel = update(sales_tasks).where(sales_tasks.c.id.in_(younger))
    values = {"status": "cancelled", "reason": "there was an older open task", "closed_at": NOW, **again}
    cancelled = connection.execute(cancel.values(values), {"now": scene.now}).rowcount
    return [("cancelled; the older task stays", cancelled), ("people who joined the older task", joined)]


def _without_people(connection: Connection, scene: Scene) -> Select[Any]:
    named = there_is(
        sales_task_leads,
        sales_task_leads.c.task_id == sales_tasks.c.id,
        sales_task_leads.c.lead_id == sales_tasks.c.lead_id,
    )
    return select(sales_tasks.c.id).where(_OPEN, not_(named))


def _name_them(connection: Connection, scene: Scene) -> Done:
    rows = _without_people(connection, scene).with_only_columns(
        sales_tasks.c.id, sales_tasks.c.lead_id, NOW, sales_tasks.c.reason
    )
    columns = ["task_id", "lead_id", "added_at", "reason"]
    insert = work.insert_for(connection)(sales_task_leads).from_select(columns, rows).on_conflict_do_nothing()
    return [("added to their task", max(connection.execute(insert, {"now": scene.now}).rowcount, 0))]


CHECKS: tuple[Check, ...] = (
    Check(
        "task-people",
        "the lead of an open sales task is one of its people",
        "look at the task with `ripen tasks`",
        _without_people,
        _name_them,
    ),
    Check(
        "one-open-task",
        "nobody is part of two open sales tasks, and no account has two",
        "close one of them: `ripen tasks reject ID --reason duplicate`",
        _younger,
        _keep_the_older,
    ),
)
