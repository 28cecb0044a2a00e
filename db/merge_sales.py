"""Of two leads that are one person: how far they came, and what sales has been asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, and_, delete, insert, or_, select, update

from db.merge_people import Pair
from db.sales_tasks import OPEN
from db.stages import AFTER_EVENTS
from db.tables import leads, sales_task_leads, sales_tasks, stage_transitions
from nurture.conditions import STAGE_RANK

# The rule of a transition, and the reason of a cancelled task, that a merge made.
RULE = "merge"
MERGED = "merged"
_RANK = {str(stage): rank for stage, rank in STAGE_RANK.items()}


class Standing(NamedTuple):
    """The stage of a lead, and when it last went to sales or came back; None when sales never had it."""

    stage: str
    sales_at: datetime | None
    given_back_at: datetime | None


def joined_stage(stays: Standing, goes: Standing) -> str:
    """The stage of the person whom two leads are.

    Who bought is a customer. The further stage counts, except that a lead that sales gave back is an SQL only if the
    other one went to sales after that.
    """
    further = max((stays.stage, goes.stage), key=lambda stage: _RANK[stage])
    backs = [each.given_back_at for each in (stays, goes) if each.given_back_at is not None]
    if further != "sql" or not backs:
        return further
    if any(each.stage == "sql" and each.sales_at and each.sales_at > max(backs) for each in (stays, goes)):
        return further
    return max(
        (each.stage for each in (stays, goes) if each.stage != "sql"),
        key=lambda stage: _RANK[stage],
        default="sql",
    )


def join_stages(connection: Connection, pair: Pair, now: datetime) -> tuple[str, bool]:
    """Make one history of both, and of two stages one; returns it, and whether sales has already said no to it.

    What either ever reached, both have reached. A move of its own says when the stage is not what the last one says.
    """
    table = stage_transitions
    rows = connection.execute(select(table).where(table.c.lead_id.in_(pair)).order_by(table.c.id)).mappings().all()
    stages = dict(connection.execute(select(leads.c.id, leads.c.stage).where(leads.c.id.in_(pair))).tuples().all())
    stays, goes = (_standing(stages[lead], [row for row in rows if row["lead_id"] == lead]) for lead in pair)
    stage = joined_stage(stays, goes)
    connection.execute(update(table).where(table.c.lead_id == pair.goes).values(lead_id=pair.stays))
    # It has no history of its own any more.
    connection.execute(update(leads).where(leads.c.id == pair.goes).values(stage="lead", stage_since=None))
    last = rows[-1]["to_stage"] if rows else "lead"
    if stage != stays.stage or stage != last:
        connection.execute(
            insert(table).values(
                lead_id=pair.stays,
                from_stage=stays.stage if stage != stays.stage else last,
                to_stage=stage,
                effective_at=now,
                effective_tiebreak=AFTER_EVENTS,
                recorded_at=now,
                cause="person",
                rule=RULE,
                reason=f"lead {pair.goes} is the same person",
                # What sales was asked for either is asked already.
                silent=True,
            )
        )
    if stage != stays.stage:
        connection.execute(update(leads).where(leads.c.id == pair.stays).values(stage=stage, stage_since=now))
    return stage, stage != "sql" and "sql" in (stays.stage, goes.stage)


def _standing(stage: str, moves: Sequence[RowMapping]) -> Standing:
    back = [row["effective_at"] for row in moves if row["cause"] == "recycle"]
    there = [row["effective_at"] for row in moves if row["to_stage"] == "sql"]
    return Standing(stage, max([*there, *back], default=None), max(back, default=None))


def join_tasks(
    connection: Connection, pair: Pair, account_id: int | None, *, per_account: bool, refused: bool, now: datetime
) -> int:
    """Give one lead's sales tasks to the other and make one open task of two; returns how many were cancelled.

    An accepted task stays before an open one, else the older. A task with colleagues of another account stays theirs.
    With `refused`, sales has said no since the open task was asked, so it ends.
    """
    people = sales_task_leads
    changed = set(connection.execute(select(people.c.task_id).where(people.c.lead_id == pair.goes)).scalars())
    _move(connection, pair)
    subject = f"account:{account_id}" if per_account and account_id is not None else f"lead:{pair.stays}"
    rows = _open_tasks(connection, pair, subject)
    members = _members(connection, [row["id"] for row in rows])
    ours = {int(row["id"]) for row in rows if pair.stays in members[row["id"]]}
    alone = {task for task in ours if members[task] == {pair.stays}}
    # Tasks that may become one: ours alone, and the one that our account or we would get.
    one = [row for row in rows if row["id"] in alone or row["subject_key"] == subject]
    cancelled: set[int] = set()
    keeps: int | None = None
    if refused:
        cancelled = alone
    elif ours and one:
        keeps = int(min(one, key=lambda row: (row["status"] != "accepted", row["opened_at"], row["id"]))["id"])
        both = {int(row["id"]) for row in one}
        cancelled, leaves = both - {keeps}, ours - both
        joining = {pair.stays}.union(*(members[task] for task in cancelled)) - members[keeps]
        _join_people(connection, keeps, joining, now)
        _leave(connection, pair.stays, leaves)
        changed |= leaves | ({keeps} if cancelled or joining else set())
    _cancel(connection, cancelled, now)
    if keeps is not None:
        values = {"subject_key": subject, "account_id": account_id}
        connection.execute(update(sales_tasks).where(sales_tasks.c.id == keeps).values(values))
    _tell_again(connection, changed - cancelled)
    return len(cancelled)


def _move(connection: Connection, pair: Pair) -> None:
    people = sales_task_leads
    both = select(people.c.task_id).where(people.c.lead_id == pair.stays)
    connection.execute(
        update(people).where(people.c.lead_id == pair.goes, people.c.task_id.not_in(both)).values(lead_id=pair.stays)
    )
    connection.execute(delete(people).where(people.c.lead_id == pair.goes))
    connection.execute(update(sales_tasks).where(sales_tasks.c.lead_id == pair.goes).values(lead_id=pair.stays))
    asked = and_(sales_tasks.c.kind == "sql", sales_tasks.c.status.in_(OPEN))
    connection.execute(
        update(sales_tasks)
        .where(sales_tasks.c.subject_key == f"lead:{pair.goes}", ~asked)
        .values(subject_key=f"lead:{pair.stays}")
    )


def _open_tasks(connection: Connection, pair: Pair, subject: str) -> Sequence[RowMapping]:
    mine = select(sales_task_leads.c.task_id).where(sales_task_leads.c.lead_id == pair.stays)
    rows = select(sales_tasks).where(
        sales_tasks.c.kind == "sql",
        sales_tasks.c.status.in_(OPEN),
        or_(sales_tasks.c.id.in_(mine), sales_tasks.c.subject_key == subject),
    )
    return connection.execute(rows.order_by(sales_tasks.c.id)).mappings().all()


def _members(connection: Connection, task_ids: Sequence[int]) -> dict[int, set[int]]:
    people = sales_task_leads
    found: dict[int, set[int]] = {task: set() for task in task_ids}
    for task, lead in connection.execute(
        select(people.c.task_id, people.c.lead_id).where(people.c.task_id.in_(task_ids))
    ):
        found[task].add(int(lead))
    return found


def _join_people(connection: Connection, task_id: int, lead_ids: set[int], now: datetime) -> None:
    rows = [{"task_id": task_id, "lead_id": lead, "added_at": now, "reason": MERGED} for lead in sorted(lead_ids)]
    if rows:
        connection.execute(insert(sales_task_leads), rows)


def _leave(connection: Connection, lead_id: int, task_ids: set[int]) -> None:
    """Leave tasks to the colleagues who are on them."""
    people = sales_task_leads
    connection.execute(delete(people).where(people.c.task_id.in_(task_ids), people.c.lead_id == lead_id))
    another = (
        select(people.c.lead_id)
        .where(people.c.task_id == sales_tasks.c.id)
        .order_by(people.c.lead_id)
        .limit(1)
        .correlate(sales_tasks)
        .scalar_subquery()
    )
    connection.execute(
        update(sales_tasks)
        .where(sales_tasks.c.id.in_(task_ids), sales_tasks.c.lead_id == lead_id)
        .values(lead_id=another)
    )


def _tell_again(connection: Connection, task_ids: set[int]) -> None:
    connection.execute(
        update(sales_tasks)
        .where(sales_tasks.c.id.in_(task_ids), sales_tasks.c.status.in_(OPEN))
        .values(crm_revision=sales_tasks.c.crm_revision + 1)
    )


def _cancel(connection: Connection, task_ids: set[int], now: datetime) -> None:
    connection.execute(
        update(sales_tasks)
        .where(sales_tasks.c.id.in_(task_ids))
        .values(status="cancelled", reason=MERGED, closed_at=now, crm_revision=sales_tasks.c.crm_revision + 1)
    )
