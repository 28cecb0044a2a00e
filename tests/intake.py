"""What the tests of intake share: the shipped catalogue, short ways to say a lead or an event, a look into tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from db import tables
from db.engine import Database
from db.intake import IntakeCounts, store
from nurture.definitions.catalogue import Catalogue
from nurture.records import EventRecord, Identity, LeadRecord, Record
from nurture.strict_yaml import load_yaml

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "templates"
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = b"a secret of the tests"


@cache
def catalogue() -> Catalogue:
    """The shipped event types, fields and topics."""
    text = (TEMPLATES / "events.yaml").read_text(encoding="utf-8")
    return Catalogue.model_validate(load_yaml(text, "events.yaml").data)


def who(email: str | None = None, **others: str) -> tuple[Identity, ...]:
    """Identifiers: an address, and `phone`, `anonymous` or the name of another system."""
    found = [Identity("email", email)] if email else []
    kinds = {"phone": "phone", "anonymous": "anonymous"}
    return tuple(found + [Identity(kinds.get(kind, f"external:{kind}"), value) for kind, value in others.items()])


def lead(email: str | None = None, *, others: dict[str, str] | None = None, **more: Any) -> LeadRecord:
    """A lead; keywords that are no part of the record are profile fields."""
    parts = {key: more.pop(key) for key in ("attributes", "consents", "created_at", "as_of") if key in more}
    fields = {**({"email": email} if email else {}), **more}
    return LeadRecord(who(email, **(others or {})), fields, **parts)


def event(id_: str, kind: str = "page.viewed", email: str | None = None, **more: Any) -> EventRecord:
    """An event of an address, at NOW unless said."""
    others = more.pop("others", {})
    contact = {"email": email} if email else {}
    return EventRecord(
        more.pop("source", "test"),
        id_,
        kind,
        more.pop("at", NOW),
        who(email, **others),
        more.pop("properties", {}),
        contact,
        **more,
    )


class Store:
    """A database, written through the real intake and looked into with plain SELECTs."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    def put(self, *records: Record, now: datetime = NOW, silent: bool = False, source: str = "test") -> IntakeCounts:
        """Store records in one transaction."""
        return self.put_all(records, now=now, silent=silent, source=source)

    def put_all(
        self, records: Sequence[Record], *, now: datetime = NOW, silent: bool = False, source: str = "test"
    ) -> IntakeCounts:
        """The same for a list."""
        with self.database.write() as connection:
            return store(
                connection, records, source=source, now=now, silent=silent, catalogue=catalogue(), secret=SECRET
            )

    def rows(self, table: str, *names: str, **equal: Any) -> list[Any]:
        """Rows of a table in the order of their making: mappings, tuples of the named columns, or single values."""
        of = tables.metadata.tables[table]
        chosen = sa.select(*[of.c[name] for name in names]) if names else sa.select(of)
        chosen = chosen.where(*[of.c[name] == value for name, value in equal.items()])
        chosen = chosen.order_by(*of.primary_key.columns)
        with self.database.read() as connection:
            found = connection.execute(chosen)
            if len(names) == 1:
                return list(found.scalars())
            return [tuple(row) for row in found] if names else [dict(row) for row in found.mappings()]

    def close(self) -> None:
        """Close the database."""
        self.database.dispose()
