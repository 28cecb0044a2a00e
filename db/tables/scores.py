"""Scores with their breakdown, and stages with their cause."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, String, Table, Text, text

from db.tables.base import instant, metadata, one_of, primary_id, reference
from db.types import Id, Key

scores = Table(
    "scores",
    metadata,
    Column("lead_id", Id, primary_key=True, autoincrement=False),
    Column("interest", Float, nullable=False),
    Column("fit", Float, nullable=False),
    Column("total", Float, nullable=False, index=True),
    instant("scored_at"),
    instant("due_at", nullable=True, index=True),
    reference("version_id", "definition_versions.id"),
    comment="derived from events and definitions; can be recomputed at any time; due_at: when decay asks for it",
)

score_contributions = Table(
    "score_contributions",
    metadata,
    Column("lead_id", Id, primary_key=True, autoincrement=False),
    Column("rule", Key, primary_key=True),
    # rule: points of a rule; cap: what the rule's cap took away; group_cap: what a group's cap took; floor: what the
    # floor gave back
    Column("kind", String(16), primary_key=True),
    Column("dimension", String(16), nullable=False),
    Column("events", Integer, nullable=False),
    Column("raw_points", Float, nullable=False, comment="before decay and cap"),
    Column("points", Float, nullable=False, comment="what counts; all rows of a lead add up to its score"),
    instant("last_at", nullable=True),
    one_of("kind", "rule", "cap", "group_cap", "floor"),
    one_of("dimension", "interest", "fit"),
    comment="where each point comes from",
)

stage_transitions = Table(
    "stage_transitions",
    metadata,
    primary_id(),
    reference("lead_id", "leads.id"),
    Column("from_stage", String(16), nullable=False),
    Column("to_stage", String(16), nullable=False),
    instant("effective_at"),
    Column("effective_tiebreak", BigInteger, nullable=False, server_default=text("0")),
    instant("recorded_at"),
    # event: a conversion rule; score: a threshold; recycle: sales gave it back; person: by hand
    Column("cause", String(16), nullable=False),
    Column("rule", Key, nullable=False),
    Column("event_id", Id),
    Column("score", Float),
    Column("reason", Text, comment="what sales said, or that the event came late"),
    instant("cool_until", nullable=True, index=True),
    Column("silent", Boolean, nullable=False, server_default=text("false")),
    one_of("cause", "event", "score", "recycle", "person"),
    Index("ix_stage_transitions_lead", "lead_id", "effective_at"),
    Index("ix_stage_transitions_recorded", "recorded_at"),
    comment="append-only; ever reached is never lost",
)
