"""Rates and allowances of sending, frozen mails, tracked links, what providers report, erasures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.types import Id, Json, Key, UTCDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_REASONS = ("hard_bounce", "complaint", "unsubscribed", "operator", "imported")
_NEW_REASONS = ("hard_bounce", "soft_bounce", "complaint", "unsubscribed", "operator", "imported", "provider", "erased")


def upgrade() -> None:
    """Tables, columns, indexes and words are added: the version before works on it, too."""
    op.add_column("transports", sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("transports", sa.Column("tokens", sa.Float(), nullable=True))
    op.add_column("transports", sa.Column("tokens_at", UTCDateTime(), nullable=True))
    op.add_column("leads", sa.Column("erased_at", UTCDateTime(), nullable=True))
    op.create_index("ix_messages_provider", "messages", ["provider_id"])
    unknown = sa.text("status = 'unknown'")
    op.create_index(
        "ix_messages_unknown", "messages", ["handed_over_at"], sqlite_where=unknown, postgresql_where=unknown
    )
    op.create_table(
        "sending_days",
        sa.Column("domain", Key, nullable=False, comment="of the sender's address"),
        sa.Column("day", sa.Date(), nullable=False, comment="in the project's time zone"),
        sa.Column("taken", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("domain", "day", name=op.f("pk_sending_days")),
        comment="how much of a day's allowance the workers have taken",
    )
    op.create_table(
        "frozen_mails",
        sa.Column("message_id", Id, autoincrement=False, nullable=False),
        sa.Column("act", Key, nullable=False, comment="messages handed over in one act, repeated only together"),
        sa.Column("place", sa.Integer(), nullable=False, comment="its place in the act"),
        sa.Column(
            "members",
            sa.Integer(),
            nullable=False,
            comment="how many messages the act has: in part it is another act",
        ),
        sa.Column("plan", Json, nullable=False, comment="what the message says, so that a repetition is the very same"),
        sa.Column("until", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_frozen_mails_message_id_messages")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_frozen_mails")),
        comment="messages handed over under a key that the provider knows again; gone when they are settled",
    )
    op.create_index(op.f("ix_frozen_mails_act"), "frozen_mails", ["act"])
    op.create_table(
        "tracked_links",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("digest", Key, nullable=False, comment="SHA-256 of the address"),
        sa.Column("url", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tracked_links")),
        sa.UniqueConstraint("digest", name=op.f("uq_tracked_links_digest")),
        comment="where the links of mails lead; a link names its row, never an address",
    )
    op.create_table(
        "provider_facts",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("provider", Key, nullable=False),
        sa.Column("fact_id", Key, nullable=False, comment="the provider's own, or a hash of the content"),
        sa.Column("kind", Key, nullable=False),
        sa.Column("message_id", Id, nullable=True),
        sa.Column("lead_id", Id, nullable=True),
        sa.Column("occurred_at", UTCDateTime(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("raw", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_facts")),
        sa.UniqueConstraint("provider", "fact_id", name=op.f("uq_provider_facts_provider_fact_id")),
        comment="what e-mail providers report, as it came",
    )
    op.create_index(op.f("ix_provider_facts_message_id"), "provider_facts", ["message_id"])
    op.create_index(op.f("ix_provider_facts_lead_id"), "provider_facts", ["lead_id"])
    op.create_index("ix_provider_facts_received", "provider_facts", ["received_at"])
    op.create_table(
        "erasures",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("lead_id", Id, nullable=False, comment="the row that is left of the lead, empty"),
        sa.Column("requested_at", UTCDateTime(), nullable=False),
        sa.Column("completed_at", UTCDateTime(), nullable=True),
        sa.Column(
            "certificate",
            Json,
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="what was removed where; no name",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        comment="who asked to be forgotten, and what was done",
    )
    op.create_index(op.f("ix_erasures_lead_id"), "erasures", ["lead_id"])
    op.create_index(op.f("ix_erasures_completed_at"), "erasures", ["completed_at"])
    _reasons(_NEW_REASONS)
    lifted = "who lifted it and why: only ever an explicit act"
    op.add_column("suppressions", sa.Column("lifted_because", sa.Text(), nullable=True, comment=lifted))
    _scopes("all, channel:<name>, or topic:<name>", "all, or topic:<name>")


def downgrade() -> None:
    """Back to before; suppressions whose reasons are not known there become those of an operator."""
    op.drop_column("suppressions", "lifted_because")
    _scopes("all, or topic:<name>", "all, channel:<name>, or topic:<name>")
    op.execute("UPDATE suppressions SET reason = 'operator' WHERE reason IN ('soft_bounce', 'provider', 'erased')")
    _reasons(_REASONS)
    for table in ("erasures", "provider_facts", "tracked_links", "frozen_mails", "sending_days"):
        op.drop_table(table)
    op.drop_index("ix_messages_unknown", "messages")
    op.drop_index("ix_messages_provider", "messages")
    op.drop_column("leads", "erased_at")
    for name in ("tokens_at", "tokens", "failures"):
        op.drop_column("transports", name)


def _scopes(says: str, said: str) -> None:
    # SQLite keeps no comments.
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("suppressions", "scope", comment=says, existing_comment=said)


def _reasons(words: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{word}'" for word in words)
    with op.batch_alter_table("suppressions") as table:
        table.drop_constraint(op.f("ck_suppressions_reason_known"), type_="check")
        table.create_check_constraint(op.f("ck_suppressions_reason_known"), f"reason IN ({listed})")
