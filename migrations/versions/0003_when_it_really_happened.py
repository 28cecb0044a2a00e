"""When that really happened from which a step counts, apart from the clock that holds put off."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.types import UTCDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Only a column is added: the version before works on it, too. Who waits now waits since when the clock says."""
    op.add_column("enrollments", sa.Column("happened_at", UTCDateTime(), nullable=True))
    op.execute(
        "UPDATE enrollments SET happened_at = COALESCE(waiting_since, wake_at, held_since, moved_at) "
        "WHERE status = 'active'"
    )


def downgrade() -> None:
    """Back to one clock."""
    op.drop_column("enrollments", "happened_at")
