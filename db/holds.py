"""Holds of single enrollments: its clock stops, nothing of it is sent, and it goes on where it stopped.

Held are those whose colleague replied (until a stated time or a person), those whom sales is working on in a sequence
that pauses, those whom a person holds, and the held-out ones, who stand aside until their goal or an exit.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, and_, case, func, literal, not_, or_, select, update

from db.conditions import NOW
from db.sales_tasks import has_open_task
from db.subqueries import value_of
from db.tables import enrollments, events, leads, messages, sequence_states, work_queue
from db.types import UTCDateTime, epoch_seconds, later_of, plus_seconds

# Sales has an open task about the lead.
IN_SALES_HANDS = "in-sales-hands"
# Somebody else of the account has replied.
COLLEAGUE_REPLIED = "colleague-replied"
BY_PERSON = "by-person"
# Held out to compare with; never resumed.
HOLDOUT = "holdout"
BATCH: sa.BindParameter[str] = sa.bindparam("batch", type_=sa.String())
CAN_BE_HELD = and_(enrollments.c.status == "active", enrollments.c.waiting_for.in_(("wake", "event", "message")))
ON_HOLD = select(sequence_states.c.sequence).where(sequence_states.c.state == "hold")
NOT_HELD: dict[str, Any] = {"held_for": None, "held_wake_at": None, "held_since": None, "hold_until": None}


def held(reason: str, until: Any = None) -> dict[str, Any]:
    """The columns of an enrollment whose clock stops at the run's `now`, with what is needed to go on."""
    return {
        "waiting_for": "hold",
        "held_for": enrollments.c.waiting_for,
        # Who was held a moment ago and has not been looked at since has what is left of the timeout here.
        "held_wake_at": func.coalesce(enrollments.c.held_wake_at, enrollments.c.wake_at),
        "held_since": NOW,
        "hold_until": until,
        "reason": reason,
        "wake_at": None,
        "moved_at": NOW,
    }


def put_off(due: Any, since: Any, left: Any) -> Any:
    """When that happened from which the step counts, after a hold: what was still to come when it began comes later.

    What had happened by then, and the beginning of a wait in hand, are facts that no hold moves.
    """
    to_come = and_(enrollments.c.waiting_since.is_(None), due > since)
    return case((to_come, left), else_=enrollments.c.happened_at)


def _resume(*conditions: Any) -> tuple[Any, Any]:
    """Shift the messages' expiry, then the enrollments' clocks, by as long as the hold took."""
    over = case((enrollments.c.hold_until <= NOW, enrollments.c.hold_until), else_=NOW)
    pause = epoch_seconds(sa.type_coerce(over, UTCDateTime())) - epoch_seconds(enrollments.c.held_since)
    # While the whole sequence is on hold nobody goes on, so that no time is counted twice.
    which = and_(
        enrollments.c.status == "active",
        enrollments.c.waiting_for == "hold",
        enrollments.c.holdout.is_(False),
        enrollments.c.sequence.not_in(ON_HOLD),
        *conditions,
    )
    mine = enrollments.c.id == messages.c.enrollment_id
    later = (
        update(messages)
        .where(
            messages.c.status == "queued",
            messages.c.settled_at.is_(None),
            messages.c.enrollment_id.in_(select(enrollments.c.id).where(which)),
        )
        .values(expires_at=plus_seconds(messages.c.expires_at, value_of(enrollments, pause, mine)))
    )
    nothing = sa.cast(sa.null(), UTCDateTime())
    left = plus_seconds(func.coalesce(enrollments.c.held_wake_at, enrollments.c.held_since), pause)
    for_event = enrollments.c.held_for == "event"
    go_on = (
        update(enrollments)
        .where(which)
        .values(
            waiting_for=func.coalesce(enrollments.c.held_for, "wake"),
            # What is awaited may have come during the hold: looked at now, and then on until the timeout.
            wake_at=case((enrollments.c.held_for == "message", nothing), (for_event, NOW), else_=left),
            held_wake_at=case((for_event, left), else_=nothing),
            waiting_since=plus_seconds(enrollments.c.waiting_since, pause),
            happened_at=put_off(enrollments.c.held_wake_at, enrollments.c.held_since, left),
            held_for=None,
            hold_until=None,
            reason=None,
            resumed_at=over,
            moved_at=NOW,
        )
    )
    return later, go_on


_OVER = or_(
    enrollments.c.hold_until <= NOW,
    and_(enrollments.c.reason == IN_SALES_HANDS, not_(has_open_task(enrollments.c.lead_id))),
)
_RELEASE = _resume(_OVER)
_SEQUENCE: sa.BindParameter[str] = sa.bindparam("of_sequence", type_=sa.String())
_LEAD: sa.BindParameter[int] = sa.bindparam("of_lead", type_=sa.BigInteger())
_UNTIL: sa.BindParameter[datetime] = sa.bindparam("until", type_=UTCDateTime())
_ONE = and_(enrollments.c.sequence == _SEQUENCE, enrollments.c.lead_id == _LEAD)
_RESUME_ONE = _resume(_ONE)
_PAUSE_FOR_SALES = (
    update(enrollments)
    .where(
        CAN_BE_HELD,
        enrollments.c.waiting_for == "message",
        enrollments.c.sequence.in_(sa.bindparam("pausing", expanding=True)),
        has_open_task(enrollments.c.lead_id),
    )
    .values(held(IN_SALES_HANDS))
)
_HOLD_ONE = update(enrollments).where(_ONE, CAN_BE_HELD).values(held(BY_PERSON, _UNTIL))


def release(connection: Connection, now: datetime) -> int:
    """Let those go on whose hold is over; returns how many."""
    for statement in _RELEASE[:-1]:
        connection.execute(statement, {"now": now})
    return connection.execute(_RELEASE[-1], {"now": now}).rowcount


def pause_for_sales(connection: Connection, sequences: Collection[str], now: datetime) -> int:
    """Hold those of pausing sequences whose mail waits while sales has the lead: it is put off, not skipped."""
    if not sequences:
        return 0
    return connection.execute(_PAUSE_FOR_SALES, {"pausing": list(sequences), "now": now}).rowcount


def hold_lead(connection: Connection, sequence: str, lead_id: int, until: datetime | None, now: datetime) -> int:
    """A person holds one lead in a sequence, until a time or for good; returns 0 when there is nothing to hold."""
    values = {"of_sequence": sequence, "of_lead": lead_id, "until": until, "now": now}
    return connection.execute(_HOLD_ONE, values).rowcount


def resume_lead(connection: Connection, sequence: str, lead_id: int, now: datetime) -> int:
    """A person lets one lead go on, whatever held it; 0 when it is not held."""
    values = {"of_sequence": sequence, "of_lead": lead_id, "now": now}
    later, go_on = _RESUME_ONE
    connection.execute(later, values)
    return connection.execute(go_on, values).rowcount


class ColleaguePause:
    """A reply pauses the other enrollments of the account, until `seconds` after it or until a person resumes them."""

    def __init__(self, seconds: int) -> None:
        who, colleagues = leads.alias("who_replied"), leads.alias("colleagues")
        looked = work_queue.c.queue == "entry", work_queue.c.batch == BATCH
        counts = [
            events.c.type == "email.replied",
            events.c.machine.is_(False),
            events.c.silent.is_(False),
            events.c.occurred_at <= NOW,
            events.c.occurred_at > plus_seconds(NOW, literal(-seconds)),
            events.c.occurred_at >= enrollments.c.entered_at,
            or_(
                enrollments.c.resumed_at.is_(None),
                events.c.occurred_at > enrollments.c.resumed_at,
                # Whoever let it go on could not mean a reply that no run had looked at.
                and_(
                    events.c.received_at >= work_queue.c.marked_at,
                    events.c.received_at != enrollments.c.resumed_at,
                ),
            ),
        ]
        # From the few who replied to their colleagues, not from everybody who is enrolled.
        replied = (
            select(enrollments.c.id, func.max(events.c.occurred_at).label("at"))
            .select_from(
                work_queue.join(events, events.c.lead_id == work_queue.c.lead_id)
                .join(who, who.c.id == work_queue.c.lead_id)
                .join(colleagues, and_(colleagues.c.account_id == who.c.account_id, colleagues.c.id != who.c.id))
                .join(enrollments, enrollments.c.lead_id == colleagues.c.id)
            )
            .where(*looked, *counts)
            .group_by(enrollments.c.id)
            .cte("replied")
        )
        until = plus_seconds(replied.c.at, literal(seconds))
        mine = replied.c.id == enrollments.c.id
        self.hold = update(enrollments).where(mine, CAN_BE_HELD).values(held(COLLEAGUE_REPLIED, until))
        paused = and_(enrollments.c.waiting_for == "hold", enrollments.c.reason == COLLEAGUE_REPLIED)
        self.longer = update(enrollments).where(mine, paused, enrollments.c.hold_until < until).values(hold_until=until)

    def pause(self, connection: Connection, batch: str, now: datetime) -> int:
        """Hold the colleagues of those of a batch who replied; returns how many enrollments."""
        connection.execute(self.longer, {"now": now, "batch": batch})
        return connection.execute(self.hold, {"now": now, "batch": batch}).rowcount


def is_held(enrollment_id: Any) -> Any:
    """A SQL expression: the enrollment is on a hold of its own, so nothing of it is sent."""
    # Looked up by the id: the index of those on hold would be walked for each message.
    waits_for = value_of(enrollments, enrollments.c.waiting_for, enrollments.c.id == enrollment_id)
    return func.coalesce(waits_for, "") == "hold"


def after_hold(base: Any) -> Any:
    """The instant from which the next step counts when a message settled during a hold: the end of the hold."""
    return later_of(base, func.coalesce(enrollments.c.resumed_at, base))


__all__ = [
    "BY_PERSON",
    "COLLEAGUE_REPLIED",
    "HOLDOUT",
    "IN_SALES_HANDS",
    "NOT_HELD",
    "ColleaguePause",
    "after_hold",
    "held",
    "hold_lead",
    "is_held",
    "pause_for_sales",
    "put_off",
    "release",
    "resume_lead",
]
