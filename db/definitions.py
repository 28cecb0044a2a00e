"""Definition versions and publications: what is live, and what was."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from db import work
from db.tables import definition_versions, enrollments, publication_items, publications


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


def in_flight(connection: Connection, version_id: int) -> dict[str, int]:
    """How many active enrollments stand on each step of a sequence version."""
    rows = connection.execute(
        select(enrollments.c.step_id, func.count())
        .where(enrollments.c.version_id == version_id, enrollments.c.status == "active")
        .group_by(enrollments.c.step_id)
    )
    return {str(step): int(count) for step, count in rows}


def versions_in_flight(connection: Connection, sequence: str, version_id: int) -> dict[int, Any]:
    """The other versions, id to body, from which somebody would follow to this one."""
    followers = select(enrollments.c.version_id).where(
        enrollments.c.sequence == sequence,
        enrollments.c.status == "active",
        enrollments.c.pinned.is_(False),
        enrollments.c.version_id != version_id,
    )
    rows = connection.execute(
        select(definition_versions.c.id, definition_versions.c.body).where(definition_versions.c.id.in_(followers))
    )
    return {int(row.id): row.body for row in rows}


def follow(
    connection: Connection, old_version: int, version_id: int, moves: Mapping[str, str | None], now: datetime
) -> int:
    """Take those in flight to a new version; where their step is gone, to the next surviving one (None: completed)."""
    moved = 0
    mine = (
        enrollments.c.version_id == old_version,
        enrollments.c.status == "active",
        enrollments.c.pinned.is_(False),
    )
    for old, new in moves.items():
        if new is None:
            moved += connection.execute(
                update(enrollments)
                .where(*mine, enrollments.c.step_id == old)
                .values(
                    status="completed",
                    reason="steps-removed",
                    waiting_for=None,
                    wake_at=None,
                    waiting_since=None,
                    message_id=None,
                    moved_at=now,
                    ended_at=now,
                    version_id=version_id,
                )
            ).rowcount
        else:
            # The step is gone: what it waited for is gone too, and the next one is due at once.
            moved += connection.execute(
                update(enrollments)
                .where(*mine, enrollments.c.step_id == old, enrollments.c.waiting_for.in_(("wake", "event")))
                .values(step_id=new, waiting_for="wake", wake_at=now, waiting_since=None, moved_at=now)
            ).rowcount
            # A mail under way, and a hold, stay what they wait for; the next step counts from their end.
            moved += connection.execute(
                update(enrollments)
                .where(*mine, enrollments.c.step_id == old, enrollments.c.waiting_for.in_(("message", "hold")))
                .values(step_id=new, moved_at=now)
            ).rowcount
    connection.execute(update(enrollments).where(*mine).values(version_id=version_id))
    return moved


def pin(connection: Connection, version_id: int) -> int:
    """Keep those in flight on the version they are in."""
    return connection.execute(
        update(enrollments)
        .where(enrollments.c.version_id == version_id, enrollments.c.status == "active")
        .values(pinned=True)
    ).rowcount
