"""What sales says, as events of a lead, and what it makes of the open task and of everybody in it.

An answer is about a task when it came after the lead qualified; the first that closes a task counts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Subquery, and_, case, func, literal, not_, or_, select, update

from db import work
from db.batches import ids
from db.conditions import NOW
from db.sales_tasks import OPEN
from db.subqueries import there_is
from db.tables import events, leads, sales_task_leads, sales_tasks, stage_transitions
from db.types import Json
from nurture.definitions.bundle import Bundle

SOURCE = "ripen:sales"
BATCH: sa.BindParameter[str] = sa.bindparam("batch", type_=sa.String())
_WON = "deal.won"
# Answers that close a task; whatever else gives a lead back rejects it, too.
_CLOSING = {"sales.rejected": "rejected", _WON: "won", "purchase.made": "won", "deal.lost": "lost"}
_COLUMNS = [
    "source",
    "source_event_id",
    "lead_id",
    "type",
    "occurred_at",
    "received_at",
    "tiebreak",
    "properties",
    "machine",
    "silent",
]


class AnswerPlan:
    """The statements that settle sales tasks, built once per set of definitions."""

    def __init__(self, bundle: Bundle) -> None:
        self.closing = {**dict.fromkeys(bundle.lifecycle.recycle.on, "rejected"), **_CLOSING}
        knows_won = _WON in bundle.catalogue.events
        self.facts = _facts(_answers(self.closing, "score", also_closed=True), self.closing, knows_won)
        self.accept = _accept()
        self.close = _close(_answers(self.closing, "stage"), self.closing)
        self.close_customers = _close_customers()

    def spread(self, connection: Connection, batch: str, now: datetime) -> int:
        """Make an answer that closes a task, given about leads of a batch to score, a fact about all in the task.

        Returns how many colleagues it was told of; they wait in the queue.
        """
        values = {"now": now, "batch": batch}
        told = 0
        for silent in (False, True):
            # Imported history stays silent for colleagues, too.
            whom = select(self.facts.c.lead_id).where(self.facts.c.silent.is_(silent))
            told += connection.execute(work.mark_statement(connection, "score", whom, silent=silent), values).rowcount
        if told:
            # Without a WHERE, SQLite takes ON CONFLICT for the ON of a join.
            rows = select(*(self.facts.c[name] for name in _COLUMNS)).where(self.facts.c.lead_id.is_not(None))
            insert = work.insert_for(connection)(events).from_select(_COLUMNS, rows)
            connection.execute(insert.on_conflict_do_nothing(), values)
        return told

    def settle(self, connection: Connection, batch: str, now: datetime) -> int:
        """Settle open tasks by what sales has said of leads of a staged batch; those in a closed one are looked at."""
        values = {"now": now, "batch": batch}
        changed = connection.execute(self.accept, values).rowcount
        closed = list(connection.execute(self.close, values).scalars())
        closed += connection.execute(self.close_customers, values).scalars()
        if closed:
            tasks = ids(connection, "asked", closed)
            people = select(sales_task_leads.c.lead_id).where(sales_task_leads.c.task_id.in_(select(tasks.c.id)))
            work.mark(connection, "stage", people, now)
        return changed + len(closed)


def _said_of(task: Any, *kinds: str) -> list[Any]:
    """Conditions on an event of somebody in a task: it is an answer, and came after that lead qualified."""
    moved = stage_transitions
    qualified_later = there_is(
        moved,
        moved.c.lead_id == events.c.lead_id,
        moved.c.to_stage == "sql",
        or_(
            moved.c.effective_at > events.c.occurred_at,
            and_(moved.c.effective_at == events.c.occurred_at, moved.c.effective_tiebreak > events.c.tiebreak),
        ),
    )
    return [
        task.c.kind == "sql",
        events.c.type.in_(kinds),
        events.c.machine.is_(False),
        events.c.occurred_at <= NOW,
        events.c.occurred_at >= task.c.qualified_at,
        not_(qualified_later),
    ]


def _touched(queue: str) -> Any:
    return select(sales_task_leads.c.task_id).where(sales_task_leads.c.lead_id.in_(work.leads_of(BATCH, queue)))


def _answers(closing: dict[str, str], queue: str, *, also_closed: bool = False) -> Subquery:
    """The first answer that closes each task of the batch, or has closed it."""
    task, member = sales_tasks.alias("task"), sales_task_leads.alias("member")
    open_: Any = task.c.status.in_(OPEN)
    if also_closed:
        open_ = or_(open_, events.c.occurred_at <= task.c.closed_at)
    place = func.row_number().over(partition_by=task.c.id, order_by=(events.c.occurred_at, events.c.tiebreak))
    found = (
        select(
            task.c.id.label("task_id"),
            events.c.lead_id,
            events.c.type,
            events.c.occurred_at,
            events.c.tiebreak,
            events.c.properties,
            events.c.silent,
            place.label("place"),
        )
        .select_from(
            task.join(member, member.c.task_id == task.c.id).join(events, events.c.lead_id == member.c.lead_id)
        )
        .where(task.c.id.in_(_touched(queue)), open_, *_said_of(task, *closing))
        .subquery()
    )
    return select(found).where(found.c.place == 1).subquery("answer")


def _facts(answer: Subquery, closing: dict[str, str], knows_won: bool) -> Subquery:
    """What an answer says of the colleagues who had qualified by then, as events."""
    colleague, said, moved = sales_task_leads.alias("colleague"), events.alias("said"), stage_transitions
    sooner = or_(
        moved.c.effective_at < answer.c.occurred_at,
        and_(moved.c.effective_at == answer.c.occurred_at, moved.c.effective_tiebreak < answer.c.tiebreak),
    )
    its_moves = (moved.c.lead_id == colleague.c.lead_id, moved.c.to_stage == "sql")
    won = answer.c.type.in_([kind for kind, status in closing.items() if status == "won"])
    # Who did not buy has won the deal with the account, and has no amount.
    kind = case((won, _WON), else_=answer.c.type) if knows_won else answer.c.type
    known = there_is(
        said,
        said.c.lead_id == colleague.c.lead_id,
        said.c.type.in_(list(closing)),
        said.c.occurred_at == answer.c.occurred_at,
    )
    name = literal("task-") + sa.cast(answer.c.task_id, sa.String) + "-" + case(closing, value=answer.c.type)
    return (
        select(
            literal(SOURCE).label("source"),
            (name + "-" + sa.cast(colleague.c.lead_id, sa.String)).label("source_event_id"),
            colleague.c.lead_id,
            kind.label("type"),
            answer.c.occurred_at,
            NOW.label("received_at"),
            answer.c.tiebreak,
            case((won, literal({}, Json)), else_=answer.c.properties).label("properties"),
            sa.false().label("machine"),
            answer.c.silent,
        )
        .select_from(
            answer.join(colleague, colleague.c.task_id == answer.c.task_id).join(
                leads, leads.c.id == colleague.c.lead_id
            )
        )
        .where(
            leads.c.stage == "sql",
            leads.c.merged_into_id.is_(None),
            there_is(moved, *its_moves, sooner),
            not_(there_is(moved, *its_moves, not_(sooner))),
            not_(known),
        )
        .subquery("facts")
    )


def _accept() -> Any:
    task, member = sales_tasks.alias("task"), sales_task_leads.alias("member")
    said = (
        select(task.c.id, func.min(events.c.occurred_at).label("at"))
        .select_from(
            task.join(member, member.c.task_id == task.c.id).join(events, events.c.lead_id == member.c.lead_id)
        )
        .where(task.c.id.in_(_touched("stage")), task.c.status == "open", *_said_of(task, "sales.accepted"))
        .group_by(task.c.id)
        .subquery("said")
    )
    return (
        update(sales_tasks)
        .where(sales_tasks.c.id == said.c.id)
        .values(status="accepted", accepted_at=said.c.at, crm_revision=sales_tasks.c.crm_revision + 1)
    )


def _close(answer: Subquery, closing: dict[str, str]) -> Any:
    taken = case((sales_tasks.c.accepted_at > answer.c.occurred_at, sa.null()), else_=sales_tasks.c.accepted_at)
    return (
        update(sales_tasks)
        .where(sales_tasks.c.id == answer.c.task_id)
        .values(
            status=case(closing, value=answer.c.type),
            closed_at=answer.c.occurred_at,
            accepted_at=taken,
            crm_revision=sales_tasks.c.crm_revision + 1,
        )
        .returning(sales_tasks.c.id)
    )


def _close_customers() -> Any:
    """A customer was won, whichever rule made it one."""
    people = sales_task_leads.join(leads, leads.c.id == sales_task_leads.c.lead_id)
    since = (
        select(func.min(leads.c.stage_since))
        .select_from(people)
        .where(sales_task_leads.c.task_id == sales_tasks.c.id, leads.c.stage == "customer")
        .correlate_except(sales_task_leads, leads)
        .scalar_subquery()
    )
    return (
        update(sales_tasks)
        .where(
            sales_tasks.c.id.in_(_touched("stage")),
            sales_tasks.c.kind == "sql",
            sales_tasks.c.status.in_(OPEN),
            since.is_not(None),
        )
        .values(status="won", closed_at=since, crm_revision=sales_tasks.c.crm_revision + 1)
        .returning(sales_tasks.c.id)
    )
