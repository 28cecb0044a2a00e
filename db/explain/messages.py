"""The messages to a lead, sent or not, with what allowed or held each of them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection, func, or_, select

from db.explain.rows import LEAD, UNTIL, Row, every
from db.tables import consents, enrollments, events, messages, sequence_states


def messages_of(connection: Connection, lead_id: int, until: datetime | None = None) -> list[Row]:
    """Every message of the ledger to this lead, sent or not, newest first."""
    return every(connection, _MESSAGES, lead=lead_id, until=until)


_MESSAGES = (
    select(
        messages.c.id,
        messages.c.sequence,
        messages.c.step_id,
        messages.c.email,
        messages.c.topic,
        messages.c.subject,
        messages.c.status,
        messages.c.reason,
        messages.c.detail,
        messages.c.queued_at,
        messages.c.not_before,
        messages.c.handed_over_at,
        messages.c.settled_at,
    )
    .where(messages.c.lead_id == LEAD, or_(UNTIL.is_(None), messages.c.queued_at <= UNTIL))
    .order_by(messages.c.id.desc())
)


def answers_of(connection: Connection, lead_id: int) -> dict[int, list[str]]:
    """What people (no machines) did with each message to this lead, as event types in their order."""
    found: dict[int, list[str]] = {}
    for row in connection.execute(_ANSWERS, {"lead": lead_id}):
        found.setdefault(int(row.message_id), []).append(str(row.type))
    return found


_ANSWERS = (
    select(events.c.message_id, events.c.type, func.min(events.c.occurred_at).label("first_at"))
    .where(events.c.lead_id == LEAD, events.c.message_id.is_not(None), events.c.machine.is_(False))
    .group_by(events.c.message_id, events.c.type)
    .order_by(sa.text("first_at"), events.c.type)
)


def ledger_of(connection: Connection, lead_id: int, until: datetime | None = None) -> list[Row]:
    """The same with the consent that allowed each of them, its variant, and the hold that it is under."""
    return every(connection, _LEDGER, lead=lead_id, until=until)


_LEDGER = (
    _MESSAGES.add_columns(
        messages.c.marketing,
        messages.c.variant,
        messages.c.attempts,
        messages.c.expires_at,
        consents.c.status.label("consent_status"),
        consents.c.basis.label("consent_basis"),
        consents.c.source.label("consent_source"),
        consents.c.occurred_at.label("consent_at"),
        enrollments.c.waiting_for,
        enrollments.c.reason.label("hold_reason"),
        enrollments.c.held_since,
        enrollments.c.hold_until,
        sequence_states.c.state,
        sequence_states.c.since.label("state_since"),
    )
    .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
    .outerjoin(consents, consents.c.id == messages.c.consent_id)
    .outerjoin(sequence_states, sequence_states.c.sequence == messages.c.sequence)
)
