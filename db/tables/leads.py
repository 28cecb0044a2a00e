"""Who we know, how we recognise them, what they did, what they allowed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, String, Table, Text, UniqueConstraint, text

from db.tables.base import instant, metadata, one_of, primary_id, reference
from db.types import Id, Json, Key

accounts = Table(
    "accounts",
    metadata,
    primary_id(),
    Column("name", Text, nullable=False),
    Column("name_key", Key, nullable=False, unique=True, comment="case-folded name, legal forms dropped"),
    Column("interest", Float, nullable=False, server_default=text("0")),
    Column("fit", Float, nullable=False, server_default=text("0")),
    Column("total", Float, nullable=False, server_default=text("0")),
    instant("created_at"),
    comment="companies; scores add up per account in b2b",
)

leads = Table(
    "leads",
    metadata,
    primary_id(),
    Column("email", Text, comment="as last given; recognition goes through identities"),
    Column("email_hash", Key, index=True, comment="keyed hash of the normalised address, for suppressions"),
    Column("phone", Text),
    Column("first_name", Text),
    Column("last_name", Text),
    Column("name", Text),
    Column("company", Text),
    reference("account_id", "accounts.id", nullable=True, index=True),
    Column("job_title", Text),
    Column("country", Text),
    Column("city", Text),
    Column("language", String(16)),
    Column("time_zone", Text),
    Column("source", Text, comment="where the lead came from first"),
    Column("source_detail", Text),
    Column("attributes", Json, nullable=False, server_default=text("'{}'")),
    Column("stage", String(16), nullable=False, server_default=text("'lead'")),
    instant("stage_since", nullable=True),
    reference("merged_into_id", "leads.id", nullable=True, index=True),
    instant("merged_at", nullable=True),
    instant("erased_at", nullable=True),
    instant("created_at"),
    instant("updated_at"),
    one_of("stage", "lead", "mql", "sql", "customer"),
    Index("ix_leads_stage", "stage"),
    comment="people who have shown interest",
)

identities = Table(
    "identities",
    metadata,
    primary_id(),
    Column("kind", Key, nullable=False, comment="email, phone, anonymous, or external:<source>"),
    Column("value", Key, nullable=False, comment="normalised"),
    reference("lead_id", "leads.id", nullable=True, index=True),
    # When it was first seen; of an anonymous one, when it found its lead.
    instant("created_at"),
    UniqueConstraint("kind", "value"),
    comment="how a lead is recognised; without a lead while its activity is anonymous",
)

events = Table(
    "events",
    metadata,
    primary_id(),
    Column("source", Key, nullable=False),
    Column("source_event_id", Key, nullable=False),
    reference("lead_id", "leads.id", nullable=True),
    reference("identity_id", "identities.id", nullable=True, index=True),
    Column("type", Key, nullable=False),
    instant("occurred_at"),
    instant("received_at"),
    Column(
        "tiebreak",
        BigInteger,
        nullable=False,
        comment="hash of source and source_event_id: orders events of one instant, whatever arrived first",
    ),
    Column("properties", Json, nullable=False, server_default=text("'{}'")),
    Column("machine", Boolean, nullable=False, server_default=text("false"), comment="a bot or scanner; worth nothing"),
    # source: who sent it says so; person: somebody judged it; else the rule that recognised it; NULL: nobody doubts it
    Column("machine_by", Key),
    Column(
        "silent",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="imported history: enrolls nobody and opens no task",
    ),
    Column(
        "inferred",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="an open that nobody saw: it follows from a click, which is paid",
    ),
    Column("message_id", Id, comment="the ledger row that this event answers"),
    UniqueConstraint("source", "source_event_id"),
    # All that points are worked out from, where no rule asks for properties.
    Index("ix_events_lead_type", "lead_id", "type", "occurred_at", "machine", "inferred"),
    Index("ix_events_lead_time", "lead_id", "occurred_at"),
    # The few that harm the sender's name, for the rates.
    Index(
        "ix_events_harm",
        "type",
        "occurred_at",
        sqlite_where=text("type IN ('email.bounced', 'email.complained')"),
        postgresql_where=text("type IN ('email.bounced', 'email.complained')"),
    ),
    comment="immutable facts",
)

consents = Table(
    "consents",
    metadata,
    primary_id(),
    reference("lead_id", "leads.id", index=True),
    Column("topic", Key, nullable=False),
    Column("status", String(16), nullable=False),
    Column("basis", String(32), nullable=False),
    Column("source", Text, nullable=False),
    Column("wording", Text, comment="which text the person agreed to"),
    Column("evidence", Json),
    instant("occurred_at"),
    instant("recorded_at"),
    one_of("status", "granted", "withdrawn", "pending"),
    one_of("basis", "consent", "soft_opt_in", "legitimate_interest", "none"),
    comment="append-only record of what was allowed and withdrawn",
)

consent_states = Table(
    "consent_states",
    metadata,
    Column("lead_id", Id, primary_key=True),
    Column("topic", Key, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("basis", String(32), nullable=False),
    reference("consent_id", "consents.id"),
    instant("since"),
    one_of("status", "granted", "withdrawn", "pending"),
    comment="the latest consent per lead and topic",
)

suppressions = Table(
    "suppressions",
    metadata,
    primary_id(),
    Column("email_hash", Key, nullable=False, comment="keyed hash, so that it survives erasure"),
    Column("scope", Key, nullable=False, comment="all, channel:<name>, or topic:<name>"),
    # hard_bounce: the mailbox does not exist; soft_bounce: it took nothing for too long; complaint: marked as spam;
    # unsubscribed: asked us to stop; operator: stopped by hand; imported: came with a list; provider: the provider
    # does not deliver to it; erased: asked to be forgotten
    Column("reason", String(32), nullable=False),
    instant("since"),
    instant("lifted_at", nullable=True),
    Column("lifted_because", Text, comment="who lifted it and why: only ever an explicit act"),
    one_of(
        "reason",
        *("hard_bounce", "soft_bounce", "complaint", "unsubscribed", "operator", "imported", "provider", "erased"),
    ),
    Index(
        "uq_suppressions_active",
        "email_hash",
        "scope",
        "reason",
        unique=True,
        sqlite_where=text("lifted_at IS NULL"),
        postgresql_where=text("lifted_at IS NULL"),
    ),
    # Of all of them, for whoever asks what has stopped an address before.
    Index("ix_suppressions_address", "email_hash"),
    comment="addresses that get no mail",
)
