"""What came in, how far we have read, and what could not be used."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, Text, text

from db.tables.base import instant, metadata, one_of, primary_id
from db.types import Json, Key

source_cursors = Table(
    "source_cursors",
    metadata,
    Column("source", Key, primary_key=True),
    Column("cursor", Text, comment="as the source gave it; moves in the transaction of the rows it covers"),
    instant("moved_at"),
    instant("not_before", nullable=True),
    comment="how far each source has been read",
)

intake_files = Table(
    "intake_files",
    metadata,
    Column("digest", Key, primary_key=True, comment="SHA-256 of content, mapping and kind: the same file once"),
    Column("source", Key, nullable=False),
    Column("name", Text, nullable=False),
    Column("rows_done", Integer, nullable=False, server_default=text("0")),
    Column("status", String(16), nullable=False),
    Column("counts", Json, nullable=False, server_default=text("'{}'")),
    instant("started_at"),
    instant("ended_at", nullable=True),
    # reading: in hand, resumes after rows_done; done: every row applied or refused; refused: not readable as a whole
    one_of("status", "reading", "done", "refused"),
    comment="files read from a watched folder or imported by hand",
)

dead_letters = Table(
    "dead_letters",
    metadata,
    primary_id(),
    Column("source", Key, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("place", Text, comment="file and line, or page"),
    Column("reason", Key, nullable=False, comment="short stable word"),
    Column("message", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False, comment="the record as it came"),
    Column(
        "context", Json, nullable=False, server_default=text("'{}'"), comment="what a replay needs: mapping, silence"
    ),
    Column("digest", Key, nullable=False, unique=True, comment="the same bad record is kept once"),
    Column("seen", Integer, nullable=False, server_default=text("1")),
    instant("received_at"),
    instant("release_at", nullable=True, index=True),
    Column("status", String(16), nullable=False, server_default=text("'waiting'")),
    instant("settled_at", nullable=True),
    one_of("kind", "lead", "event"),
    # waiting: needs a person or its time; replayed: went in; dropped: given up by a person
    one_of("status", "waiting", "replayed", "dropped"),
    Index("ix_dead_letters_status", "status", "reason"),
    comment="records that could not be used, with reason and raw content",
)
