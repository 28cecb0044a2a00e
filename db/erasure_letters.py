"""Of an erased person: the dead letters that speak of them, and names of files that do."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, RowMapping, bindparam, delete, select, update

from db.batches import ids
from db.merge_events import DUPLICATE
from db.tables import dead_letters, intake_files
from nurture.mentions import Mentions

_BATCH = 1_000
# What stands in place of a file's name that named somebody.
NAME_ERASED = "name erased"


class Letters(NamedTuple):
    """The letters of a person, and the events that a merge has set aside with them."""

    ids: list[int]
    events: list[int]


def letters_of(connection: Connection, mentions: Mentions, lead_ids: Collection[int]) -> Letters:
    """The dead letters that speak of a person.

    They are read one by one: what a record that nobody could use says about whom, no index knows.
    """
    letters: list[int] = []
    events: list[int] = []
    for row in _all(connection):
        raw = _plain(row["raw"])
        if row["reason"] == DUPLICATE and isinstance(raw, dict) and raw.get("lead_id") in lead_ids:
            letters.append(int(row["id"]))
            events.append(int(raw["id"]))
        elif _speaks_of(row, raw, mentions, lead_ids):
            letters.append(int(row["id"]))
    return Letters(letters, events)


def _all(connection: Connection) -> Iterator[RowMapping]:
    after = 0
    while True:
        rows = select(dead_letters).where(dead_letters.c.id > after).order_by(dead_letters.c.id).limit(_BATCH)
        found = connection.execute(rows).mappings().all()
        if not found:
            return
        yield from found
        after = int(found[-1]["id"])


def _plain(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _speaks_of(row: RowMapping, raw: Any, mentions: Mentions, lead_ids: Collection[int]) -> bool:
    context = row["context"] or {}
    record = context.get("record")
    if isinstance(record, dict):
        named = {tuple(each) for each in record.get("identities", [])}
        if named & mentions.identities or record.get("lead_id") in lead_ids:
            return True
    texts = (row["place"] or "", row["message"], row["raw"].decode("utf-8", "replace"))
    source = str(raw.get("source") or row["source"]) if isinstance(raw, dict) else row["source"]
    return (
        any(mentions.in_text(text) for text in texts)
        or mentions.in_record(raw, source)
        or mentions.in_record(record, source)
    )


def delete_letters(connection: Connection, letter_ids: list[int]) -> int:
    """Delete letters by id."""
    asked = ids(connection, "asked", letter_ids)
    return connection.execute(delete(dead_letters).where(dead_letters.c.id.in_(select(asked.c.id)))).rowcount


def rename_files(connection: Connection, mentions: Mentions) -> int:
    """Take the names away from files that were named after the person; they are known by their content anyway."""
    rows = connection.execute(select(intake_files.c.digest, intake_files.c.name, intake_files.c.source)).all()
    named = [row.digest for row in rows if mentions.in_text(row.name) or mentions.in_text(row.source)]
    if named:
        connection.execute(
            update(intake_files)
            .where(intake_files.c.digest == bindparam("known"))
            .values(name=NAME_ERASED, source=NAME_ERASED),
            [{"known": digest} for digest in named],
        )
    return len(named)
