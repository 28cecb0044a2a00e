"""Liveness: each enrollment waits for exactly one thing, and what it names is real and not forgotten."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Select, and_, case, false, func, literal, not_, or_, select, update

from db import advance
from db.audit.check import DUE_BY, RESTING, Check, Done, Scene
from db.conditions import NOW
from db.entries import ended
from db.holds import IN_SALES_HANDS, release
from db.sales_tasks import has_open_task
from db.subqueries import there_is, value_of
from db.tables import definition_versions, enrollments, messages, sales_task_leads, sales_tasks
from db.types import UTCDateTime

_ACTIVE = enrollments.c.status == "active"
_HELD = and_(_ACTIVE, enrollments.c.waiting_for == "hold", enrollments.c.holdout.is_(False))
_NOW_AWAKE: dict[str, Any] = {
    "waiting_for": "wake",
    "wake_at": NOW,
    "waiting_since": None,
    "happened_at": NOW,
    "message_id": None,
    "reason": None,
    "moved_at": NOW,
}
_NO_INSTANT = sa.cast(sa.null(), UTCDateTime())


def _forgotten(connection: Connection, scene: Scene) -> Select[Any]:
    return select(enrollments.c.id).where(
        _ACTIVE,
        enrollments.c.waiting_for.in_(("wake", "event")),
        enrollments.c.wake_at <= DUE_BY,
        enrollments.c.moved_at <= DUE_BY,
        or_(enrollments.c.resumed_at.is_(None), enrollments.c.resumed_at <= DUE_BY),
        enrollments.c.sequence.not_in(RESTING),
    )


def _wake_forgotten(connection: Connection, scene: Scene) -> Done:
    woken = update(enrollments).where(enrollments.c.id.in_(scene.these(_forgotten(connection, scene))))
    return [("due now; the next run takes them", _rows(connection, scene, woken.values(wake_at=NOW, moved_at=NOW)))]


def _alive() -> Any:
    """The rule that the table's own constraint has, for databases whose constraint was off for a while."""
    waits = case(
        (
            enrollments.c.waiting_for.in_(("wake", "event")),
            and_(
                enrollments.c.wake_at.is_not(None), enrollments.c.message_id.is_(None), enrollments.c.reason.is_(None)
            ),
        ),
        (
            enrollments.c.waiting_for == "message",
            and_(
                enrollments.c.wake_at.is_(None), enrollments.c.message_id.is_not(None), enrollments.c.reason.is_(None)
            ),
        ),
        (
            enrollments.c.waiting_for == "hold",
            and_(enrollments.c.wake_at.is_(None), enrollments.c.reason.is_not(None)),
        ),
        else_=false(),
    )
    going = and_(enrollments.c.ended_at.is_(None), enrollments.c.step_id.is_not(None), waits)
    over = and_(
        enrollments.c.waiting_for.is_(None),
        enrollments.c.wake_at.is_(None),
        enrollments.c.message_id.is_(None),
        enrollments.c.ended_at.is_not(None),
        enrollments.c.reason.is_not(None),
    )
    return case((_ACTIVE, going), else_=over)


def _not_one_thing(connection: Connection, scene: Scene) -> Select[Any]:
    return select(enrollments.c.id).where(not_(func.coalesce(_alive(), false())))


def _one_thing(connection: Connection, scene: Scene) -> Done:
    broken = enrollments.c.id.in_(_not_one_thing(connection, scene))
    over = {name: value for name, value in ended("exited", "repaired").items() if name not in ("status", "reason")}
    over |= {
        "reason": func.coalesce(enrollments.c.reason, "repaired"),
        "ended_at": func.coalesce(enrollments.c.ended_at, enrollments.c.moved_at),
        "moved_at": enrollments.c.moved_at,
    }
    awake = update(enrollments).where(broken, _ACTIVE, enrollments.c.step_id.is_not(None))
    done = [("awake now", _rows(connection, scene, awake.values({**_NOW_AWAKE, "ended_at": None})))]
    nowhere = update(enrollments).where(broken, _ACTIVE, enrollments.c.step_id.is_(None))
    done.append(("left: they stood nowhere", _rows(connection, scene, nowhere.values({**over, "status": "exited"}))))
    rest = update(enrollments).where(broken, not_(_ACTIVE))
    return [*done, ("ended, waiting for nothing", _rows(connection, scene, rest.values(over)))]


def _own_message() -> Any:
    return there_is(messages, messages.c.id == enrollments.c.message_id, messages.c.enrollment_id == enrollments.c.id)


def _lost_message(connection: Connection, scene: Scene) -> Select[Any]:
    waits = or_(enrollments.c.waiting_for == "message", and_(_HELD, enrollments.c.held_for == "message"))
    return select(enrollments.c.id).where(_ACTIVE, waits, not_(func.coalesce(_own_message(), false())))


def _find_message(connection: Connection, scene: Scene) -> Done:
    """The message under way, where there is one; else the step's turn comes again, and what has run does not repeat."""
    lost = enrollments.c.id.in_(_lost_message(connection, scene))
    under_way = messages.c.enrollment_id == enrollments.c.id, messages.c.settled_at.is_(None)
    found = (
        update(enrollments)
        .where(lost, there_is(messages, *under_way))
        .values(message_id=value_of(messages, func.max(messages.c.id), *under_way))
    )
    done = [("wait for their own message", _rows(connection, scene, found))]
    held = update(enrollments).where(lost, enrollments.c.waiting_for == "hold")
    held_on = held.values(held_for="wake", held_wake_at=enrollments.c.held_since, message_id=None)
    done.append(("wait for no message once the hold is over", _rows(connection, scene, held_on)))
    return [*done, ("awake now", _rows(connection, scene, update(enrollments).where(lost).values(_NOW_AWAKE)))]


def _settled_message(connection: Connection, scene: Scene) -> Select[Any]:
    return (
        select(enrollments.c.id)
        .join(messages, messages.c.id == enrollments.c.message_id)
        .where(
            _ACTIVE,
            enrollments.c.waiting_for == "message",
            messages.c.enrollment_id == enrollments.c.id,
            messages.c.settled_at <= DUE_BY,
            enrollments.c.moved_at <= DUE_BY,
            or_(enrollments.c.resumed_at.is_(None), enrollments.c.resumed_at <= DUE_BY),
            enrollments.c.sequence.not_in(RESTING),
        )
    )


def _go_on(connection: Connection, scene: Scene) -> Done:
    return [("go on from what happened to it", advance.go_on_after_messages(connection, scene.now))]


def _hold_without_way_back(connection: Connection, scene: Scene) -> Select[Any]:
    way_back = case(
        (enrollments.c.held_for.in_(("wake", "event")), enrollments.c.held_wake_at.is_not(None)),
        (enrollments.c.held_for == "message", enrollments.c.message_id.is_not(None)),
        else_=false(),
    )
    return select(enrollments.c.id).where(_HELD, or_(enrollments.c.held_since.is_(None), not_(way_back)))


def _way_back(connection: Connection, scene: Scene) -> Done:
    broken = update(enrollments).where(enrollments.c.id.in_(_hold_without_way_back(connection, scene)))
    since = func.coalesce(enrollments.c.held_since, enrollments.c.moved_at)
    mail = enrollments.c.message_id.is_not(None)
    values = {
        "held_since": since,
        "held_for": case((mail, "message"), (enrollments.c.held_for == "event", "event"), else_="wake"),
        "held_wake_at": case((mail, _NO_INSTANT), else_=func.coalesce(enrollments.c.held_wake_at, since)),
    }
    return [("held with a way back", _rows(connection, scene, broken.values(values)))]


def _forgotten_hold(connection: Connection, scene: Scene) -> Select[Any]:
    of_lead = sales_task_leads.join(sales_tasks, sales_tasks.c.id == sales_task_leads.c.task_id)
    just_closed = (
        select(literal(1))
        .select_from(of_lead)
        .where(sales_task_leads.c.lead_id == enrollments.c.lead_id, sales_tasks.c.closed_at > DUE_BY)
        .correlate(enrollments)
        .exists()
    )
    free = and_(
        enrollments.c.reason == IN_SALES_HANDS,
        not_(has_open_task(enrollments.c.lead_id)),
        not_(just_closed),
        enrollments.c.moved_at <= DUE_BY,
    )
    return select(enrollments.c.id).where(
        _HELD, or_(enrollments.c.hold_until <= DUE_BY, free), enrollments.c.sequence.not_in(RESTING)
    )


def _resume(connection: Connection, scene: Scene) -> Done:
    """The clock goes on where it stopped, as the next run would have let it."""
    return [("go on", release(connection, scene.now))]


def _twice(connection: Connection, scene: Scene) -> Select[Any]:
    return (
        select(func.min(enrollments.c.id))
        .where(_ACTIVE)
        .group_by(enrollments.c.sequence, enrollments.c.lead_id)
        .having(func.count() > 1)
    )


def _once(connection: Connection, scene: Scene) -> Done:
    older = enrollments.alias()
    same = (
        older.c.sequence == enrollments.c.sequence,
        older.c.lead_id == enrollments.c.lead_id,
        older.c.status == "active",
        older.c.id < enrollments.c.id,
    )
    younger = select(enrollments.c.id).where(_ACTIVE, there_is(older, *same))
    leave = update(enrollments).where(enrollments.c.id.in_(younger)).values(ended("exited", "twice-at-once"))
    return [("the older one stays; the younger left", _rows(connection, scene, leave))]


def _foreign_version(connection: Connection, scene: Scene) -> Select[Any]:
    return (
        select(enrollments.c.id)
        .join(definition_versions, definition_versions.c.id == enrollments.c.version_id)
        .where(definition_versions.c.key != literal("sequences/") + enrollments.c.sequence)
    )


def _rows(connection: Connection, scene: Scene, statement: Any) -> int:
    return max(connection.execute(statement, {"now": scene.now}).rowcount, 0)


CHECKS: tuple[Check, ...] = (
    Check(
        "liveness",
        "every active enrollment is looked at when its time comes",
        "run `ripen run follow-up`; if they stay, `ripen explain` the leads and report it as a fault",
        _forgotten,
        _wake_forgotten,
    ),
    Check(
        "waits-for-one-thing",
        "every enrollment waits for exactly one thing, or has ended with a reason",
        "find out who switched the table's constraint off",
        _not_one_thing,
        _one_thing,
    ),
    Check(
        "awaited-message",
        "an enrollment that waits for a message waits for one of its own",
        "look the message up with `ripen messages`",
        _lost_message,
        _find_message,
    ),
    Check(
        "settled-message",
        "nobody goes on waiting for a message that is settled",
        "run `ripen run advance`",
        _settled_message,
        _go_on,
    ),
    Check(
        "hold-with-a-way-back",
        "a held enrollment knows since when, and what it waited for before",
        "resume the sequence of each lead by hand",
        _hold_without_way_back,
        _way_back,
    ),
    Check(
        "forgotten-hold",
        "a hold ends at its stated time, and when sales is done with the lead",
        "run `ripen run enroll`",
        _forgotten_hold,
        _resume,
    ),
    Check(
        "once-at-a-time",
        "a lead is in a sequence at most once at a time",
        "find out who dropped the index `uq_enrollments_active`",
        _twice,
        _once,
    ),
    Check(
        "version-of-sequence",
        "an enrollment runs under a version of its own sequence",
        "restore the enrollments from a backup, or end them with `ripen sequences stop`",
        _foreign_version,
    ),
)
