"""What points are worked out from lies in one index: machines' doings and inferred opens can be told without the row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INFERRED = {
    "sqlite": "lower(CAST(json_extract(properties, '$.inferred') AS TEXT)) IN ('true', '1', 'yes')",
    "postgresql": "lower(properties ->> 'inferred') IN ('true', '1', 'yes')",
}


def upgrade() -> None:
    """A column is added and an index is wider: the version before works on it, too."""
    comment = "an open that nobody saw: it follows from a click, which is paid"
    column = sa.Column("inferred", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment=comment)
    op.add_column("events", column)
    where = _INFERRED[op.get_bind().dialect.name]
    op.execute(f"UPDATE events SET inferred = true WHERE type = 'email.opened' AND {where}")  # noqa: S608
    op.drop_index("ix_events_lead_type", "events")
    op.create_index("ix_events_lead_type", "events", ["lead_id", "type", "occurred_at", "machine", "inferred"])


def downgrade() -> None:
    """The rows tell it, as before."""
    op.drop_index("ix_events_lead_type", "events")
    op.create_index("ix_events_lead_type", "events", ["lead_id", "type", "occurred_at"])
    op.drop_column("events", "inferred")
