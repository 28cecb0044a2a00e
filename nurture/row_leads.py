"""What a row says about a person: who it is, the profile, the consents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from nurture import normalise
from nurture.definitions import mappings
from nurture.definitions.mappings import Identities, LeadPart
from nurture.errors import RefusedRow
from nurture.records import ANONYMOUS, EMAIL, EXTERNAL, PHONE, Consent, Identity, LeadRecord, Origin
from nurture.row_values import RollOver, Row, holds, instant_reader, plain, reader, word

NO_IDENTIFIER = "no-identifier"
# The identifiers of a person, and how to reach them.
Who = tuple[tuple[Identity, ...], Mapping[str, str]]


@lru_cache(maxsize=16_384)
def _by_address(raw: str) -> Who:
    """Somebody known by an address; those who do much come again and again."""
    address = normalise.email(raw)
    return (Identity(EMAIL, address.identity),), {"email": address.given}


class PeopleReader:
    """Who a row is about."""

    def __init__(self, who: Identities, mapping: mappings.Mapping, missing: frozenset[str]) -> None:
        self.email = reader(who.email, missing) if who.email else None
        self.phone = reader(who.phone, missing) if who.phone else None
        self.anonymous = reader(who.anonymous, missing) if who.anonymous else None
        self.external = [
            (EXTERNAL + system, reader(value, missing), value.split)
            for system, values in who.external.items()
            for value in values
        ]
        self.phone_country = mapping.phone_country
        self.only_email = not (self.phone or self.anonymous or self.external)

    def read(self, row: Row, line: int, country: str | None) -> Who:
        """The identifiers, strongest first, and how to reach the person as it was given."""
        raw = self.email(row, line) if self.email else None
        by_address = _by_address(raw if isinstance(raw, str) else str(raw)) if raw is not None else None
        if by_address is not None and self.only_email:
            return by_address
        found: list[Identity] = list(by_address[0]) if by_address else []
        contact: dict[str, str] = dict(by_address[1]) if by_address else {}
        raw = self.phone(row, line) if self.phone else None
        if raw is not None:
            region = country if country and len(country) == 2 else self.phone_country
            number_ = normalise.phone(word(raw), region)
            contact["phone"] = number_ or normalise.text(word(raw), "the phone number", normalise.LIMITS["phone"] * 2)
            if number_:
                found.append(Identity(PHONE, number_))
        found += self._others(row, line)
        if not found:
            raise RefusedRow(
                NO_IDENTIFIER,
                "the phone number cannot be read, and there is no other identifier"
                if contact
                else "no e-mail address, phone number or other identifier: nobody can be recognised",
            )
        return tuple(found), contact

    def _others(self, row: Row, line: int) -> list[Identity]:
        found = []
        for kind, read, split in self.external:
            raw = read(row, line)
            for part in [] if raw is None else word(raw).split(split) if split else [word(raw)]:
                value = normalise.text(part.strip(" []\"'") if split else part, "the identifier", normalise.ID_LIMIT)
                if value:
                    found.append(Identity(kind, value))
        raw = self.anonymous(row, line) if self.anonymous else None
        if raw is not None:
            found.append(Identity(ANONYMOUS, normalise.text(word(raw), "the anonymous id", normalise.ID_LIMIT)))
        return list(dict.fromkeys(found))


class LeadReader:
    """What a row says about the person."""

    def __init__(
        self, part: LeadPart, mapping: mappings.Mapping, missing: frozenset[str], roll: RollOver | None
    ) -> None:
        zone = mapping.time_zone
        self.fields = [(name, reader(value, missing, zone)) for name, value in part.fields.items()]
        self.attributes = [(name, f"`{name}`", reader(value, missing, zone)) for name, value in part.attributes.items()]
        self.consents = [_Consent(each, mapping, missing, roll) for each in part.consents]
        self.created_at = instant_reader(part.created_at, missing, zone, roll) if part.created_at else None
        self.updated_at = instant_reader(part.updated_at, missing, zone, roll) if part.updated_at else None
        self.source = mapping.source
        self.named = frozenset(mapping.columns()) if mapping.other_columns == "attributes" else None
        self.missing = missing
        self._country = next((read for name, read in self.fields if name == "country"), None)
        self.knows_country = self._country is not None

    def country(self, row: Row, line: int) -> str | None:
        """The country as two letters where it is known."""
        raw = self._country(row, line) if self._country else None
        return None if raw is None else normalise.country(word(raw))

    def read(
        self,
        row: Row,
        now: datetime,
        line: int,
        identities: tuple[Identity, ...],
        contact: Mapping[str, str],
        origin: Origin,
    ) -> LeadRecord:
        """The lead of the row."""
        fields = dict(contact)
        for name, read in self.fields:
            raw = read(row, line)
            if raw is not None:
                limit = normalise.LIMITS.get(name, normalise.FIELD_LIMIT)
                if name == "time_zone":
                    _refuse_unknown_zone(word(raw))
                fields[name] = (
                    normalise.country(word(raw)) if name == "country" else normalise.text(word(raw), f"`{name}`", limit)
                )
        fields.setdefault("source", self.source)
        if "" in fields.values():
            fields = {name: value for name, value in fields.items() if value}
        attributes: dict[str, Any] = {}
        for name, what, read in self.attributes:
            raw = read(row, line)
            if raw is not None:
                attributes[name] = plain(raw, what)
        if self.named is not None:
            attributes = {**self._others(row), **attributes}
        return LeadRecord(
            identities,
            fields,
            attributes,
            tuple([found for each in self.consents if (found := each.read(row, now, line))]) if self.consents else (),
            self.created_at(row, now) if self.created_at else None,
            self.updated_at(row, now) if self.updated_at else None,
            origin,
        )

    def _others(self, row: Row) -> dict[str, Any]:
        return {
            re.sub(r"\W+", "_", name.casefold()).strip("_")[: normalise.ID_LIMIT]: plain(raw, f"`{name}`")
            for name, raw in row.items()
            if name and name not in (self.named or ()) and raw not in (None, "") and raw not in self.missing
        }


def _refuse_unknown_zone(name: str) -> None:
    """A lead in a zone that nobody knows would get no local time."""
    try:
        normalise.time_zone(name)
    except ValueError as error:
        raise RefusedRow("bad-value", str(error)) from None


class _Consent:
    """A consent that a row gives or withdraws."""

    def __init__(
        self, part: mappings.ConsentPart, mapping: mappings.Mapping, missing: frozenset[str], roll: RollOver | None
    ) -> None:
        self.part = part
        self.status, self.basis = reader(part.status, missing), reader(part.basis, missing)
        self.source = reader(part.source, missing) if part.source else None
        self.wording = reader(part.wording, missing) if part.wording else None
        self.at = instant_reader(part.occurred_at, missing, mapping.time_zone, roll) if part.occurred_at else None
        self.when = holds(part.when, missing)
        self.default_source = mapping.source

    def read(self, row: Row, now: datetime, line: int) -> Consent | None:
        """The consent of the row, None when it says nothing."""
        status = self.status(row, line) if self.when(row) else None
        if status is None:
            return None
        basis: Any = self.basis(row, line) or "consent"
        if status not in ("granted", "withdrawn", "pending"):
            raise RefusedRow("bad-consent", "a consent is granted, withdrawn or pending")
        if basis not in ("consent", "soft_opt_in", "legitimate_interest", "none"):
            raise RefusedRow(
                "bad-consent", "the basis of a consent is consent, soft_opt_in, legitimate_interest or none"
            )
        source = self.source(row, line) if self.source else None
        wording = self.wording(row, line) if self.wording else None
        return Consent(
            status=status,
            basis=basis,
            topic=self.part.topic,
            channel=self.part.channel,
            source=normalise.text(source or self.default_source, "the consent's source", normalise.FIELD_LIMIT),
            wording=normalise.text(wording, "the wording", lines=True) if wording else None,
            occurred_at=self.at(row, now) if self.at else None,
            confirmed=self.part.confirmed,
        )
