"""What the operator asked of each sequence: on, hold, drain or stop."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, and_, case, delete, func, literal, select, update

from db import holds, work
from db.subqueries import value_of
from db.tables import enrollments, entry_marks, messages, sequence_states
from db.types import epoch_seconds, plus_seconds

# Any number but those of migrations and intake: who hands over shares it, who changes a state takes it alone.
_LOCK = 7_269_706_7
# Part of the first statement of a hand-over on PostgreSQL: nobody changes a sequence's state until its transaction
# ends. SQLite's write lock does so anyway.
SHARED = func.pg_advisory_xact_lock_shared(literal(_LOCK, BigInteger()))


def closed(connection: Connection) -> set[str]:
    """The sequences that nobody enters now."""
    return {
        str(name)
        for name in connection.execute(
            select(sequence_states.c.sequence).where(sequence_states.c.state != "on")
        ).scalars()
    }


def held(connection: Connection) -> set[str]:
    """The sequences whose clocks stand still."""
    return {name for name, state in states(connection).items() if state == "hold"}


def held_since(connection: Connection, sequence: str) -> datetime | None:
    """Since when a sequence is on hold, if it is."""
    query = select(sequence_states.c.since)
    return connection.execute(
        query.where(sequence_states.c.sequence == sequence, sequence_states.c.state == "hold")
    ).scalar()


def states(connection: Connection) -> dict[str, str]:
    """The state of every sequence that is not simply on."""
    rows = connection.execute(select(sequence_states.c.sequence, sequence_states.c.state))
    return {str(name): str(state) for name, state in rows}


def reasons(connection: Connection) -> dict[str, str]:
    """Why sequences are held, drained or stopped, where somebody has said so."""
    given = sequence_states.c.state != "on", sequence_states.c.reason.is_not(None)
    rows = connection.execute(select(sequence_states.c.sequence, sequence_states.c.reason).where(*given))
    return {str(name): str(reason) for name, reason in rows}


def take_alone(connection: Connection) -> None:
    """Let nobody hand over a message until this transaction ends; whoever does so now has finished first."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _go_on(connection: Connection, sequence: str, since: datetime, now: datetime) -> None:
    pause = max((now - since).total_seconds(), 0.0)
    seconds = literal(pause)
    mine = enrollments.c.sequence == sequence, enrollments.c.status == "active"
    standing = *mine, enrollments.c.waiting_for != "hold"
    # Who was held a moment ago and has not been looked at since has what is left of the timeout elsewhere.
    wake_at = func.coalesce(enrollments.c.held_wake_at, enrollments.c.wake_at)
    left, event = plus_seconds(wake_at, seconds), enrollments.c.waiting_for == "event"
    moved = {
        # What is awaited may have come during the hold: looked at now, and then on until the timeout.
        "wake_at": case((event, literal(now, enrollments.c.wake_at.type)), else_=left),
        "held_wake_at": case((event, left), else_=None),
        "waiting_since": plus_seconds(enrollments.c.waiting_since, seconds),
        "happened_at": holds.put_off(wake_at, literal(since, enrollments.c.wake_at.type), left),
        "held_since": since,
        "resumed_at": now,
    }
    connection.execute(update(enrollments).where(*standing).values(moved))
    # Who is held alone besides: the time before that hold; its own end accounts for the rest.
    before = epoch_seconds(enrollments.c.held_since) - epoch_seconds(literal(since, enrollments.c.held_since.type))
    alone = *mine, enrollments.c.waiting_for == "hold", enrollments.c.held_since > since
    earlier = {
        "held_wake_at": plus_seconds(enrollments.c.held_wake_at, before),
        "waiting_since": plus_seconds(enrollments.c.waiting_since, before),
    }
    connection.execute(update(enrollments).where(*alone).values(earlier))
    # Whose own hold ended meanwhile has waited for this one.
    ended = enrollments.c.hold_until > since, enrollments.c.hold_until < now
    connection.execute(
        update(enrollments).where(*mine, enrollments.c.waiting_for == "hold", *ended).values(hold_until=now)
    )
    _put_off_mails(connection, sequence, before, seconds)


def _put_off_mails(connection: Connection, sequence: str, before: Any, seconds: Any) -> None:
    """No mail comes too late because of the hold; of those held alone besides, only the time before that."""
    of_it = enrollments.c.id == messages.c.enrollment_id
    held = and_(of_it, enrollments.c.status == "active", enrollments.c.waiting_for == "hold")
    queued = messages.c.sequence == sequence, messages.c.status == "queued", messages.c.settled_at.is_(None)
    pause = func.coalesce(value_of(enrollments, case((before > 0, before), else_=0.0), held), seconds)
    connection.execute(update(messages).where(*queued).values(expires_at=plus_seconds(messages.c.expires_at, pause)))


def _look_again_at_entries(connection: Connection, sequence: str, since: datetime, now: datetime) -> None:
    """Whoever came to fulfil the entry condition during the hold enters after it."""
    came = entry_marks.c.sequence == sequence, entry_marks.c.since >= since
    work.mark(connection, "entry", select(entry_marks.c.lead_id).where(*came), now)
    connection.execute(delete(entry_marks).where(*came))


def set_state(connection: Connection, sequence: str, state: str, reason: str | None, now: datetime) -> None:
    """Hold, drain, stop or resume (`on`) a sequence; from the commit on no message of it is handed over but by this.

    The clocks stop during a hold: what is left of each wait is left after it, too.
    """
    take_alone(connection)
    since = held_since(connection, sequence)
    if since is None and state == "hold":
        # Whose own hold is over goes on before the clocks stop for everybody.
        holds.release(connection, now)
    if since is not None and state != "hold":
        _go_on(connection, sequence, since, now)
        _look_again_at_entries(connection, sequence, since, now)
    if since is not None and state == "hold":
        now = since
    rows = work.insert_for(connection)(sequence_states).values(sequence=sequence, state=state, reason=reason, since=now)
    connection.execute(
        rows.on_conflict_do_update(
            index_elements=["sequence"], set_={name: rows.excluded[name] for name in ("state", "reason", "since")}
        )
    )
