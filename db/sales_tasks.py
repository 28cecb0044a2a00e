"""Sales tasks: exactly one open per lead (per account in b2b), opened where the stage moves, told to the CRM."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping, and_, case, func, literal, not_, or_, select, update

from db import work
from db.conditions import NOW
from db.subqueries import there_is
from db.tables import events, leads, sales_task_leads, sales_tasks, stage_transitions
from nurture.definitions.bundle import Bundle

BATCH: sa.BindParameter[str] = sa.bindparam("batch", type_=sa.String())
DUE = sa.bindparam("due", type_=sales_tasks.c.due_at.type)
OPEN = ("open", "accepted")
# What sales says of a lead, as events, and what it makes of the open task.
_ANSWERS = (
    ("sales.accepted", "accepted"),
    ("sales.rejected", "rejected"),
    ("deal.won", "won"),
    ("purchase.made", "won"),
    ("deal.lost", "lost"),
)


class TaskPlan:
    """The statements that open and settle sales tasks, built once per set of definitions."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        per_account = bundle.rules.task_per == "account"
        self.new = _newly_qualified(bundle, per_account)
        self.colleagues = _colleagues(per_account)

    def open(self, connection: Connection, batch: str, now: datetime, due: datetime) -> dict[str, int]:
        """Open a task for each lead of the batch that has just become SQL; a colleague joins the account's task."""
        values = {"now": now, "batch": batch, "due": due}
        columns = [
            "kind",
            "subject_key",
            "lead_id",
            "account_id",
            "status",
            "title",
            "reason",
            "owner",
            "next_step",
            "event_id",
            "transition_id",
            "qualified_at",
            "opened_at",
            "due_at",
        ]
        opened = connection.execute(
            work.insert_for(connection)(sales_tasks).from_select(columns, self.new).on_conflict_do_nothing(), values
        ).rowcount
        joined = connection.execute(
            work.insert_for(connection)(sales_task_leads)
            .from_select(["task_id", "lead_id", "added_at", "reason"], self.colleagues)
            .on_conflict_do_nothing(),
            values,
        ).rowcount
        if joined > opened:
            connection.execute(_TELL_AGAIN, values)
        return {"tasks_opened": max(opened, 0), "colleagues_added": max(joined - opened, 0)}


def _subject(per_account: bool) -> Any:
    of_lead = literal("lead:") + sa.cast(leads.c.id, sa.String)
    if not per_account:
        return of_lead
    return case(
        (leads.c.account_id.is_not(None), literal("account:") + sa.cast(leads.c.account_id, sa.String)), else_=of_lead
    )


def _just_qualified() -> Any:
    """The transition of this run that made a lead of the batch an SQL, unless it is imported history."""
    return and_(
        stage_transitions.c.lead_id.in_(work.leads_of(BATCH, "stage")),
        stage_transitions.c.to_stage == "sql",
        stage_transitions.c.recorded_at == NOW,
        stage_transitions.c.silent.is_(False),
        leads.c.stage == "sql",
    )


def _newly_qualified(bundle: Bundle, per_account: bool) -> Any:
    desk = bundle.lifecycle.sales
    key = func.coalesce(leads.c.account_id, leads.c.id) if per_account else leads.c.id
    owner = case(dict(enumerate(desk.owners)), value=key % len(desk.owners), else_=desk.owners[0])
    step: Any = literal("Call, thank for the interest, and ask what brought it up now.")
    if desk.next_steps:
        step = case(dict(desk.next_steps), value=events.c.type, else_=step)
    why = case(
        (stage_transitions.c.cause == "event", func.coalesce(events.c.type, stage_transitions.c.rule)),
        else_=stage_transitions.c.rule,
    )
    labels = {kind: each.label for kind, each in bundle.catalogue.events.items()}
    title = case(labels, value=why, else_="enough points")
    place = (
        func.row_number()
        .over(
            partition_by=_subject(per_account),
            order_by=(stage_transitions.c.effective_at, stage_transitions.c.effective_tiebreak, leads.c.id),
        )
        .label("place")
    )
    found = (
        select(
            _subject(per_account).label("subject"),
            leads.c.id.label("lead_id"),
            leads.c.account_id,
            why.label("why"),
            title.label("title"),
            owner.label("owner"),
            step.label("next_step"),
            stage_transitions.c.event_id,
            stage_transitions.c.id.label("transition_id"),
            stage_transitions.c.effective_at,
            place,
        )
        .select_from(
            stage_transitions.join(leads, leads.c.id == stage_transitions.c.lead_id).outerjoin(
                events, events.c.id == stage_transitions.c.event_id
            )
        )
        .where(
            # A repeated run at the same instant does not open a task again that has been settled since.
            _just_qualified(),
            not_(there_is(sales_tasks, sales_tasks.c.transition_id == stage_transitions.c.id)),
        )
        .subquery()
    )
    return select(
        literal("sql"),
        found.c.subject,
        found.c.lead_id,
        found.c.account_id,
        literal("open"),
        literal("Ready to talk: ") + found.c.title,
        found.c.why,
        found.c.owner,
        found.c.next_step,
        found.c.event_id,
        found.c.transition_id,
        found.c.effective_at,
        NOW,
        DUE,
    ).where(found.c.place == 1)


def _colleagues(per_account: bool) -> Any:
    return (
        select(sales_tasks.c.id, leads.c.id, NOW, stage_transitions.c.rule)
        .select_from(
            stage_transitions.join(leads, leads.c.id == stage_transitions.c.lead_id).join(
                sales_tasks,
                and_(
                    sales_tasks.c.subject_key == _subject(per_account),
                    sales_tasks.c.kind == "sql",
                    sales_tasks.c.status.in_(OPEN),
                ),
            )
        )
        .where(_just_qualified())
    )


_TELL_AGAIN = (
    update(sales_tasks)
    .where(
        sales_tasks.c.id.in_(select(sales_task_leads.c.task_id).where(sales_task_leads.c.added_at == NOW)),
        sales_tasks.c.opened_at < NOW,
    )
    .values(crm_revision=sales_tasks.c.crm_revision + 1)
)


def apply_answers(connection: Connection, batch: str, now: datetime) -> int:
    """Settle open tasks by what sales has said since they were opened, for the leads of a staged batch."""
    changed = 0
    touched = select(sales_task_leads.c.task_id).where(sales_task_leads.c.lead_id.in_(work.leads_of(BATCH, "stage")))
    for kind, status in _ANSWERS:
        said = (
            select(func.max(events.c.occurred_at))
            .select_from(sales_task_leads.join(events, events.c.lead_id == sales_task_leads.c.lead_id))
            .where(
                sales_task_leads.c.task_id == sales_tasks.c.id,
                events.c.type == kind,
                events.c.occurred_at <= NOW,
                events.c.occurred_at >= sales_tasks.c.opened_at,
            )
            .correlate(sales_tasks)
            .scalar_subquery()
        )
        from_status = ("open",) if status == "accepted" else OPEN
        values: dict[str, Any] = {"status": status, "crm_revision": sales_tasks.c.crm_revision + 1}
        values["accepted_at" if status == "accepted" else "closed_at"] = said
        changed += connection.execute(
            update(sales_tasks)
            .where(
                sales_tasks.c.id.in_(touched),
                sales_tasks.c.kind == "sql",
                sales_tasks.c.status.in_(from_status),
                said.is_not(None),
            )
            .values(values),
            {"now": now, "batch": batch},
        ).rowcount
    return changed


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
    """The tasks whose latest state the CRM has not heard, oldest first."""
    rows = connection.execute(
        select(sales_tasks)
        .where(or_(sales_tasks.c.crm_told_revision < sales_tasks.c.crm_revision))
        .order_by(sales_tasks.c.id)
        .limit(limit)
    )
    return list(rows.mappings())


def told(connection: Connection, task_id: int, revision: int, reference: str) -> None:
    """The CRM has taken this revision of a task."""
    connection.execute(
        update(sales_tasks)
        .where(sales_tasks.c.id == task_id)
        .values(crm_status="told", crm_told_revision=revision, crm_reference=reference, crm_detail=None)
    )


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


def open_task(connection: Connection, task_id: int) -> RowMapping | None:
    """A task that sales can still answer."""
    return (
        connection.execute(select(sales_tasks).where(sales_tasks.c.id == task_id, sales_tasks.c.status.in_(OPEN)))
        .mappings()
        .one_or_none()
    )
