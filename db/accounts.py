"""Accounts: companies, one for all ways of writing its name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, insert, select

from db.batches import listed, next_ids
from db.tables import accounts


def find_or_create(connection: Connection, names: Mapping[str, str], now: datetime) -> dict[str, int]:
    """The ids of companies by key; `names` gives each key the name that a new one gets."""
    if not names:
        return {}
    asked = listed(connection, "asked", [[key] for key in names], accounts.c.name_key)
    rows = select(accounts.c.name_key, accounts.c.id).where(accounts.c.name_key.in_(select(asked.c.name_key)))
    found = {str(key): int(id_) for key, id_ in connection.execute(rows)}
    new = sorted(set(names) - set(found))
    if new:
        made = dict(zip(new, next_ids(connection, accounts, len(new)), strict=True))
        connection.execute(
            insert(accounts),
            [{"id": id_, "name": names[key], "name_key": key, "created_at": now} for key, id_ in made.items()],
        )
        found |= made
    return found
