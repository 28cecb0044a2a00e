"""The sequences of a lead: the steps it went, where it stands, and what kept it out of the others."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, select

from db.explain.rows import LEAD, UNTIL, Row, every
from db.tables import (
    definition_versions,
    enrollments,
    entry_marks,
    events,
    executed_steps,
    messages,
    publications,
    sequence_states,
)
from db.types import plus_seconds


def enrollments_of(connection: Connection, lead_id: int) -> list[Row]:
    """The sequences of a lead: where it stands and what it waits for, or how it ended; newest first."""
    return every(connection, _ENROLLMENTS, lead=lead_id)


_ENROLLMENTS = (
    select(
        enrollments,
        definition_versions.c.hash.label("version"),
        messages.c.not_before,
        messages.c.reason.label("message_reason"),
        sequence_states.c.state,
        sequence_states.c.since.label("state_since"),
    )
    .join(definition_versions, definition_versions.c.id == enrollments.c.version_id)
    .outerjoin(messages, messages.c.id == enrollments.c.message_id)
    .outerjoin(sequence_states, sequence_states.c.sequence == enrollments.c.sequence)
    .where(enrollments.c.lead_id == LEAD)
    .order_by(enrollments.c.id.desc())
)


def steps_of(connection: Connection, lead_id: int) -> dict[int, list[Row]]:
    """What each enrollment of the lead has executed, in its order, with the message that came of it."""
    found: dict[int, list[Row]] = {}
    for row in every(connection, _STEPS, lead=lead_id):
        found.setdefault(int(row["enrollment_id"]), []).append(row)
    return found


_STEPS = (
    select(
        executed_steps.c.enrollment_id,
        executed_steps.c.step_id,
        executed_steps.c.kind,
        executed_steps.c.version_id,
        executed_steps.c.outcome,
        executed_steps.c.detail,
        executed_steps.c.executed_at,
        definition_versions.c.hash.label("version"),
        messages.c.id.label("message_id"),
        messages.c.status,
        messages.c.reason,
        messages.c.variant,
        messages.c.settled_at,
    )
    .join(enrollments, enrollments.c.id == executed_steps.c.enrollment_id)
    .join(definition_versions, definition_versions.c.id == executed_steps.c.version_id)
    .outerjoin(
        messages,
        and_(
            messages.c.enrollment_id == executed_steps.c.enrollment_id,
            messages.c.step_id == executed_steps.c.step_id,
        ),
    )
    .where(enrollments.c.lead_id == LEAD)
    .order_by(executed_steps.c.enrollment_id, executed_steps.c.executed_at)
)


def versions(connection: Connection, ids: Iterable[int]) -> dict[int, Any]:
    """The bodies of versions of definitions."""
    wanted = definition_versions.c.id.in_(sorted(set(ids)))
    rows = connection.execute(select(definition_versions.c.id, definition_versions.c.body).where(wanted))
    return {int(row.id): row.body for row in rows}


def marks_of(connection: Connection, lead_id: int) -> dict[str, datetime]:
    """Since when the entry condition of each sequence has held, as far as a run has taken note."""
    rows = connection.execute(_MARKS, {"lead": lead_id})
    return {str(row.sequence): row.since for row in rows}


_MARKS = select(entry_marks.c.sequence, entry_marks.c.since).where(entry_marks.c.lead_id == LEAD)


def published_at(connection: Connection, instant: datetime) -> bool:
    """Whether definitions were published a second after an instant: so marks say that nobody should enter by them."""
    second_later = plus_seconds(UNTIL, 1.0)
    return (
        connection.execute(
            select(publications.c.id).where(publications.c.published_at == second_later).limit(1), {"until": instant}
        ).first()
        is not None
    )


def something_new_by(connection: Connection, lead_id: int, instant: datetime) -> bool:
    """Whether the lead had done anything by then that did not come as imported history."""
    query = select(events.c.id).where(
        events.c.lead_id == LEAD, events.c.silent.is_(False), events.c.received_at <= plus_seconds(UNTIL, 1.0)
    )
    return connection.execute(query.limit(1), {"lead": lead_id, "until": instant}).first() is not None
