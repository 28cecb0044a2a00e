"""Who is given to sales: one open task per lead (per account in b2b); a colleague joins the one that is open."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Select, and_, case, func, literal, not_, or_, select, update

from db import work
from db.conditions import NOW, event_matches
from db.sales_tasks import OPEN, has_open_task
from db.stages import LATE, LATE_EVENT, stage_before
from db.subqueries import there_is
from db.tables import events, leads, sales_task_leads, sales_tasks, stage_transitions
from db.types import plus_seconds
from nurture.definitions.bundle import Bundle

BATCH: sa.BindParameter[str] = sa.bindparam("batch", type_=sa.String())
DUE = sa.bindparam("due", type_=sales_tasks.c.due_at.type)
_COLUMNS = [
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
_CAME_LATE = " (came late)"


class TaskPlan:
    """The statements that open sales tasks, built once per set of definitions."""

    def __init__(self, bundle: Bundle) -> None:
        self.per_account = bundle.rules.task_per == "account"
        qualified, asking = _qualified(bundle), _asking_again(bundle)
        self.new = _tasks(bundle, qualified, self.per_account)
        self.colleagues = _people(qualified, self.per_account)
        self.again = _tasks(bundle, asking, self.per_account)
        self.colleagues_again = _people(asking, self.per_account)

    def open(self, connection: Connection, batch: str, now: datetime, due: datetime) -> dict[str, int]:
        """Open a task for each lead of the batch that sales should have; a colleague joins the account's task."""
        values = {"now": now, "batch": batch, "due": due}
        opened = joined = 0
        for tasks, people in ((self.new, self.colleagues), (self.again, self.colleagues_again)):
            insert = work.insert_for(connection)(sales_tasks).from_select(_COLUMNS, tasks)
            opened += max(connection.execute(insert.on_conflict_do_nothing(), values).rowcount, 0)
            insert = work.insert_for(connection)(sales_task_leads).from_select(
                ["task_id", "lead_id", "added_at", "reason"], people
            )
            joined += max(connection.execute(insert.on_conflict_do_nothing(), values).rowcount, 0)
        if joined > opened:
            connection.execute(_TELL_AGAIN, values)
        return {"tasks_opened": opened, "colleagues_added": joined - opened}


def subject(per_account: bool) -> Any:
    """Whom a task is about: the account of a lead where sales works by accounts, else the lead."""
    of_lead = literal("lead:") + sa.cast(leads.c.id, sa.String)
    if not per_account:
        return of_lead
    return case(
        (leads.c.account_id.is_not(None), literal("account:") + sa.cast(leads.c.account_id, sa.String)), else_=of_lead
    )


def _owner(bundle: Bundle, per_account: bool) -> Any:
    owners = bundle.lifecycle.sales.owners
    key = func.coalesce(leads.c.account_id, leads.c.id) if per_account else leads.c.id
    return case(dict(enumerate(owners)), value=key % len(owners), else_=owners[0])


def _next_step(bundle: Bundle, kind: Any) -> Any:
    step = literal("Call, thank for the interest, and ask what brought it up now.")
    steps = bundle.lifecycle.sales.next_steps
    return case(dict(steps), value=kind, else_=step) if steps else step


def _qualified(bundle: Bundle) -> Select[Any]:
    """Leads of the batch whose last transition made them SQL and has not been given to sales; no imported history."""
    each = stage_transitions
    newest = (each.c.effective_at.desc(), each.c.effective_tiebreak.desc(), each.c.id.desc())
    place = func.row_number().over(partition_by=each.c.lead_id, order_by=newest).label("place")
    moves = select(each, place).where(each.c.lead_id.in_(work.leads_of(BATCH, "stage"))).subquery("moves")
    members = sales_task_leads.join(sales_tasks, sales_tasks.c.id == sales_task_leads.c.task_id)
    given = (
        select(literal(1))
        .select_from(members)
        .where(
            sales_task_leads.c.lead_id == moves.c.lead_id,
            sales_tasks.c.kind == "sql",
            sales_task_leads.c.added_at >= moves.c.recorded_at,
            # An answer from before the lead qualified was about its colleagues.
            or_(sales_tasks.c.status.in_(OPEN), sales_tasks.c.closed_at >= moves.c.effective_at),
        )
        .correlate_except(sales_task_leads, sales_tasks)
        .exists()
    )
    by_event = moves.c.cause == "event"
    kind = case((by_event, func.coalesce(events.c.type, moves.c.rule)), else_=moves.c.rule)
    labels = {name: of.label for name, of in bundle.catalogue.events.items()}
    late = case((moves.c.reason == LATE_EVENT, _CAME_LATE), else_="")
    return (
        select(
            leads.c.id.label("lead_id"),
            moves.c.rule.label("cause"),
            kind.label("why"),
            (case(labels, value=kind, else_="enough points") + late).label("title"),
            events.c.type.label("event_type"),
            moves.c.event_id.label("event_id"),
            moves.c.id.label("transition_id"),
            moves.c.effective_at.label("at"),
            moves.c.effective_tiebreak.label("tiebreak"),
        )
        .select_from(
            moves.join(leads, leads.c.id == moves.c.lead_id).outerjoin(events, events.c.id == moves.c.event_id)
        )
        .where(
            moves.c.place == 1,
            moves.c.to_stage == "sql",
            moves.c.silent.is_(False),
            leads.c.merged_into_id.is_(None),
            not_(given),
            not_(has_open_task(leads.c.id)),
        )
    )


def _asking_again(bundle: Bundle) -> Select[Any]:
    """SQLs whom nobody in sales has, because they came by an import or their task was closed, and that ask anew."""
    people = sales_task_leads.join(sales_tasks, sales_tasks.c.id == sales_task_leads.c.task_id)
    closed_at = (
        select(func.max(sales_tasks.c.closed_at))
        .select_from(people)
        .where(sales_task_leads.c.lead_id == leads.c.id, sales_tasks.c.kind == "sql")
        .correlate_except(sales_task_leads, sales_tasks)
        .scalar_subquery()
    )
    moved = stage_transitions
    later = or_(
        moved.c.effective_at > events.c.occurred_at,
        and_(moved.c.effective_at == events.c.occurred_at, moved.c.effective_tiebreak > events.c.tiebreak),
    )
    moved_later = there_is(moved, moved.c.lead_id == leads.c.id, later)
    given_back_later = there_is(moved, moved.c.lead_id == leads.c.id, later, moved.c.cause == "recycle")
    asks = [
        and_(
            events.c.type.in_(rule.on),
            *event_matches(events, rule.where),
            # Of an SQL every such event asks; of one that was not yet it must have been enough to become one.
            or_(not_(moved_later), stage_before(events).in_(rule.from_stages)),
        )
        for rule in bundle.lifecycle.conversions
        if rule.to == "sql"
    ]
    labels = {name: of.label for name, of in bundle.catalogue.events.items()}
    late = case((events.c.occurred_at < plus_seconds(NOW, literal(-LATE.total_seconds())), _CAME_LATE), else_="")
    order = (events.c.occurred_at, events.c.tiebreak)
    found = (
        select(
            leads.c.id.label("lead_id"),
            events.c.type.label("cause"),
            events.c.type.label("why"),
            (case(labels, value=events.c.type, else_=events.c.type) + late).label("title"),
            events.c.type.label("event_type"),
            events.c.id.label("event_id"),
            sa.cast(sa.null(), sa.BigInteger).label("transition_id"),
            events.c.occurred_at.label("at"),
            events.c.tiebreak.label("tiebreak"),
            func.row_number().over(partition_by=leads.c.id, order_by=order).label("turn"),
        )
        .select_from(leads.join(events, events.c.lead_id == leads.c.id))
        .where(
            leads.c.id.in_(work.leads_of(BATCH, "stage")),
            leads.c.stage == "sql",
            leads.c.merged_into_id.is_(None),
            or_(sa.false(), *asks),
            events.c.machine.is_(False),
            events.c.silent.is_(False),
            events.c.occurred_at <= NOW,
            or_(closed_at.is_(None), events.c.occurred_at > closed_at),
            not_(given_back_later),
            not_(has_open_task(leads.c.id)),
        )
        .subquery()
    )
    return select(found).where(found.c.turn == 1)


def _tasks(bundle: Bundle, candidates: Select[Any], per_account: bool) -> Any:
    """One row for each subject, about the candidate that qualified first."""
    each = candidates.subquery()
    about = subject(per_account)
    place = func.row_number().over(partition_by=about, order_by=(each.c.at, each.c.tiebreak, leads.c.id))
    found = (
        select(
            about.label("subject"),
            leads.c.account_id,
            _owner(bundle, per_account).label("owner"),
            _next_step(bundle, each.c.event_type).label("next_step"),
            each,
            place.label("place"),
        )
        .select_from(each.join(leads, leads.c.id == each.c.lead_id))
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
        found.c.at,
        NOW,
        DUE,
    ).where(found.c.place == 1)


def _people(candidates: Select[Any], per_account: bool) -> Any:
    """Every candidate, into the open task of its subject."""
    each = candidates.subquery()
    task = and_(
        sales_tasks.c.subject_key == subject(per_account), sales_tasks.c.kind == "sql", sales_tasks.c.status.in_(OPEN)
    )
    people = each.join(leads, leads.c.id == each.c.lead_id).join(sales_tasks, task)
    return select(sales_tasks.c.id, each.c.lead_id, NOW, each.c.cause).select_from(people)


_TELL_AGAIN = (
    update(sales_tasks)
    .where(
        sales_tasks.c.id.in_(select(sales_task_leads.c.task_id).where(sales_task_leads.c.added_at == NOW)),
        or_(sales_tasks.c.opened_at < NOW, sales_tasks.c.crm_told_revision >= sales_tasks.c.crm_revision),
    )
    .values(crm_revision=sales_tasks.c.crm_revision + 1)
)
