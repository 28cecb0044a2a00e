"""Sales tasks: exactly one open per lead (per account in b2b), opened where the stage moves, told to the CRM."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping, and_, case, func, literal, not_, or_, select, update

from db import work
from db.conditions import NOW, event_matches
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
        self.again = _asked_again(bundle, per_account)
        self.colleagues_again = _colleagues_again(bundle, per_account)

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
        opened = joined = 0
        for tasks, people in ((self.new, self.colleagues), (self.again, self.colleagues_again)):
            insert = work.insert_for(connection)(sales_tasks).from_select(columns, tasks)
            opened += max(connection.execute(insert.on_conflict_do_nothing(), values).rowcount, 0)
            insert = work.insert_for(connection)(sales_task_leads).from_select(
                ["task_id", "lead_id", "added_at", "reason"], people
            )
            joined += max(connection.execute(insert.on_conflict_do_nothing(), values).rowcount, 0)
        if joined > opened:
            connection.execute(_TELL_AGAIN, values)
        return {"tasks_opened": opened, "colleagues_added": joined - opened}


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


def _owner(bundle: Bundle, per_account: bool) -> Any:
    owners = bundle.lifecycle.sales.owners
    key = func.coalesce(leads.c.account_id, leads.c.id) if per_account else leads.c.id
    return case(dict(enumerate(owners)), value=key % len(owners), else_=owners[0])


def _next_step(bundle: Bundle) -> Any:
    step = literal("Call, thank for the interest, and ask what brought it up now.")
    steps = bundle.lifecycle.sales.next_steps
    return case(dict(steps), value=events.c.type, else_=step) if steps else step


def _newly_qualified(bundle: Bundle, per_account: bool) -> Any:
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
            _owner(bundle, per_account).label("owner"),
            _next_step(bundle).label("next_step"),
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
    return _task_rows(found)


def _task_rows(found: Any) -> Any:
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


def _asking_again(bundle: Bundle) -> Any:
    """An SQL whom nobody in sales has, because it came by an import or its task was closed, and that asks anew."""
    people = sales_task_leads.join(sales_tasks, sales_tasks.c.id == sales_task_leads.c.task_id)
    closed_at = (
        select(func.max(sales_tasks.c.closed_at))
        .select_from(people)
        .where(sales_task_leads.c.lead_id == leads.c.id, sales_tasks.c.kind == "sql")
        .correlate_except(sales_task_leads, sales_tasks)
        .scalar_subquery()
    )
    moved = stage_transitions
    used = there_is(
        moved,
        moved.c.lead_id == leads.c.id,
        moved.c.effective_at >= events.c.occurred_at,
        moved.c.recorded_at >= events.c.received_at,
    )
    asks = [
        and_(events.c.type.in_(rule.on), *event_matches(events, rule.where))
        for rule in bundle.lifecycle.conversions
        if rule.to == "sql"
    ]
    return and_(
        leads.c.id.in_(work.leads_of(BATCH, "stage")),
        leads.c.stage == "sql",
        leads.c.merged_into_id.is_(None),
        or_(*asks) if asks else sa.false(),
        events.c.machine.is_(False),
        events.c.silent.is_(False),
        events.c.occurred_at <= NOW,
        or_(closed_at.is_(None), events.c.occurred_at > closed_at),
        not_(used),
        not_(has_open_task(leads.c.id)),
    )


def _asked_again(bundle: Bundle, per_account: bool) -> Any:
    labels = {kind: each.label for kind, each in bundle.catalogue.events.items()}
    order = (events.c.occurred_at, events.c.tiebreak)
    place = func.row_number().over(partition_by=_subject(per_account), order_by=order).label("place")
    found = (
        select(
            _subject(per_account).label("subject"),
            leads.c.id.label("lead_id"),
            leads.c.account_id,
            events.c.type.label("why"),
            case(labels, value=events.c.type, else_=events.c.type).label("title"),
            _owner(bundle, per_account).label("owner"),
            _next_step(bundle).label("next_step"),
            events.c.id.label("event_id"),
            sa.cast(sa.null(), sa.BigInteger).label("transition_id"),
            events.c.occurred_at.label("effective_at"),
            place,
        )
        .select_from(leads.join(events, events.c.lead_id == leads.c.id))
        .where(_asking_again(bundle))
        .subquery()
    )
    return _task_rows(found)


def _colleagues_again(bundle: Bundle, per_account: bool) -> Any:
    mine = and_(
        sales_tasks.c.subject_key == _subject(per_account),
        sales_tasks.c.kind == "sql",
        sales_tasks.c.status.in_(OPEN),
    )
    people = leads.join(events, events.c.lead_id == leads.c.id).join(sales_tasks, mine)
    return select(sales_tasks.c.id, leads.c.id, NOW, events.c.type).select_from(people).where(_asking_again(bundle))


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
