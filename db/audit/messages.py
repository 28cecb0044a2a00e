"""The ledger: it agrees with the executed steps, every verdict is whole, and no message is left behind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Select, and_, case, func, literal, not_, or_, select, update

from db import hand_over, work
from db.audit.check import DUE_BY, RESTING, Check, Done, Scene
from db.audit.sent import LEDGER_ROW_LOST
from db.conditions import NOW
from db.frozen_mails import is_frozen, is_parked
from db.subqueries import there_is
from db.tables import (
    definition_versions,
    enrollments,
    executed_steps,
    messages,
    transports,
)
from db.types import UTCDateTime, database_clock, plus_seconds
from nurture.definitions.sequences import EmailStep

_SENT = messages.c.status.in_(("accepted", "unknown"))
_DAY = timedelta(days=1)
_LONG_UNKNOWN = timedelta(days=7)
# Workers take over what a dead one left when its lease is over; an hour later nobody has.
_LEASE_OVER = 3600
_COLUMNS = [
    "enrollment_id",
    "step_id",
    "lead_id",
    "sequence",
    "email",
    "topic",
    "marketing",
    "version_id",
    "priority",
    "status",
    "reason",
    "detail",
    "queued_at",
    "due_at",
    "handed_over_at",
    "settled_at",
]


def _steps_without_message(connection: Connection, scene: Scene) -> Select[Any]:
    mine = (
        messages.c.enrollment_id == executed_steps.c.enrollment_id,
        messages.c.step_id == executed_steps.c.step_id,
    )
    return select(executed_steps.c.enrollment_id).where(
        executed_steps.c.kind == "email", not_(there_is(messages, *mine))
    )


def _restore_rows(connection: Connection, scene: Scene) -> Done:
    """A row in doubt for a mail that may have gone out: never sent again, and settled by evidence."""
    lost = _steps_without_message(connection, scene).add_columns(
        executed_steps.c.version_id, executed_steps.c.step_id, executed_steps.c.outcome, executed_steps.c.executed_at
    )
    places = lost.with_only_columns(executed_steps.c.version_id, executed_steps.c.step_id).distinct()
    written = 0
    for version, step_id in connection.execute(places).all():
        node = scene.programs(connection).get(int(version), {}).get(str(step_id))
        if node is None or not isinstance(node.step, EmailStep):
            continue
        rows = lost.where(executed_steps.c.version_id == version, executed_steps.c.step_id == step_id).subquery()
        insert = work.insert_for(connection)(messages).from_select(_COLUMNS, _in_doubt(scene, rows, node.step))
        written += max(connection.execute(insert.on_conflict_do_nothing(), {"now": scene.now}).rowcount, 0)
    return [("written anew, as in doubt or too late", written)]


def _in_doubt(scene: Scene, rows: Any, step: EmailStep) -> Select[Any]:
    source = scene.bundle.emails.get(step.email) if scene.bundle else None
    topic = literal(source.topic) if source else literal("unknown")
    late = rows.c.outcome == "late"
    return select(
        rows.c.enrollment_id,
        rows.c.step_id,
        enrollments.c.lead_id,
        enrollments.c.sequence,
        literal(step.email),
        topic,
        literal(source is None or source.kind == "marketing"),
        rows.c.version_id,
        literal(step.priority if step.priority is not None else 50),
        case((late, "skipped"), else_="unknown"),
        case((late, "too-late"), else_=LEDGER_ROW_LOST),
        literal("the ledger row was gone; the audit wrote this one"),
        rows.c.executed_at,
        rows.c.executed_at,
        case((late, sa.cast(sa.null(), UTCDateTime())), else_=rows.c.executed_at),
        literal(scene.now, UTCDateTime()),
    ).join(enrollments, enrollments.c.id == rows.c.enrollment_id)


def _message_without_step(connection: Connection, scene: Scene) -> Select[Any]:
    mine = (
        executed_steps.c.enrollment_id == messages.c.enrollment_id,
        executed_steps.c.step_id == messages.c.step_id,
    )
    return select(messages.c.id).where(not_(there_is(executed_steps, *mine)))


def _write_steps(connection: Connection, scene: Scene) -> Done:
    rows = _message_without_step(connection, scene).with_only_columns(
        messages.c.enrollment_id,
        messages.c.step_id,
        literal("email"),
        messages.c.version_id,
        case((messages.c.reason == "too-late", "late"), else_="queued"),
        messages.c.queued_at,
    )
    columns = ["enrollment_id", "step_id", "kind", "version_id", "outcome", "executed_at"]
    insert = work.insert_for(connection)(executed_steps).from_select(columns, rows).on_conflict_do_nothing()
    return [("steps written anew", max(connection.execute(insert).rowcount, 0))]


def _of_another(connection: Connection, scene: Scene) -> Select[Any]:
    return (
        select(messages.c.id)
        .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
        .join(definition_versions, definition_versions.c.id == messages.c.version_id)
        .where(
            or_(
                messages.c.lead_id != enrollments.c.lead_id,
                messages.c.sequence != enrollments.c.sequence,
                definition_versions.c.key != literal("sequences/") + messages.c.sequence,
            )
        )
    )


def _give_back(connection: Connection, scene: Scene) -> Done:
    """Nothing has left yet, so the enrollment decides whose it is; what has left is history."""
    fitting = select(enrollments.c.lead_id, enrollments.c.sequence, enrollments.c.version_id).where(
        enrollments.c.id == messages.c.enrollment_id
    )
    values = {
        name: fitting.with_only_columns(enrollments.c[name]).scalar_subquery()
        for name in ("lead_id", "sequence", "version_id")
    }
    mine = update(messages).where(
        messages.c.id.in_(_of_another(connection, scene)), messages.c.status.in_(("queued", "claimed"))
    )
    return [("given back to the lead of their enrollment", connection.execute(mine.values(values)).rowcount)]


def _half_a_verdict(connection: Connection, scene: Scene) -> Select[Any]:
    return select(messages.c.id).where(
        or_(
            and_(_SENT, messages.c.handed_over_at.is_(None)),
            and_(messages.c.status == "skipped", messages.c.handed_over_at.is_not(None)),
            and_(
                messages.c.status.in_(("accepted", "rejected", "failed", "unknown", "skipped")),
                messages.c.settled_at.is_(None),
            ),
            and_(messages.c.status.in_(("rejected", "failed", "unknown", "skipped")), messages.c.reason.is_(None)),
        )
    )


def _whole_verdict(connection: Connection, scene: Scene) -> Done:
    sent = update(messages).where(_SENT, messages.c.handed_over_at.is_(None), messages.c.settled_at.is_not(None))
    done = connection.execute(sent.values(handed_over_at=messages.c.settled_at)).rowcount
    return [("handed over, as far as is known, when they were settled", done)]


def _before(instant: Any, length: timedelta) -> Any:
    return plus_seconds(instant, literal(-length.total_seconds()))


def _long_unknown(connection: Connection, scene: Scene) -> Select[Any]:
    return select(messages.c.id).where(
        messages.c.status == "unknown",
        messages.c.handed_over_at < _before(NOW, _LONG_UNKNOWN),
    )


def _left_in_hand(connection: Connection, scene: Scene) -> Select[Any]:
    over = plus_seconds(database_clock(), literal(-_LEASE_OVER))
    return select(messages.c.id).where(
        messages.c.settled_at.is_(None),
        messages.c.status.in_(("claimed", "handing_over")),
        or_(messages.c.lease_until.is_(None), messages.c.lease_until < over),
        # What waits to be repeated under its key is in nobody's hands.
        not_(and_(is_parked(), is_frozen())),
    )


def _take_over(connection: Connection, scene: Scene) -> Done:
    without = update(messages).where(
        messages.c.status.in_(("claimed", "handing_over")), messages.c.lease_until.is_(None), not_(is_frozen())
    )
    connection.execute(without.values(lease_until=plus_seconds(database_clock(), literal(-_LEASE_OVER))))
    done = hand_over.recover(connection, scene.now, any_transport=True)
    return [("back in the queue", done["messages_requeued"]), ("in doubt", done["messages_unknown"])]


def _never_their_turn(connection: Connection, scene: Scene) -> Select[Any]:
    held = there_is(enrollments, enrollments.c.id == messages.c.enrollment_id, enrollments.c.waiting_for == "hold")
    paused = there_is(transports, transports.c.paused_until > DUE_BY)
    return select(messages.c.id).where(
        messages.c.status == "queued",
        messages.c.settled_at.is_(None),
        messages.c.queued_at <= _before(DUE_BY, _DAY),
        func.coalesce(messages.c.not_before, messages.c.queued_at) <= _before(DUE_BY, _DAY),
        messages.c.sequence.not_in(RESTING),
        not_(held),
        not_(paused),
    )


CHECKS: tuple[Check, ...] = (
    Check(
        "ledger-has-step",
        "every executed e-mail step has its ledger row",
        "settle the rows in doubt by the provider's log: `ripen messages resolve ID accepted`, or `failed`",
        _steps_without_message,
        _restore_rows,
    ),
    Check(
        "step-has-ledger",
        "every ledger row has its executed step",
        "report it as a fault; nothing is sent twice, because the ledger row is there",
        _message_without_step,
        _write_steps,
    ),
    Check(
        "message-of-enrollment",
        "a message is of its enrollment's lead, sequence and version",
        "compare the message with `ripen explain` of both leads; what was sent stays as it is",
        _of_another,
        _give_back,
    ),
    Check(
        "verdict",
        "a settled message has its whole verdict",
        "settle it by the provider's log: `ripen messages resolve ID accepted`, or `failed`",
        _half_a_verdict,
        _whole_verdict,
    ),
    Check(
        "unknown-age",
        "no message stays unknown for more than a week",
        "look it up at the provider, then `ripen messages resolve ID accepted`, or `failed`",
        _long_unknown,
    ),
    Check(
        "left-in-hand",
        "no message stays in the hands of a worker that is gone",
        "run `ripen run deliver`",
        _left_in_hand,
        _take_over,
    ),
    Check(
        "waits-too-long",
        "a message leaves when its turn comes",
        "`ripen doctor` says whether the transport works; then `ripen run deliver`",
        _never_their_turn,
    ),
)
