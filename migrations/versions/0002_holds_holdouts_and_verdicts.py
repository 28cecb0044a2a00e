"""Holds of single enrollments, holdouts, verdicts on machine activity, and when leads were merged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.types import Key, UTCDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ENROLLMENT_COLUMNS = ("resumed_at", "hold_until", "held_since", "held_wake_at", "held_for", "holdout")


def upgrade() -> None:
    """Only columns and indexes are added: the version before works on it, too."""
    op.add_column("enrollments", sa.Column("holdout", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("enrollments", sa.Column("held_for", sa.String(length=16), nullable=True))
    for name in ("held_wake_at", "held_since", "hold_until", "resumed_at"):
        op.add_column("enrollments", sa.Column(name, UTCDateTime(), nullable=True))
    op.create_index(
        "ix_enrollments_held",
        "enrollments",
        ["hold_until"],
        sqlite_where=sa.text("waiting_for = 'hold'"),
        postgresql_where=sa.text("waiting_for = 'hold'"),
    )
    op.add_column("events", sa.Column("machine_by", Key, nullable=True))
    op.add_column("leads", sa.Column("merged_at", UTCDateTime(), nullable=True))
    op.create_index("ix_messages_sent", "messages", ["lead_id", "handed_over_at"])
    op.drop_index("ix_messages_lead", "messages")


def downgrade() -> None:
    """Back to the first store; what was held goes on at once."""
    op.execute(
        "UPDATE enrollments SET waiting_for = held_for, wake_at = held_wake_at, reason = NULL "
        "WHERE waiting_for = 'hold' AND held_for IS NOT NULL"
    )
    op.create_index("ix_messages_lead", "messages", ["lead_id"])
    op.drop_index("ix_messages_sent", "messages")
    op.drop_column("leads", "merged_at")
    op.drop_column("events", "machine_by")
    op.drop_index("ix_enrollments_held", "enrollments")
    for name in _ENROLLMENT_COLUMNS:
        op.drop_column("enrollments", name)
