"""Accounts: companies, one for all ways of writing its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from db.batches import ids, listed, next_ids
from db.tables import accounts, leads, scores


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


def add_up(connection: Connection, account_ids: Iterable[int]) -> None:
    """Add up the points of some companies anew; one that nobody is left of has none."""
    wanted = sorted(set(account_ids))
    if not wanted:
        return
    asked = ids(connection, "asked", wanted)
    people = leads.join(scores, scores.c.lead_id == leads.c.id)
    mine = (leads.c.account_id == accounts.c.id, leads.c.merged_into_id.is_(None))
    points = {
        name: func.coalesce(
            select(func.sum(scores.c[name])).select_from(people).where(*mine).correlate(accounts).scalar_subquery(), 0.0
        )
        for name in ("interest", "fit", "total")
    }
    connection.execute(update(accounts).where(accounts.c.id.in_(select(asked.c.id))).values(points))
