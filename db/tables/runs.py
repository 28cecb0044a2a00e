"""Runs, the queues of leads to look at, and what this installation is."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, text

from db.tables.base import instant, metadata, one_of, primary_id, reference
from db.types import Id, Json, Key

runs = Table(
    "runs",
    metadata,
    primary_id(),
    Column("flow", Key, nullable=False),
    instant("now"),
    # running: in hand, or its process died; done; failed: with the error's kind
    Column("status", String(16), nullable=False),
    Column("counts", Json, nullable=False, server_default=text("'{}'")),
    Column("error", Text),
    reference("publication_id", "publications.id", nullable=True),
    one_of("status", "running", "done", "failed"),
    Index("ix_runs_now", "now"),
    comment="what each run did",
)

work_queue = Table(
    "work_queue",
    metadata,
    # score: events or profile changed; stage: the score was computed anew; entry: look at entries, exits and waits
    Column("queue", String(16), primary_key=True),
    Column("lead_id", Id, primary_key=True, autoincrement=False),
    Column("silent", Boolean, nullable=False, server_default=text("true")),
    Column("marks", Integer, nullable=False, server_default=text("1")),
    Column("batch", Key, index=True),
    instant("marked_at"),
    one_of("queue", "score", "stage", "entry"),
    comment="leads that a step has to look at; the step removes them in the transaction of its work",
)

installation = Table(
    "installation",
    metadata,
    Column("key", Key, primary_key=True),
    Column("value", Text, nullable=False),
    comment="what this database belongs to",
)
