"""Definition versions and publications: what is live, and what was."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from db import work
from db.tables import definition_versions, publication_items, publications


@dataclass(frozen=True)
class Live:
    """The publication in force: documents by key, and the version id of each."""

    publication_id: int
    hash: str
    profile: str
    published_at: datetime
    documents: dict[str, Any]
    versions: dict[str, int]


def digest(body: Any) -> str:
    """The content hash of a definition: SHA-256 of its canonical JSON."""
    import orjson

    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def live(connection: Connection) -> Live | None:
    """The publication in force, or None when nothing was ever published."""
    row = connection.execute(select(publications).order_by(publications.c.id.desc()).limit(1)).one_or_none()
    return _load(connection, row) if row is not None else None


def live_hash(connection: Connection) -> str | None:
    """The hash of the publication in force, to see cheaply whether it changed."""
    return connection.execute(select(publications.c.hash).order_by(publications.c.id.desc()).limit(1)).scalar()


def _load(connection: Connection, row: Any) -> Live:
    items = connection.execute(
        select(definition_versions.c.id, definition_versions.c.key, definition_versions.c.body)
        .join(publication_items, publication_items.c.version_id == definition_versions.c.id)
        .where(publication_items.c.publication_id == row.id)
        .order_by(publication_items.c.position)
    ).all()
    return Live(
        int(row.id),
        row.hash,
        row.profile,
        row.published_at,
        {item.key: item.body for item in items},
        {item.key: int(item.id) for item in items},
    )


def publish(
    connection: Connection, documents: Mapping[str, Any], profile: str, now: datetime, note: str | None
) -> Live:
    """Store each document as a version (a known one is reused) and make them live together."""
    hashes = {key: digest(body) for key, body in documents.items()}
    together = digest([profile, sorted(hashes.items())])
    insert_version = work.insert_for(connection)(definition_versions).on_conflict_do_nothing()
    connection.execute(
        insert_version,
        [{"key": key, "hash": hashes[key], "body": body, "created_at": now} for key, body in documents.items()],
    )
    known = {
        (row.key, row.hash): int(row.id)
        for row in connection.execute(
            select(definition_versions.c.id, definition_versions.c.key, definition_versions.c.hash).where(
                definition_versions.c.hash.in_(list(hashes.values()))
            )
        )
    }
    publication = connection.execute(
        insert(publications)
        .values(hash=together, profile=profile, note=note, published_at=now)
        .returning(publications.c.id)
    ).scalar_one()
    connection.execute(
        insert(publication_items),
        [
            {"publication_id": publication, "key": key, "version_id": known[key, hashes[key]], "position": place}
            for place, key in enumerate(documents)
        ],
    )
    found = live(connection)
    assert found is not None
    return found


def publication(connection: Connection, publication_id: int) -> Live | None:
    """A publication of the past."""
    row = connection.execute(select(publications).where(publications.c.id == publication_id)).one_or_none()
    return _load(connection, row) if row is not None else None


def in_force(connection: Connection, at: datetime) -> Live | None:
    """The publication that was in force at an instant; the first one for what is older."""
    before = select(publications).where(publications.c.published_at <= at).order_by(publications.c.id.desc()).limit(1)
    row = connection.execute(before).one_or_none()
    if row is None:
        row = connection.execute(select(publications).order_by(publications.c.id).limit(1)).one_or_none()
    return _load(connection, row) if row is not None else None


def history(connection: Connection, limit: int = 50) -> list[dict[str, Any]]:
    """The publications, newest first."""
    rows = connection.execute(
        select(
            publications.c.id,
            publications.c.hash,
            publications.c.profile,
            publications.c.note,
            publications.c.published_at,
        )
        .order_by(publications.c.id.desc())
        .limit(limit)
    )
    return [dict(row._mapping) for row in rows]


def find(connection: Connection, version: str) -> Live | None:
    """The newest publication with this id, or whose hash begins so."""
    query = select(publications).order_by(publications.c.id.desc()).limit(1)
    if version.isascii() and version.isdigit() and len(version) < 12:
        row = connection.execute(query.where(publications.c.id == int(version))).one_or_none()
    elif len(version) >= 6:
        row = connection.execute(query.where(publications.c.hash.startswith(version, autoescape=True))).one_or_none()
    else:
        row = None
    return _load(connection, row) if row is not None else None
