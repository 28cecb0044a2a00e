"""An address may be suppressed for several reasons at once, each lifted by its own act; complaints are found by time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ACTIVE = sa.text("lifted_at IS NULL")
_HARM = sa.text("type IN ('email.bounced', 'email.complained')")


def upgrade() -> None:
    """What is stored stays as it is: one reason an address and scope is also one of each."""
    op.drop_index("uq_suppressions_active", "suppressions")
    _one_of_each("email_hash", "scope", "reason")
    op.create_index("ix_suppressions_address", "suppressions", ["email_hash"])
    op.create_index("ix_events_harm", "events", ["type", "occurred_at"], sqlite_where=_HARM, postgresql_where=_HARM)


def downgrade() -> None:
    """Back to one reason an address and scope: the first of them stays, the others end as if it had lifted them."""
    op.drop_index("ix_events_harm", "events")
    op.drop_index("ix_suppressions_address", "suppressions")
    op.execute(
        "UPDATE suppressions SET lifted_at = since, lifted_because = 'another reason stands' WHERE lifted_at IS NULL "
        "AND EXISTS (SELECT 1 FROM suppressions AS other WHERE other.email_hash = suppressions.email_hash "
        "AND other.scope = suppressions.scope AND other.lifted_at IS NULL AND other.id < suppressions.id)"
    )
    op.drop_index("uq_suppressions_active", "suppressions")
    _one_of_each("email_hash", "scope")


def _one_of_each(*columns: str) -> None:
    op.create_index(
        "uq_suppressions_active",
        "suppressions",
        list(columns),
        unique=True,
        sqlite_where=_ACTIVE,
        postgresql_where=_ACTIVE,
    )
