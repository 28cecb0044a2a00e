"""A link that comes from one lead's data alone may say something of them, and goes when they are erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_NAME = "fk_tracked_links_lead_id_leads"


def upgrade() -> None:
    """Whose the older links are was not written down: they stay, as those of several do."""
    with op.batch_alter_table("tracked_links") as table:
        table.add_column(sa.Column("lead_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
        table.create_foreign_key(_NAME, "leads", ["lead_id"], ["id"])
    op.create_index("ix_tracked_links_lead_id", "tracked_links", ["lead_id"])


def downgrade() -> None:
    """Back to links that are nobody's."""
    op.drop_index("ix_tracked_links_lead_id", "tracked_links")
    with op.batch_alter_table("tracked_links") as table:
        table.drop_constraint(_NAME, type_="foreignkey")
        table.drop_column("lead_id")
