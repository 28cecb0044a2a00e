"""What sending keeps besides the ledger: transports, allowances, frozen mails, links, what providers report."""

from __future__ import annotations

from sqlalchemy import Column, Date, Float, Index, Integer, Table, Text, UniqueConstraint, text

from db.tables.base import instant, metadata, primary_id, reference
from db.types import Id, Json, Key

transports = Table(
    "transports",
    metadata,
    Column("name", Key, primary_key=True),
    instant("paused_until", nullable=True),
    Column("reason", Text),
    # Times in a row that the sender was refused: 0 when it works, and each alert is given once.
    Column("failures", Integer, nullable=False, server_default=text("0")),
    # The bucket of the rate: how many messages may go at once, as of when.
    Column("tokens", Float),
    instant("tokens_at", nullable=True),
    instant("changed_at"),
    comment="shared by all workers: a transport that refuses the sender pauses, no step is consumed",
)

sending_days = Table(
    "sending_days",
    metadata,
    Column("domain", Key, primary_key=True, comment="of the sender's address"),
    Column("day", Date, primary_key=True, comment="in the project's time zone"),
    Column("taken", Integer, nullable=False, server_default=text("0")),
    comment="how much of a day's allowance the workers have taken",
)

frozen_mails = Table(
    "frozen_mails",
    metadata,
    reference("message_id", "messages.id", index=False, primary_key=True),
    Column("act", Key, nullable=False, index=True, comment="messages handed over in one act, repeated only together"),
    Column("place", Integer, nullable=False, comment="its place in the act"),
    Column("members", Integer, nullable=False, comment="how many messages the act has: in part it is another act"),
    Column("plan", Json, nullable=False, comment="what the message says, so that a repetition is the very same"),
    instant("until"),
    comment="messages handed over under a key that the provider knows again; gone when they are settled",
)

tracked_links = Table(
    "tracked_links",
    metadata,
    primary_id(),
    Column("digest", Key, nullable=False, unique=True, comment="SHA-256 of the address"),
    Column("url", Text, nullable=False),
    # Whose data the address comes from, as long as no other lead's mail holds it; it goes with them.
    reference("lead_id", "leads.id", nullable=True, index=True),
    comment="where the links of mails lead; a link names its row, never an address",
)

provider_facts = Table(
    "provider_facts",
    metadata,
    primary_id(),
    Column("provider", Key, nullable=False),
    Column("fact_id", Key, nullable=False, comment="the provider's own, or a hash of the content"),
    # queued, sent, delivered, deferred, bounced, rejected, failed, complained, unsubscribed, opened, clicked,
    # auto_replied, replied, subscribed; unknown: a kind that we do not know, kept as it came
    Column("kind", Key, nullable=False),
    Column("message_id", Id, index=True),
    Column("lead_id", Id, index=True),
    instant("occurred_at"),
    instant("received_at"),
    Column("raw", Json, nullable=False),
    UniqueConstraint("provider", "fact_id"),
    Index("ix_provider_facts_received", "received_at"),
    comment="what e-mail providers report, as it came",
)

erasures = Table(
    "erasures",
    metadata,
    primary_id(),
    Column("lead_id", Id, nullable=False, index=True, comment="the row that is left of the lead, empty"),
    instant("requested_at"),
    instant("completed_at", nullable=True, index=True),
    Column("certificate", Json, nullable=False, server_default=text("'{}'"), comment="what was removed where; no name"),
    comment="who asked to be forgotten, and what was done",
)
