"""Enrollments, the steps they executed, and the message ledger."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from db.tables.base import instant, metadata, one_of, primary_id, reference
from db.types import Id, Json, Key

sequence_states = Table(
    "sequence_states",
    metadata,
    Column("sequence", Key, primary_key=True),
    # on: runs; hold: clocks stop; drain: nobody enters; stop: everybody leaves
    Column("state", String(16), nullable=False),
    instant("since"),
    Column("reason", Text),
    one_of("state", "on", "hold", "drain", "stop"),
    comment="what the operator asked of a sequence; no row means on",
)

entry_marks = Table(
    "entry_marks",
    metadata,
    Column("sequence", Key, primary_key=True),
    Column("lead_id", Id, primary_key=True, autoincrement=False),
    instant("since"),
    comment="for whom an entry condition holds now: entry is on the edge, so only those without a mark enter",
)

enrollments = Table(
    "enrollments",
    metadata,
    primary_id(),
    Column("sequence", Key, nullable=False),
    reference("lead_id", "leads.id"),
    reference("version_id", "definition_versions.id"),
    Column("pinned", Boolean, nullable=False, server_default=text("false")),
    # active: in the sequence; completed: walked to the end; goal: reached the goal; exited: left, with the reason
    Column("status", String(16), nullable=False),
    Column("step_id", Key, comment="where it stands; the step is executed when its turn comes"),
    # wake: until wake_at; event: for an event, at the latest until wake_at; message: until the ledger settles the
    # message; hold: until a person or a rule lifts the hold
    Column("waiting_for", String(16)),
    instant("wake_at", nullable=True),
    # Since when it waits here, put off by holds; and when that from which the step counts really happened.
    instant("waiting_since", nullable=True),
    instant("happened_at", nullable=True),
    Column("message_id", Id),
    Column("reason", Key, comment="of the hold, or of the end"),
    # Held out to compare with: the same goal and exits, no steps.
    Column("holdout", Boolean, nullable=False, server_default=text("false")),
    # Of a hold: what it waited for before and until when, so that its clock goes on where it stopped; and the stated
    # time at which it goes on by itself.
    Column("held_for", String(16)),
    instant("held_wake_at", nullable=True),
    instant("held_since", nullable=True),
    instant("hold_until", nullable=True),
    instant("resumed_at", nullable=True),
    instant("entered_at"),
    instant("moved_at"),
    instant("ended_at", nullable=True),
    one_of("status", "active", "completed", "goal", "exited"),
    # Liveness: exactly one of a next wake, an awaited event with a timeout, an unsettled message, a hold with a reason,
    # or a terminal state with a reason.
    CheckConstraint(
        "(status = 'active' AND ended_at IS NULL AND step_id IS NOT NULL AND ("
        "(waiting_for = 'wake' AND wake_at IS NOT NULL AND message_id IS NULL AND reason IS NULL) OR "
        "(waiting_for = 'event' AND wake_at IS NOT NULL AND message_id IS NULL AND reason IS NULL) OR "
        "(waiting_for = 'message' AND wake_at IS NULL AND message_id IS NOT NULL AND reason IS NULL) OR "
        "(waiting_for = 'hold' AND wake_at IS NULL AND reason IS NOT NULL))) OR "
        "(status <> 'active' AND waiting_for IS NULL AND wake_at IS NULL AND message_id IS NULL "
        "AND ended_at IS NOT NULL AND reason IS NOT NULL)",
        name="alive",
    ),
    Index(
        "uq_enrollments_active",
        "sequence",
        "lead_id",
        unique=True,
        sqlite_where=text("status = 'active'"),
        postgresql_where=text("status = 'active'"),
    ),
    Index(
        "ix_enrollments_place",
        "version_id",
        "step_id",
        "wake_at",
        sqlite_where=text("status = 'active'"),
        postgresql_where=text("status = 'active'"),
    ),
    Index(
        "ix_enrollments_due",
        "wake_at",
        sqlite_where=text("status = 'active'"),
        postgresql_where=text("status = 'active'"),
    ),
    Index("ix_enrollments_lead", "lead_id"),
    Index(
        "ix_enrollments_message",
        "message_id",
        sqlite_where=text("waiting_for = 'message'"),
        postgresql_where=text("waiting_for = 'message'"),
    ),
    Index("ix_enrollments_sequence", "sequence", "status"),
    Index(
        "ix_enrollments_held",
        "hold_until",
        sqlite_where=text("waiting_for = 'hold' AND holdout IS 0"),
        postgresql_where=text("waiting_for = 'hold' AND holdout IS false"),
    ),
    comment="a lead in a sequence",
)

executed_steps = Table(
    "executed_steps",
    metadata,
    reference("enrollment_id", "enrollments.id", index=False),
    Column("step_id", Key, nullable=False),
    Column("kind", String(16), nullable=False),
    reference("version_id", "definition_versions.id"),
    # passed: done at once; queued: a message was written to the ledger; waited; event: the awaited event came;
    # timeout: it did not; way: which branch (in detail); left: the exit step; late: past its maximum lateness
    Column("outcome", String(16), nullable=False),
    Column("detail", Text),
    instant("executed_at"),
    UniqueConstraint("enrollment_id", "step_id"),
    one_of("outcome", "passed", "queued", "waited", "event", "timeout", "way", "left", "late"),
    comment="which steps ran, under which version, and how they ended",
)

messages = Table(
    "messages",
    metadata,
    primary_id(),
    Column("key", Key, unique=True, comment="opaque, from enrollment and step; Message-ID and idempotency key derive"),
    reference("enrollment_id", "enrollments.id"),
    Column("step_id", Key, nullable=False),
    reference("lead_id", "leads.id"),
    Column("sequence", Key, nullable=False),
    Column("email", Key, nullable=False),
    Column("topic", Key, nullable=False),
    Column("marketing", Boolean, nullable=False),
    reference("version_id", "definition_versions.id"),
    Column("variant", Key),
    Column("priority", Integer, nullable=False),
    # queued: waits for its turn; claimed: a worker prepares it; handing_over: past the point of no return, reply not
    # yet recorded; accepted: the provider took it; rejected: the provider's permanent no; failed: given up after
    # temporary ones; unknown: handed over, reply lost; skipped: not sent, with the reason
    Column("status", String(16), nullable=False),
    Column("reason", Key),
    Column("detail", Text),
    instant("queued_at"),
    instant("due_at", nullable=False),
    instant("expires_at", nullable=True),
    instant("not_before", nullable=True),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("owner", Key),
    instant("lease_until", nullable=True),
    instant("handed_over_at", nullable=True),
    instant("settled_at", nullable=True),
    Column("transport", Key),
    Column("provider_id", Text),
    Column("response", Text),
    reference("consent_id", "consents.id", nullable=True),
    Column("subject", Text),
    Column("locale", String(16)),
    Column("evidence", Json),
    Column("render_seconds", Float),
    UniqueConstraint("enrollment_id", "step_id"),
    one_of("status", "queued", "claimed", "handing_over", "accepted", "rejected", "failed", "unknown", "skipped"),
    CheckConstraint(
        "status NOT IN ('rejected', 'failed', 'unknown', 'skipped') OR reason IS NOT NULL", name="refusal_has_reason"
    ),
    CheckConstraint("(status IN ('queued', 'claimed', 'handing_over')) = (settled_at IS NULL)", name="settled"),
    Index(
        "ix_messages_open",
        "status",
        "not_before",
        sqlite_where=text("settled_at IS NULL"),
        postgresql_where=text("settled_at IS NULL"),
    ),
    Index("ix_messages_sent", "lead_id", "handed_over_at"),
    Index("ix_messages_settled", "settled_at"),
    Index("ix_messages_provider", "provider_id"),
    Index(
        "ix_messages_unknown",
        "handed_over_at",
        sqlite_where=text("status = 'unknown'"),
        postgresql_where=text("status = 'unknown'"),
    ),
    comment="the ledger: one row per message before anything is handed over",
)

# In the order in which they go: a claim takes the first that are ready, and sorts nothing.
Index(
    "ix_messages_next",
    messages.c.status,
    messages.c.priority.desc(),
    messages.c.due_at,
    messages.c.id,
    sqlite_where=text("settled_at IS NULL"),
    postgresql_where=text("settled_at IS NULL"),
)
