"""Dead letters: records that could not be used, with the reason and what they said, until somebody mends the cause."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, RowMapping, case, func, select, update

from db.batches import ids
from db.tables import dead_letters
from db.work import insert_for
from nurture.keys import record_digest
from nurture.records import Refused, event_as_json

# A future event that has been stored as it was read needs no mapping when its time comes.
FUTURE = "future"


def keep(
    connection: Connection, refused: Sequence[Refused], source: str, now: datetime, context: Mapping[str, Any]
) -> None:
    """Keep refused records; the same one again is counted, not kept twice."""
    if not refused:
        return
    table = dead_letters
    upsert = insert_for(connection)(table)
    fresh = {name: upsert.excluded[name] for name in ("reason", "message", "place", "context", "release_at")}
    # One that went in after a fix and is refused again is waiting again; one that a person gave up stays so.
    fresh["status"] = case((table.c.status == "dropped", "dropped"), else_="waiting")
    fresh["seen"] = table.c.seen + 1
    connection.execute(
        upsert.on_conflict_do_update(index_elements=["digest"], set_=fresh),
        [_row(each, source, now, context) for each in refused],
    )


def _row(refused: Refused, source: str, now: datetime, context: Mapping[str, Any]) -> dict[str, Any]:
    raw = refused.origin.raw
    form = "text" if isinstance(raw, bytes) else "row"
    kept = event_as_json(refused.record) if refused.record and (refused.release_at or not raw) else None
    if kept and not raw:
        # An event of our own making: there is no other text of it.
        raw, form = kept, "record"
    content = raw if isinstance(raw, bytes) else as_bytes(raw)
    return {
        "source": source,
        "kind": refused.kind,
        "place": refused.origin.place or None,
        "reason": refused.reason,
        "message": refused.message,
        "raw": content,
        "context": {
            **context,
            "line": refused.origin.line,
            **({"roll": refused.origin.roll} if refused.origin.roll else {}),
            "form": form,
            **({"record": kept} if kept else {}),
        },
        "digest": record_digest(source, refused.kind, content),
        "received_at": now,
        "release_at": refused.release_at,
    }


def as_bytes(row: Mapping[str, Any]) -> bytes:
    """A row as JSON; what JSON cannot say in UTF-8 is escaped."""
    try:
        return orjson.dumps(dict(row), default=str)
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(dict(row), default=str).encode()


def due(connection: Connection, now: datetime, limit: int) -> list[RowMapping]:
    """Letters whose time has come, the earliest first."""
    table = dead_letters
    rows = select(table).where(table.c.status == "waiting", table.c.release_at <= now)
    return list(connection.execute(rows.order_by(table.c.release_at, table.c.id).limit(limit)).mappings())


def waiting(connection: Connection, *, after: int = 0, limit: int = 1_000) -> list[RowMapping]:
    """Letters that need a person or their time, in the order of their ids, without the records themselves."""
    table = dead_letters
    columns = [column for column in table.c if column.name not in ("raw", "context", "digest")]
    rows = select(*columns).where(table.c.status == "waiting", table.c.id > after)
    return list(connection.execute(rows.order_by(table.c.id).limit(limit)).mappings())


def counts(connection: Connection) -> dict[str, int]:
    """How many letters wait, by reason."""
    rows = select(dead_letters.c.reason, func.count()).where(dead_letters.c.status == "waiting")
    return {str(reason): int(count) for reason, count in connection.execute(rows.group_by(dead_letters.c.reason))}


def take(connection: Connection, wanted: Sequence[int] | None, *, after: int, limit: int) -> list[RowMapping]:
    """Waiting letters to try again, all or those named; locked, so that two replays do not meet in one."""
    table = dead_letters
    rows = select(table).where(table.c.status == "waiting", table.c.id > after)
    if wanted is not None:
        asked = ids(connection, "asked", wanted)
        rows = rows.where(table.c.id.in_(select(asked.c.id)))
    return list(connection.execute(rows.order_by(table.c.id).limit(limit).with_for_update()).mappings())


def settle(connection: Connection, letter_ids: Iterable[int], status: str, now: datetime) -> None:
    """Close letters that went in (`replayed`) or were given up (`dropped`)."""
    wanted = sorted(letter_ids)
    if wanted:
        asked = ids(connection, "asked", wanted)
        connection.execute(
            update(dead_letters).where(dead_letters.c.id.in_(select(asked.c.id))).values(status=status, settled_at=now)
        )


def refused_again(connection: Connection, letter_id: int, refused: Refused) -> None:
    """Note why a letter still cannot be used; its time, if it has one, is the new one."""
    connection.execute(
        update(dead_letters)
        .where(dead_letters.c.id == letter_id)
        .values(reason=refused.reason, message=refused.message, release_at=refused.release_at)
    )
