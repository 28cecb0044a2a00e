"""Every invariant that the database alone can check; each names what it found and how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, func, not_, or_, select, update

from db.subqueries import there_is
from db.tables import (
    audience_members,
    enrollments,
    events,
    executed_steps,
    identities,
    leads,
    messages,
    sales_task_leads,
    sales_tasks,
    score_contributions,
    scores,
    stage_transitions,
    suppressions,
)

# A run may be in hand while another looks; what is due for longer than this was forgotten.
_FORGOTTEN = timedelta(days=2)


@dataclass(frozen=True)
class Check:
    """One invariant: the rows that break it, and the statement that mends them where that is safe."""

    name: str
    says: str
    breaches: Callable[[datetime], Select[Any]]
    repair: Callable[[datetime], Any] | None = None


def run_checks(connection: Connection, now: datetime, *, repair: bool) -> list[dict[str, Any]]:
    """The broken invariants with how many rows and the first few ids; with `repair`, what could be mended is."""
    found = []
    for check in CHECKS:
        rows = check.breaches(now).subquery()
        count = int(connection.execute(select(func.count()).select_from(rows), {"now": now}).scalar_one())
        if not count:
            continue
        ids = list(connection.execute(select(rows.c[0]).limit(5), {"now": now}).scalars())
        repaired = 0
        if repair and check.repair is not None:
            repaired = connection.execute(check.repair(now), {"now": now}).rowcount
        found.append(
            {
                "check": check.name,
                "says": check.says,
                "rows": count,
                "examples": ids,
                "repaired": repaired,
                "repairable": check.repair is not None,
            }
        )
    return found


def _forgotten(now: datetime) -> Select[Any]:
    return select(enrollments.c.id).where(
        enrollments.c.status == "active",
        enrollments.c.wake_at < now - _FORGOTTEN,
        enrollments.c.moved_at < now - _FORGOTTEN,
    )


def _lost_message(now: datetime) -> Select[Any]:
    return select(enrollments.c.id).where(
        enrollments.c.waiting_for == "message", not_(there_is(messages, messages.c.id == enrollments.c.message_id))
    )


def _wake_lost(now: datetime) -> Any:
    return (
        update(enrollments)
        .where(enrollments.c.id.in_(_lost_message(now)))
        .values(waiting_for="wake", wake_at=now, message_id=None)
    )


def _steps_without_message(now: datetime) -> Select[Any]:
    return select(executed_steps.c.enrollment_id).where(
        executed_steps.c.kind == "email",
        not_(
            there_is(
                messages,
                messages.c.enrollment_id == executed_steps.c.enrollment_id,
                messages.c.step_id == executed_steps.c.step_id,
            )
        ),
    )


def _message_without_step(now: datetime) -> Select[Any]:
    return select(messages.c.id).where(
        not_(
            there_is(
                executed_steps,
                executed_steps.c.enrollment_id == messages.c.enrollment_id,
                executed_steps.c.step_id == messages.c.step_id,
            )
        )
    )


def _sums(now: datetime) -> Select[Any]:
    points = (
        select(func.coalesce(func.sum(score_contributions.c.points), 0.0))
        .where(score_contributions.c.lead_id == scores.c.lead_id)
        .scalar_subquery()
    )
    return select(scores.c.lead_id).where(
        or_(
            func.abs(scores.c.total - points) > 1e-6, func.abs(scores.c.total - scores.c.interest - scores.c.fit) > 1e-6
        )
    )


def _stage_of_last_transition(now: datetime) -> Select[Any]:
    last = (
        select(stage_transitions.c.to_stage)
        .where(stage_transitions.c.lead_id == leads.c.id)
        .order_by(stage_transitions.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return select(leads.c.id).where(leads.c.stage != func.coalesce(last, "lead"))


def _two_open_tasks(now: datetime) -> Select[Any]:
    return (
        select(func.min(sales_tasks.c.id))
        .where(sales_tasks.c.kind == "sql", sales_tasks.c.status.in_(("open", "accepted")))
        .group_by(sales_tasks.c.subject_key)
        .having(func.count() > 1)
    )


def _sql_without_task(now: datetime) -> Select[Any]:
    qualified = there_is(
        stage_transitions,
        stage_transitions.c.lead_id == leads.c.id,
        stage_transitions.c.to_stage == "sql",
        stage_transitions.c.silent.is_(False),
    )
    return select(leads.c.id).where(
        leads.c.stage == "sql",
        leads.c.merged_into_id.is_(None),
        qualified,
        not_(there_is(sales_task_leads, sales_task_leads.c.lead_id == leads.c.id)),
    )


def _told_without_hash(now: datetime) -> Select[Any]:
    return select(audience_members.c.lead_id).where(
        audience_members.c.status.in_(("member", "removing")), audience_members.c.member_hash.is_(None)
    )


def _sent_against_suppression(now: datetime) -> Select[Any]:
    # What happened before the hand-over and was heard of after it could not be known.
    heard_later = there_is(
        events,
        events.c.lead_id == messages.c.lead_id,
        events.c.occurred_at == suppressions.c.since,
        events.c.received_at >= messages.c.handed_over_at,
    )
    # Until a merge nobody knew that it was one person with two addresses.
    part = leads.alias()
    before_a_merge = there_is(
        part, part.c.merged_into_id == messages.c.lead_id, part.c.merged_at >= messages.c.handed_over_at
    )
    return (
        select(messages.c.id)
        .join(leads, leads.c.id == messages.c.lead_id)
        .join(
            suppressions,
            and_(
                suppressions.c.email_hash == leads.c.email_hash,
                suppressions.c.scope == "all",
                suppressions.c.lifted_at.is_(None),
            ),
        )
        .where(
            messages.c.handed_over_at > suppressions.c.since,
            messages.c.status == "accepted",
            not_(heard_later),
            not_(before_a_merge),
        )
    )


def _left_behind(now: datetime) -> Select[Any]:
    survivor = leads.alias()
    named = [there_is(table, table.c.lead_id == leads.c.id) for table in (identities, events, enrollments, messages)]
    merged_further = there_is(survivor, survivor.c.id == leads.c.merged_into_id, survivor.c.merged_into_id.is_not(None))
    return select(leads.c.id).where(
        leads.c.merged_into_id.is_not(None), or_(leads.c.email.is_not(None), merged_further, *named)
    )


def _old_unknown(now: datetime) -> Select[Any]:
    return select(messages.c.id).where(
        messages.c.status == "unknown", messages.c.handed_over_at < now - timedelta(days=7)
    )


CHECKS: tuple[Check, ...] = (
    Check("liveness", "every active enrollment is looked at when its time comes", _forgotten),
    Check("awaited-message", "an enrollment that waits for a message has one", _lost_message, _wake_lost),
    Check("ledger-has-step", "every executed e-mail step has its ledger row", _steps_without_message),
    Check("step-has-ledger", "every ledger row has its executed step", _message_without_step),
    Check("sums", "the contributions of a lead add up to its score", _sums),
    Check("stages", "a lead's stage is that of its last transition", _stage_of_last_transition),
    Check("one-open-task", "at most one open sales task per lead or account", _two_open_tasks),
    Check("sql-has-task", "every lead that qualified has been given to sales", _sql_without_task),
    Check("audience-hash", "what a platform was told can be taken back", _told_without_hash),
    Check("suppression", "nothing was handed over after a suppression", _sent_against_suppression),
    Check("merged", "nothing is left with a lead that has become part of another", _left_behind),
    Check("unknown-age", "no message stays unknown for more than a week", _old_unknown),
)
