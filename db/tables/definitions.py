"""Which definitions are, and were, live."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table, Text, UniqueConstraint

from db.tables.base import instant, metadata, primary_id, reference
from db.types import Json, Key

definition_versions = Table(
    "definition_versions",
    metadata,
    primary_id(),
    Column("key", Key, nullable=False, comment="scoring, lifecycle, sequences/<name>, emails/<name>, ..."),
    Column("hash", Key, nullable=False, comment="SHA-256 of the canonical body"),
    Column("body", Json, nullable=False),
    instant("created_at"),
    UniqueConstraint("key", "hash"),
    comment="every version of every definition; immutable",
)

publications = Table(
    "publications",
    metadata,
    primary_id(),
    Column("hash", Key, nullable=False),
    Column("profile", String(16), nullable=False),
    Column("note", Text),
    instant("published_at"),
    comment="each time definitions went live; the last one is in force",
)

publication_items = Table(
    "publication_items",
    metadata,
    reference("publication_id", "publications.id"),
    Column("key", Key, nullable=False),
    reference("version_id", "definition_versions.id"),
    Column("position", Integer, nullable=False),
    UniqueConstraint("publication_id", "key"),
    comment="the versions that a publication holds",
)
