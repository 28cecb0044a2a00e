"""Dead letters: read them, and try them again after the cause is mended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson

from db import dead_letters
from db.engine import Connection, Database
from db.intake import store
from nurture.definitions.catalogue import Catalogue
from nurture.definitions.mappings import Mapping
from nurture.errors import BadInput
from nurture.records import Origin, Record, Refused, event_from_json
from nurture.row_values import RollOver
from tasks.mappers import mapper_for

# By the name under which a mapping was used; None when it is gone.
MappingOf = Callable[[str], Mapping | None]
BATCH = 500
_MAX_SHOWN = 10_000


def waiting_letters(database: Database) -> list[dict[str, Any]]:
    """The letters that wait, in the order of their ids, without what the records said."""
    with database.read() as connection:
        return [dict(row) for row in dead_letters.waiting(connection, limit=_MAX_SHOWN)]


def release_due(database: Database, *, now: datetime, catalogue: Catalogue, secret: bytes) -> dict[str, int]:
    """Take in the events whose time has come."""
    counts = {"released": 0, "events_created": 0}
    while True:
        with database.write() as connection:
            letters = dead_letters.due(connection, now, BATCH)
            if not letters:
                return counts
            done, found = _try_again(connection, letters, _kept_record, now, catalogue, secret)
            counts["released"] += len(done)
            counts["events_created"] += found


def replay(
    database: Database,
    wanted: Sequence[int] | None,
    *,
    now: datetime,
    catalogue: Catalogue,
    secret: bytes,
    mapping_of: MappingOf,
) -> dict[str, Any]:
    """Try letters again, all or those named, with today's mappings and catalogue; raises BadInput for unknown ids."""
    replayed: list[int] = []
    refused: list[int] = []
    after = events = 0
    reader = _Reader(catalogue, mapping_of, now)
    while True:
        with database.write() as connection:
            letters = dead_letters.take(connection, wanted, after=after, limit=BATCH)
            if not letters:
                break
            after = letters[-1]["id"]
            done, created = _try_again(connection, letters, reader.records, now, catalogue, secret)
        events += created
        replayed += done
        refused += [letter["id"] for letter in letters if letter["id"] not in set(done)]
    unknown = sorted(set(wanted or ()) - {*replayed, *refused})
    if unknown:
        raise BadInput(f"no letter with the id {unknown[0]} is waiting; `ripen letters` lists them")
    return {"replayed": replayed, "refused": refused, "events_created": events}


def _try_again(
    connection: Connection,
    letters: Sequence[Any],
    records_of: Callable[[Any], Iterable[Record]],
    now: datetime,
    catalogue: Catalogue,
    secret: bytes,
) -> tuple[list[int], int]:
    """Store the records of letters and settle those that went in; returns their ids and the number of new events."""
    failed: dict[int, Refused] = {}
    groups: dict[tuple[str, bool], list[tuple[int, Record]]] = {}
    for letter in letters:
        group = groups.setdefault((letter["source"], bool(letter["context"].get("silent"))), [])
        group += [(letter["id"], record) for record in records_of(letter)]
    created = 0
    for (source, silent), members in groups.items():
        records = [record for _, record in members]
        # The records of a letter share its origin, by which a refusal finds its letter again.
        letter_of = {id(record.origin): letter for letter, record in members}
        found = store(
            connection,
            records,
            source=source,
            now=now,
            silent=silent,
            catalogue=catalogue,
            secret=secret,
            keep_refused=False,
        )
        created += found.events_created
        failed |= {letter_of[id(each.origin)]: each for each in found.refusals}
    for letter_id, refused in failed.items():
        dead_letters.refused_again(connection, letter_id, refused)
    done = [letter["id"] for letter in letters if letter["id"] not in failed]
    dead_letters.settle(connection, done, "replayed", now)
    return done, created


def _origin(letter: Any) -> Origin:
    return Origin(letter["place"] or "", letter["raw"], int(letter["context"].get("line") or 0))


def _kept_record(letter: Any) -> list[Record]:
    kept = letter["context"].get("record")
    if kept is None:
        return [Refused(letter["kind"], letter["reason"], letter["message"], _origin(letter))]
    return [event_from_json(kept, _origin(letter))]


class _Reader:
    """Reads what letters say, with one mapper for each mapping."""

    def __init__(self, catalogue: Catalogue, mapping_of: MappingOf, now: datetime) -> None:
        self.catalogue = catalogue
        self.mapping_of = mapping_of
        self.now = now
        self.mappings: dict[str, Mapping | None] = {}

    def records(self, letter: Any) -> list[Record]:
        """The records of a letter; a refusal when it cannot be read yet."""
        context = letter["context"]
        origin = _origin(letter)
        if context.get("form") == "record":
            return _kept_record(letter)
        if context.get("form") != "row":
            return [Refused(letter["kind"], letter["reason"], letter["message"], origin)]
        name = context.get("mapping")
        mapping = self._mapping(name) if name else None
        if name and mapping is None:
            if context.get("record"):
                return _kept_record(letter)
            message = f"its mapping {name} is gone; put it back under templates/mappings/, or import the source again"
            return [Refused(letter["kind"], letter["reason"], message, origin)]
        return self._read(letter, mapping, origin)

    def _read(self, letter: Any, mapping: Mapping | None, origin: Origin) -> list[Record]:
        context = letter["context"]
        kind = context.get("kind") or f"{letter['kind']}s"
        roll = RollOver(*context["roll"]) if context.get("roll") else None
        try:
            mapper = mapper_for(mapping, kind, self.catalogue, file=letter["source"], columns=None, roll=roll)
        except BadInput as error:
            return [Refused(letter["kind"], letter["reason"], str(error), origin)]
        found = mapper.read(orjson.loads(letter["raw"]), self.now, origin.line, origin.place)
        return found

    def _mapping(self, name: str) -> Mapping | None:
        if name not in self.mappings:
            self.mappings[name] = self.mapping_of(name)
        return self.mappings[name]
