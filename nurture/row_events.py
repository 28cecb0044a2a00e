"""The events of a row, each with an id that stays the same when the row comes again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from nurture import normalise
from nurture.definitions import mappings
from nurture.definitions.mappings import EventPart
from nurture.errors import RefusedRow
from nurture.keys import content_event_id
from nurture.records import EventRecord, Identity, Origin, Record
from nurture.row_values import RollOver, Row, holds, instant_reader, number, plain, reader, word

MAX_COUNT = 1_000
_ONCE = range(1)
MAX_PROPERTIES = 65_536  # bytes of JSON


class EventReader:
    """The events that a row gives."""

    def __init__(
        self, part: EventPart, mapping: mappings.Mapping, missing: frozenset[str], roll: RollOver | None
    ) -> None:
        zone = mapping.time_zone
        self.part = part
        self.type = reader(part.type, missing, zone)
        self.source = reader(part.source, missing) if part.source else None
        self.default_source = mapping.source
        self.at = instant_reader(part.occurred_at, missing, zone, roll)
        self.count = reader(part.count, missing) if part.count else None
        self.properties = [(name, f"`{name}`", reader(value, missing, zone)) for name, value in part.properties.items()]
        self.machine = holds(part.machine, missing) if part.machine else None
        self.when = holds(part.when, missing) if part.when else None
        self.more_properties = part.more_properties
        # The source's own id, or the columns that make one.
        self.own_id = reader(mappings.Value(column=part.id), missing) if isinstance(part.id, str) else None
        self.ids = [
            reader(mappings.Value(column=name), missing) for name in (part.id if isinstance(part.id, list) else [])
        ]

    def read(
        self,
        row: Row,
        now: datetime,
        line: int,
        identities: tuple[Identity, ...],
        contact: Mapping[str, str],
        origin: Origin,
    ) -> list[Record]:
        """The events of the row; none when its conditions do not hold or its type says to leave it out."""
        if self.when is not None and not self.when(row):
            return []
        kind = self.type(row, line)
        if kind is None:
            if self.part.type.column and self.part.type.table is None:
                raise RefusedRow("no-type", f"`{self.part.type.column}`, the type of the event, is empty")
            return []
        occurred_at = self.at(row, now)
        if occurred_at is None:
            raise RefusedRow("no-date", "the date of the event is empty")
        kind = _name(word(kind), "the event type")
        source = _name(word((self.source and self.source(row, line)) or self.default_source), "`source`")
        properties = self._properties(row, line) if self.properties or self.more_properties else {}
        numbers = _ONCE if self.count is None else range(self._how_many(row, line))
        machine = self.machine is not None and self.machine(row)
        found: list[Record] = []
        for number_ in numbers:
            id_ = self._id(row, line, source, kind, occurred_at, identities, properties, number_)
            found.append(
                EventRecord(
                    source, id_, kind, occurred_at, identities, properties, contact, machine, None, None, origin
                )
            )
        return found

    def _how_many(self, row: Row, line: int) -> int:
        raw = self.count(row, line) if self.count else None
        if raw is None:
            return 0
        found = number(raw, (self.part.count and self.part.count.column) or "count")
        if not 0 <= found <= MAX_COUNT or int(found) != found:
            raise RefusedRow("bad-value", f"a count of events lies between 0 and {MAX_COUNT}")
        return int(found)

    def _properties(self, row: Row, line: int) -> dict[str, Any]:
        found = {name: plain(raw, what) for name, what, read in self.properties if (raw := read(row, line)) is not None}
        if self.more_properties:
            found = {**_object(row.get(self.more_properties), self.more_properties), **found}
        if found and len(orjson.dumps(found)) > MAX_PROPERTIES:
            raise RefusedRow("too-long", f"the event's properties are longer than {MAX_PROPERTIES // 1024} KB")
        return found

    def _id(
        self,
        row: Row,
        line: int,
        source: str,
        kind: str,
        occurred_at: datetime,
        identities: tuple[Identity, ...],
        properties: Mapping[str, Any],
        index: int,
    ) -> str:
        if self.own_id is not None:
            value = self.own_id(row, line)
            if value is None:
                return content_event_id(source, kind, occurred_at, identities, properties, index)
            return normalise.text(word(value), "the event's id", normalise.ID_LIMIT)
        values = [read(row, line) for read in self.ids]
        if not values or any(value is None for value in values):
            return content_event_id(source, kind, occurred_at, identities, properties, index)
        parts = [normalise.text(word(value), "the event's id", normalise.ID_LIMIT) for value in values]
        return ":".join([*parts, kind, *([str(index + 1)] if self.count else [])])


@lru_cache(maxsize=1_024)
def _name(given: str, what: str) -> str:
    """A type or source as plain text; there are few of them."""
    return normalise.text(given, what, 100)


def _object(raw: Any, column: str) -> dict[str, Any]:
    """A JSON object, given as one or as its text."""
    if raw is None or raw == "":
        return {}
    if isinstance(raw, str):
        try:
            raw = orjson.loads(raw)
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            raise RefusedRow("bad-value", f"`{column}` is not JSON") from None
    if not isinstance(raw, (dict, Mapping)):
        raise RefusedRow("bad-value", f"`{column}` is not a JSON object")
    found: dict[str, Any] = plain(raw, f"`{column}`")
    return found
