"""Leads: profiles as they were last given; newer knowledge replaces older, and nothing replaces knowledge by a gap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select, update

from db.batches import add_rows, ids
from db.tables import leads
from nurture.records import FIRST_STAYS, PROFILE, LeadRecord

_COLUMNS = (*PROFILE, "email_hash", "account_id", "attributes", "created_at", "updated_at")


@dataclass(slots=True)
class Draft:
    """A lead's profile while a batch changes it; `as_of` is how old its newest knowledge is."""

    values: dict[str, Any]
    attributes: dict[str, Any]
    created_at: datetime
    as_of: datetime
    email_hash: str | None = None
    account_id: int | None = None
    changed: bool = field(default=False)

    def learn(self, fields: Iterable[tuple[str, str]], as_of: datetime, *, only_gaps: bool = False) -> None:
        """Take over fields: newer ones replace, older ones only fill gaps, the first source stays."""
        newer = as_of >= self.as_of and not only_gaps
        for name, value in fields:
            old = self.values.get(name)
            if value != old and (old is None or (newer and name not in FIRST_STAYS)):
                self.values[name] = value
                self.changed = True

    def learn_attributes(self, attributes: Iterable[tuple[str, Any]], as_of: datetime) -> None:
        """Take over attributes by the same rule; None says nothing."""
        newer = as_of >= self.as_of
        for name, value in attributes:
            old = self.attributes.get(name)
            if value is not None and value != old and (old is None or newer):
                self.attributes[name] = value
                self.changed = True

    def row(self) -> dict[str, Any]:
        """The columns to store."""
        return {
            **{name: self.values.get(name) for name in PROFILE},
            "email_hash": self.email_hash,
            "account_id": self.account_id,
            "attributes": self.attributes,
            "created_at": self.created_at,
            "updated_at": self.as_of,
        }


class Met(NamedTuple):
    """What a batch needs of a lead that it meets: since when it is known, and the fields that the batch speaks of."""

    created_at: datetime
    fields: dict[str, str | None]

    def may_learn(self, record: LeadRecord) -> bool:
        """Whether a record may change the profile; most files say again what is known."""
        if record.attributes or record.created_at is not None:
            return True
        if record.fields.items() <= self.fields.items():
            return False
        known = self.fields
        return any(
            value != known[name] and (known[name] is None or name not in FIRST_STAYS)
            for name, value in record.fields.items()
        )


def meet(connection: Connection, lead_ids: Iterable[int], fields: Iterable[str]) -> dict[int, Met]:
    """Some leads, with the fields that are asked for."""
    wanted = sorted(set(lead_ids))
    if not wanted:
        return {}
    names = sorted(fields)
    asked = ids(connection, "asked", wanted)
    rows = select(leads.c.id, leads.c.created_at, *[leads.c[name] for name in names]).where(
        leads.c.id.in_(select(asked.c.id))
    )
    return {
        id_: Met(created_at, dict(zip(names, values, strict=True)))
        for id_, created_at, *values in connection.execute(rows).all()
    }


def drafts(connection: Connection, lead_ids: Iterable[int]) -> dict[int, Draft]:
    """The stored profiles of some leads."""
    wanted = sorted(set(lead_ids))
    if not wanted:
        return {}
    asked = ids(connection, "asked", wanted)
    rows = select(leads.c.id, *[leads.c[name] for name in _COLUMNS]).where(leads.c.id.in_(select(asked.c.id)))
    found: dict[int, Draft] = {}
    for row in connection.execute(rows).mappings():
        values = {name: row[name] for name in PROFILE if row[name] is not None}
        found[row["id"]] = Draft(
            values, dict(row["attributes"]), row["created_at"], row["updated_at"], row["email_hash"], row["account_id"]
        )
    return found


def lock(connection: Connection, lead_ids: Iterable[int]) -> None:
    """Lock leads in the order of their ids: who suppresses and who is about to send meet here, one after the other."""
    wanted = sorted(set(lead_ids))
    if wanted and connection.dialect.name == "postgresql":
        asked = ids(connection, "asked", wanted)
        rows = (
            select(leads.c.id)
            .where(leads.c.id.in_(select(asked.c.id)))
            .order_by(leads.c.id)
            .with_for_update(key_share=True)
        )
        connection.execute(rows).all()


def add(connection: Connection, made: dict[int, Draft]) -> None:
    """Store new leads."""
    add_rows(connection, leads, [{"id": id_, **draft.row()} for id_, draft in sorted(made.items())])


def change(connection: Connection, changed: dict[int, Draft]) -> None:
    """Store the profiles that have changed, in the order of their ids."""
    if changed:
        connection.execute(
            update(leads).where(leads.c.id == bindparam("known")),
            [{"known": id_, **draft.row()} for id_, draft in sorted(changed.items())],
        )
