"""Ledgers of what the advertising platforms and sales were told."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text, UniqueConstraint, text

from db.tables.base import instant, metadata, one_of, primary_id, reference
from db.types import Id, Key

audience_choices = Table(
    "audience_choices",
    metadata,
    Column("audience", Key, primary_key=True),
    Column("lead_id", Id, primary_key=True, autoincrement=False),
    Column("choice", String(16), nullable=False),
    reference("enrollment_id", "enrollments.id", nullable=True),
    Column("step_id", Key),
    instant("chosen_at"),
    one_of("choice", "add", "remove"),
    comment="what sequence steps asked for; the latest counts",
)

audience_members = Table(
    "audience_members",
    metadata,
    Column("platform", Key, primary_key=True),
    Column("audience", Key, primary_key=True),
    Column("lead_id", Id, primary_key=True, autoincrement=False),
    Column("member_hash", Key, comment="SHA-256 of the normalised address, as last told; a removal needs it"),
    # adding: to be told; member: told; removing: removal to be told; removed: told
    Column("status", String(16), nullable=False),
    Column("reason", Key, comment="why it was removed"),
    Column("batch", Key, index=True, comment="the upload it is part of, while one is in hand"),
    instant("changed_at"),
    instant("told_at", nullable=True),
    one_of("status", "adding", "member", "removing", "removed"),
    Index("ix_audience_members_open", "platform", "audience", "status", "lead_id"),
    comment="what each platform has been told about whom",
)

sales_tasks = Table(
    "sales_tasks",
    metadata,
    primary_id(),
    # sql: a lead ready for sales; step: a sequence asks a person to look at or call a lead
    Column("kind", String(16), nullable=False),
    Column("subject_key", Key, nullable=False, comment="lead:<id> or account:<id>; one open sql task per subject"),
    reference("lead_id", "leads.id", index=True),
    reference("account_id", "accounts.id", nullable=True),
    # open: nobody has taken it; accepted: taken; rejected: given back with a reason; won, lost: the deal's end;
    # cancelled: no longer needed
    Column("status", String(16), nullable=False),
    Column("title", Text, nullable=False),
    Column("reason", Text, comment="why now; or why rejected"),
    Column("owner", Key, nullable=False),
    Column("next_step", Text),
    Column("event_id", Id),
    Column("transition_id", Id),
    reference("enrollment_id", "enrollments.id", nullable=True),
    Column("step_id", Key),
    instant("qualified_at", nullable=True),
    instant("opened_at"),
    instant("due_at"),
    instant("escalated_at", nullable=True),
    instant("accepted_at", nullable=True),
    instant("closed_at", nullable=True),
    # pending: the CRM does not know it yet; told; failed: refused, with detail
    Column("crm_status", String(16), nullable=False, server_default=text("'pending'")),
    Column("crm_reference", Text),
    Column("crm_detail", Text),
    Column(
        "crm_revision", Integer, nullable=False, server_default=text("0"), comment="grows when the CRM must hear again"
    ),
    Column("crm_told_revision", Integer, nullable=False, server_default=text("-1")),
    one_of("kind", "sql", "step"),
    one_of("status", "open", "accepted", "rejected", "won", "lost", "cancelled"),
    one_of("crm_status", "pending", "told", "failed"),
    Index(
        "uq_sales_tasks_open",
        "subject_key",
        unique=True,
        sqlite_where=text("kind = 'sql' AND status IN ('open', 'accepted')"),
        postgresql_where=text("kind = 'sql' AND status IN ('open', 'accepted')"),
    ),
    UniqueConstraint("enrollment_id", "step_id"),
    Index("ix_sales_tasks_subject", "subject_key"),
    Index("ix_sales_tasks_due", "status", "due_at"),
    Index(
        "ix_sales_tasks_crm",
        "id",
        sqlite_where=text("crm_told_revision < crm_revision"),
        postgresql_where=text("crm_told_revision < crm_revision"),
    ),
    comment="what sales has been asked to do",
)

sales_task_leads = Table(
    "sales_task_leads",
    metadata,
    reference("task_id", "sales_tasks.id"),
    reference("lead_id", "leads.id", index=True),
    instant("added_at"),
    Column("reason", Text),
    UniqueConstraint("task_id", "lead_id"),
    comment="the people of a task; in b2b a colleague who qualifies is added",
)
