"""Of an erased person: what the ledgers keep, without a word of theirs, and what ends at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, delete, func, not_, or_, select, update

from db.entries import ended
from db.sales_tasks import OPEN
from db.subqueries import there_is
from db.tables import audience_members, enrollments, messages, sales_task_leads, sales_tasks, stage_transitions

ERASED = "erased"
_PENDING = ("queued", "claimed")
_NO_TEXTS = {"subject": None, "detail": None, "response": None, "evidence": None, "locale": None}


def clear_enrollments(connection: Connection, who: Sequence[int], now: datetime) -> dict[str, int]:
    """Everybody leaves every sequence."""
    active = enrollments.c.lead_id.in_(who), enrollments.c.status == "active"
    left = connection.execute(update(enrollments).where(*active).values(ended("exited", ERASED)), {"now": now})
    return {"enrollments_ended": left.rowcount}


def clear_messages(connection: Connection, who: Sequence[int], now: datetime) -> dict[str, int]:
    """Nothing more is sent; what was, is a row with its key and its times, so that old links go on to mean nothing.

    What is being handed over at this moment finishes, and is looked at again by the next run.
    """
    mine = messages.c.lead_id.in_(who)
    skipped = connection.execute(
        update(messages)
        .where(mine, messages.c.status.in_(_PENDING))
        .values(status="skipped", reason=ERASED, settled_at=now, owner=None, lease_until=None)
    ).rowcount
    blanked = connection.execute(update(messages).where(mine).values(_NO_TEXTS)).rowcount
    return {"messages_skipped": skipped, "messages_blanked": blanked}


def clear_texts(connection: Connection, who: Sequence[int]) -> int:
    """Take away what a hand-over that was under way has written since; returns of how many messages."""
    some = or_(*(messages.c[name].is_not(None) for name in ("subject", "detail", "response")))
    return connection.execute(update(messages).where(messages.c.lead_id.in_(who), some).values(_NO_TEXTS)).rowcount


def clear_transitions(connection: Connection, who: Sequence[int]) -> dict[str, int]:
    """Keep which stages were reached when and by which rule; not by what."""
    blank = {"event_id": None, "score": None, "reason": None, "effective_tiebreak": 0}
    mine = stage_transitions.c.lead_id.in_(who)
    return {"transitions_blanked": connection.execute(update(stage_transitions).where(mine).values(blank)).rowcount}


def clear_memberships(connection: Connection, who: Sequence[int], now: datetime) -> dict[str, int]:
    """What a platform was, or may have been, told is to be taken back by its hash; what it was not told is gone.

    The hash goes when the platform has been told, see `audiences.told`.
    """
    members = audience_members
    mine = members.c.lead_id.in_(who), members.c.member_hash.is_not(None)
    perhaps = or_(members.c.status == "member", and_(members.c.status == "adding", members.c.batch.is_not(None)))
    back = {"status": "removing", "changed_at": now, "batch": None}
    connection.execute(update(members).where(*mine, perhaps).values(back))
    leaving = update(members).where(*mine, members.c.status == "removing").values(reason=ERASED)
    removing = connection.execute(leaving).rowcount
    rest = or_(members.c.status != "removing", members.c.member_hash.is_(None))
    gone = connection.execute(delete(members).where(members.c.lead_id.in_(who), rest)).rowcount
    return {"memberships_to_take_back": removing, "memberships": gone}


def clear_tasks(connection: Connection, lead_id: int, who: Sequence[int], now: datetime) -> dict[str, int]:
    """A task about this person alone ends and is forgotten; one with colleagues goes on without the person."""
    people = sales_task_leads
    mine = select(people.c.task_id).where(people.c.lead_id.in_(who))
    about = or_(sales_tasks.c.lead_id.in_(who), sales_tasks.c.id.in_(mine))
    others = there_is(people, people.c.task_id == sales_tasks.c.id, people.c.lead_id.not_in(who))
    shared = list(connection.execute(select(sales_tasks.c.id).where(about, others)).scalars())
    alone = list(connection.execute(select(sales_tasks.c.id).where(about, not_(others))).scalars())
    _leave(connection, who, shared)
    connection.execute(update(people).where(people.c.lead_id.in_(who)).values(reason=None))
    tasks = sales_tasks.c.id.in_(alone)
    cancel = {"status": "cancelled", "closed_at": now}
    cancelled = connection.execute(
        update(sales_tasks).where(tasks, sales_tasks.c.status.in_(OPEN)).values(cancel)
    ).rowcount
    # Told or not: the CRM may have it from a call whose reply was lost. Once forgotten it stays so.
    subject = f"lead:{lead_id}"
    forget = tasks, or_(sales_tasks.c.title != ERASED, sales_tasks.c.subject_key != subject)
    told = connection.execute(
        update(sales_tasks)
        .where(*forget)
        .values(
            title=ERASED,
            reason=ERASED,
            next_step=None,
            crm_detail=None,
            account_id=None,
            subject_key=subject,
            crm_revision=sales_tasks.c.crm_revision + 1,
        )
    ).rowcount
    return {"tasks_cancelled": cancelled, "tasks_to_forget": told, "tasks_left_to_colleagues": len(shared)}


def _leave(connection: Connection, who: Sequence[int], task_ids: Sequence[int]) -> None:
    """The colleagues keep their task; its words are theirs, and the CRM hears of it anew."""
    people = sales_task_leads
    connection.execute(delete(people).where(people.c.task_id.in_(task_ids), people.c.lead_id.in_(who)))
    another = (
        select(func.min(people.c.lead_id))
        .where(people.c.task_id == sales_tasks.c.id)
        .correlate(sales_tasks)
        .scalar_subquery()
    )
    tasks = sales_tasks.c.id.in_(task_ids)
    connection.execute(
        update(sales_tasks)
        .where(tasks, sales_tasks.c.lead_id.in_(who))
        .values(lead_id=another, event_id=None, transition_id=None)
    )
    connection.execute(
        update(sales_tasks).where(tasks).values(crm_detail=None, crm_revision=sales_tasks.c.crm_revision + 1)
    )
