"""One row in, records out: a lead, any number of events, or a refusal with its reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from nurture.definitions import mappings
from nurture.definitions.mappings import Identities, LeadPart
from nurture.errors import RefusedRow
from nurture.records import MESSAGE_KEY, EventRecord, Kind, Origin, Record, Refused
from nurture.row_events import EventReader
from nurture.row_leads import NO_IDENTIFIER, LeadReader, PeopleReader
from nurture.row_values import RollOver, Row, month_of


def apply_mapping(mapping: mappings.Mapping, row: Row, now: datetime, line: int, kind: str = "leads") -> list[Record]:
    """What one row says, by itself; for many rows keep one RowMapper."""
    return RowMapper(mapping, kind).read(row, now, line)


# More shapes than any file has that a program wrote; a file of random keys must not fill the memory.
MAX_SHAPES = 200
# The mapping for rows that have just these keys.
Narrow = Callable[[tuple[str, ...]], mappings.Mapping]


def _of_a_message(
    readers: _Readers, row: Row, now: datetime, line: int, origin: Origin, refusal: RefusedRow
) -> list[Record]:
    """The events of a row without a person: they are their message's lead's when they name one; else the refusal."""
    if refusal.reason != NO_IDENTIFIER:
        raise refusal
    found: list[Record] = []
    for event in readers.events:
        found += event.read(row, now, line, (), {}, origin)
    if not found or not all(isinstance(each, EventRecord) and each.properties.get(MESSAGE_KEY) for each in found):
        raise refusal
    return found


class _Readers:
    """What reads a row by one mapping."""

    def __init__(self, mapping: mappings.Mapping, kind: str, roll: RollOver | None) -> None:
        missing = frozenset(mapping.missing)
        who = mapping.identities or Identities.model_construct(external={})
        self.people = PeopleReader(who, mapping, missing)
        lead = mapping.lead or (LeadPart() if kind == "leads" else None)
        self.lead = LeadReader(lead, mapping, missing, roll) if lead else None
        self.events = [EventReader(event, mapping, missing, roll) for event in mapping.events]


class RowMapper:
    """A mapping made ready for many rows.

    Rows do not touch each other, except through `roll`, the year of dates that have none; `known` says which keys a row
    without mapping may have. Most rows of a file have the same few keys: with `narrow` each such shape is checked once,
    and read by a mapping that does not ask for what is not there.
    """

    def __init__(
        self,
        mapping: mappings.Mapping,
        kind: str,
        file: str = "",
        known: Callable[[str], str | None] | None = None,
        roll: RollOver | None = None,
        narrow: Narrow | None = None,
    ) -> None:
        self.mapping = mapping
        self.kind: Kind = "event" if kind == "events" else "lead"
        self.file = file
        self.known = known
        self.narrow = narrow
        self.date = next((each.date for each in mapping.instants() if each.date and each.date.rollover), None)
        self.roll = roll or (RollOver(self.date.start_year or 0) if self.date else None)
        self._everything = _Readers(mapping, kind, self.roll)
        self._shapes: dict[tuple[str, ...], _Readers] = {}

    def read(self, row: Row, now: datetime, line: int, place: str = "") -> list[Record]:
        """The records of a row; one refusal for all of it when any part of it cannot be used."""
        if self.date is not None:
            self.pass_over(row)
        roll = (self.roll.year, self.roll.month) if self.roll else None
        origin = Origin(place or f"{self.file}:{line}", row, line, roll)
        try:
            readers = self._shapes.get(tuple(row)) or self._readers_of(row)
            lead = readers.lead
            country = lead.country(row, line) if lead and lead.knows_country else None
            try:
                identities, contact = readers.people.read(row, line, country)
            except RefusedRow as refusal:
                return _of_a_message(readers, row, now, line, origin, refusal)
            records: list[Record] = [lead.read(row, now, line, identities, contact, origin)] if lead else []
            for event in readers.events:
                records += event.read(row, now, line, identities, contact, origin)
            return records
        except RefusedRow as refusal:
            return [Refused(self.kind, refusal.reason, str(refusal), origin)]

    def pass_over(self, row: Row) -> None:
        """Let a row move the year, also one that is not read again."""
        if self.date is not None and self.roll is not None:
            month = month_of(self.date, row)
            if month is not None:
                self.roll.meet(month)

    def _readers_of(self, row: Row) -> _Readers:
        """The readers of a shape that has not been met; raises RefusedRow for a key that is not known."""
        if self.known is not None:
            for name in row:
                problem = self.known(name)
                if problem:
                    raise RefusedRow("unknown-column", problem)
        if self.narrow is None or len(self._shapes) >= MAX_SHAPES:
            return self._everything
        shape = tuple(row)
        made = _Readers(self.narrow(shape), "events" if self.kind == "event" else "leads", self.roll)
        return self._shapes.setdefault(shape, made)
