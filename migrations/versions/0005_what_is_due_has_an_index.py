"""What is due, held, waited for or to be told lies in an index of its own, so that a follow-up walks past nobody."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_HELD = {"sqlite": "waiting_for = 'hold' AND holdout IS 0", "postgresql": "waiting_for = 'hold' AND holdout IS false"}


def upgrade() -> None:
    """Indexes alone: the version before works on it, too."""
    _replace("ix_enrollments_held", "enrollments", ["hold_until"], _HELD[op.get_bind().dialect.name])
    _replace("ix_audience_members_open", "audience_members", ["platform", "audience", "status", "lead_id"])
    _create("ix_messages_next", "messages", ["status", sa.text("priority DESC"), "due_at", "id"], "settled_at IS NULL")
    _create("ix_sales_tasks_subject", "sales_tasks", ["subject_key"])
    _create("ix_sales_tasks_due", "sales_tasks", ["status", "due_at"])
    _create("ix_sales_tasks_crm", "sales_tasks", ["id"], "crm_told_revision < crm_revision")


def downgrade() -> None:
    """Those of before."""
    for index in ("ix_sales_tasks_crm", "ix_sales_tasks_due", "ix_sales_tasks_subject"):
        op.drop_index(index, "sales_tasks")
    op.drop_index("ix_messages_next", "messages")
    _replace("ix_audience_members_open", "audience_members", ["platform", "audience", "status"])
    _replace("ix_enrollments_held", "enrollments", ["hold_until"], "waiting_for = 'hold'")


def _replace(name: str, table: str, columns: list[Any], where: str | None = None) -> None:
    op.drop_index(name, table)
    _create(name, table, columns, where)


def _create(name: str, table: str, columns: list[Any], where: str | None = None) -> None:
    only = sa.text(where) if where else None
    op.create_index(name, table, columns, sqlite_where=only, postgresql_where=only)
