"""Open tasks follow the leads that they are about into another account, or into their first one."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam, select, update

from db import work
from db.batches import listed
from db.sales_openings import subject
from db.sales_tasks import OPEN
from db.tables import leads, sales_task_leads, sales_tasks


def follow_people(connection: Connection, batch: str, now: datetime, per_account: bool) -> None:
    """Let the open tasks of a batch be about their lead's account of today; where two meet, one goes on with all."""
    moved = _moved(connection, batch, per_account)
    if moved:
        _join(connection, moved, now)


def _moved(connection: Connection, batch: str, per_account: bool) -> dict[int, tuple[str, int | None]]:
    """The open tasks whose lead belongs to another subject than when they were opened."""
    rows = (
        select(sales_tasks.c.id, subject(per_account), leads.c.account_id)
        .join(leads, leads.c.id == sales_tasks.c.lead_id)
        .where(
            leads.c.id.in_(work.leads_of(batch, "stage")),
            sales_tasks.c.kind == "sql",
            sales_tasks.c.status.in_(OPEN),
            sales_tasks.c.subject_key != subject(per_account),
        )
    )
    return {int(id_): (str(key), account) for id_, key, account in connection.execute(rows)}


def _join(connection: Connection, moved: dict[int, tuple[str, int | None]], now: datetime) -> None:
    accounts = dict(moved.values())
    asked = listed(connection, "asked", [[key] for key in accounts], sales_tasks.c.subject_key)
    open_ = (sales_tasks.c.kind == "sql", sales_tasks.c.status.in_(OPEN))
    there = select(sales_tasks.c.id, sales_tasks.c.subject_key, sales_tasks.c.status).where(
        *open_, sales_tasks.c.subject_key.in_(select(asked.c.subject_key))
    )
    status = {int(id_): str(held) for id_, _, held in connection.execute(there)}
    subjects = {int(id_): str(key) for id_, key, _ in connection.execute(there)} | {
        id_: key for id_, (key, _) in moved.items()
    }
    mine = listed(connection, "asked", [[id_] for id_ in moved], sales_tasks.c.id)
    taken = select(sales_tasks.c.id, sales_tasks.c.status).where(sales_tasks.c.id.in_(select(mine.c.id)))
    status |= {int(id_): str(held) for id_, held in connection.execute(taken)}
    meeting: defaultdict[str, list[int]] = defaultdict(list)
    for id_, key in subjects.items():
        meeting[key].append(id_)
    goes_on = {
        # Whom somebody in sales has taken keeps that one.
        key: min(tasks, key=lambda id_: (status[id_] != "accepted", id_))
        for key, tasks in meeting.items()
        if key in accounts
    }
    given_up = {id_: goes_on[key] for id_, key in subjects.items() if key in goes_on and goes_on[key] != id_}
    _write(connection, goes_on, given_up, accounts, now)


def _write(
    connection: Connection,
    goes_on: dict[str, int],
    given_up: dict[int, int],
    accounts: dict[str, int | None],
    now: datetime,
) -> None:
    told = {"crm_revision": sales_tasks.c.crm_revision + 1}
    one = sales_tasks.c.id == bindparam("task")
    if given_up:
        connection.execute(
            update(sales_tasks).where(one).values(status="cancelled", closed_at=now, reason=bindparam("why"), **told),
            [{"task": id_, "why": f"goes on in task {keeper}"} for id_, keeper in sorted(given_up.items())],
        )
        people = select(
            bindparam("keeper", type_=sales_tasks.c.id.type),
            sales_task_leads.c.lead_id,
            sa.literal(now, sales_tasks.c.opened_at.type),
            sales_task_leads.c.reason,
        ).where(sales_task_leads.c.task_id == bindparam("task"))
        insert = work.insert_for(connection)(sales_task_leads).from_select(
            ["task_id", "lead_id", "added_at", "reason"], people
        )
        connection.execute(
            insert.on_conflict_do_nothing(),
            [{"task": id_, "keeper": keeper} for id_, keeper in sorted(given_up.items())],
        )
    # In two steps, because two tasks may take each other's place.
    for key in ("waiting", "subject"):
        connection.execute(
            update(sales_tasks)
            .where(one)
            .values(
                subject_key=bindparam("key"), account_id=bindparam("account"), **(told if key == "subject" else {})
            ),
            [
                {
                    "task": id_,
                    "key": subject_key if key == "subject" else f"moving:{id_}",
                    "account": accounts[subject_key],
                }
                for subject_key, id_ in sorted(goes_on.items())
            ],
        )
