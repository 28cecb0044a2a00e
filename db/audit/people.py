"""People: whoever has become part of another lead holds nothing any more."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, Table, delete, select, union, update

from db import work
from db.audit.check import Check, Done, Scene
from db.entries import ended
from db.tables import enrollments, entry_marks, events, identities, leads, sales_task_leads, sales_tasks, work_queue

_MERGED = select(leads.c.id).where(leads.c.merged_into_id.is_not(None))
# A chain of merges is followed link by link.
_LINKS = 20


def _held(table: Table) -> Select[Any]:
    return select(table.c.lead_id).where(table.c.lead_id.in_(_MERGED))


def _still_holds(connection: Connection, scene: Scene) -> Select[Any]:
    active = _held(enrollments).where(enrollments.c.status == "active")
    open_tasks = select(sales_tasks.c.id).where(sales_tasks.c.status.in_(("open", "accepted")))
    asked_about = _held(sales_task_leads).where(sales_task_leads.c.task_id.in_(open_tasks))
    parts = (_held(events), _held(identities), active, _held(entry_marks), asked_about)
    return select(union(*parts).subquery().c[0])


def _hand_over(connection: Connection, scene: Scene) -> Done:
    """Facts and identifiers go to the survivor, who is scored anew; marks and enrollments end."""
    survivor = {table: _onward(table) for table in (events, identities)}
    moved = dict.fromkeys((events, identities), 0)
    for _ in range(_LINKS):
        work.mark(connection, "score", _survivors(), scene.now)
        passed = 0
        for table, onward in survivor.items():
            rows = connection.execute(update(table).where(table.c.lead_id.in_(_MERGED)).values(lead_id=onward)).rowcount
            moved[table] += rows
            passed += rows
        if not passed:
            break
    connection.execute(delete(work_queue).where(work_queue.c.lead_id.in_(_MERGED)))
    leave = update(enrollments).where(enrollments.c.lead_id.in_(_MERGED), enrollments.c.status == "active")
    left = connection.execute(leave.values(ended("exited", "merged")), {"now": scene.now}).rowcount
    unmarked = connection.execute(delete(entry_marks).where(entry_marks.c.lead_id.in_(_MERGED))).rowcount
    return [
        ("events given to the survivor", moved[events]),
        ("identifiers given to the survivor", moved[identities]),
        ("enrollments that ended", left),
        ("entry marks taken away", unmarked),
        ("people of open tasks replaced by the survivor", _people_of_tasks(connection)),
    ]


def _people_of_tasks(connection: Connection) -> int:
    columns = ["task_id", "lead_id", "added_at", "reason"]
    rows = select(
        sales_task_leads.c.task_id, leads.c.merged_into_id, sales_task_leads.c.added_at, sales_task_leads.c.reason
    ).join(leads, leads.c.id == sales_task_leads.c.lead_id)
    onward = rows.where(leads.c.merged_into_id.is_not(None))
    changed = 0
    for _ in range(_LINKS):
        insert = work.insert_for(connection)(sales_task_leads).from_select(columns, onward)
        connection.execute(insert.on_conflict_do_nothing())
        gone = delete(sales_task_leads).where(sales_task_leads.c.lead_id.in_(_MERGED))
        rows_gone = connection.execute(gone).rowcount
        changed += rows_gone
        if not rows_gone:
            break
    named = update(sales_tasks).where(
        sales_tasks.c.lead_id.in_(_MERGED), sales_tasks.c.status.in_(("open", "accepted"))
    )
    connection.execute(named.values(lead_id=_onward(sales_tasks), crm_revision=sales_tasks.c.crm_revision + 1))
    return changed


def _onward(table: Table) -> Any:
    query = select(leads.c.merged_into_id).where(leads.c.id == table.c.lead_id)
    return query.correlate(table).scalar_subquery()


def _survivors() -> Select[Any]:
    return select(leads.c.merged_into_id).where(
        leads.c.id.in_(select(events.c.lead_id).where(events.c.lead_id.in_(_MERGED)))
    )


CHECKS: tuple[Check, ...] = (
    Check(
        "merged-hold-nothing",
        "a lead that has become part of another holds no events, identifiers, marks, places or tasks",
        "`ripen explain` the surviving lead and compare",
        _still_holds,
        _hand_over,
    ),
)
