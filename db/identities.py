"""Identities: how a lead is recognised; one that belongs to nobody yet collects anonymous activity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, select, update

from db.batches import add_rows, ids, listed
from db.tables import identities, leads
from nurture.records import EMAIL, Identity


class Known(NamedTuple):
    """A stored identity and its lead; a merged lead has been replaced by the one that survives."""

    id: int
    lead_id: int | None


def find(connection: Connection, wanted: Iterable[Identity]) -> dict[Identity, Known]:
    """The identities of a list that are stored."""
    rows = list(wanted)
    if not rows:
        return {}
    asked = listed(connection, "asked", rows, identities.c.kind, identities.c.value)
    found = connection.execute(
        select(
            identities.c.kind,
            identities.c.value,
            identities.c.id,
            func.coalesce(leads.c.merged_into_id, identities.c.lead_id),
        ).select_from(
            asked.join(
                identities, (identities.c.kind == asked.c.kind) & (identities.c.value == asked.c.value)
            ).outerjoin(leads, leads.c.id == identities.c.lead_id)
        )
    )
    return {Identity(kind, value): Known(id_, lead_id) for kind, value, id_, lead_id in found.all()}


def with_email(connection: Connection, lead_ids: Iterable[int]) -> set[int]:
    """Those of the leads that are recognised by an address."""
    wanted = sorted(set(lead_ids))
    if not wanted:
        return set()
    asked = ids(connection, "asked", wanted)
    # As a join SQLite may walk the list once for every address that it knows.
    rows = select(identities.c.lead_id).where(identities.c.lead_id.in_(select(asked.c.id)), identities.c.kind == EMAIL)
    return set(connection.execute(rows).scalars())


def survivors(connection: Connection, lead_ids: Iterable[int]) -> dict[int, int]:
    """For every lead id that exists, the id of the lead that it is today."""
    wanted = sorted(set(lead_ids))
    if not wanted:
        return {}
    asked = ids(connection, "asked", wanted)
    rows = select(leads.c.id, func.coalesce(leads.c.merged_into_id, leads.c.id)).where(
        leads.c.id.in_(select(asked.c.id))
    )
    return {int(id_): int(today) for id_, today in connection.execute(rows)}


def add(connection: Connection, rows: list[tuple[int, Identity, int | None]], now: datetime) -> None:
    """Store new identities: id, identity and lead."""
    add_rows(
        connection,
        identities,
        [
            {"id": id_, "kind": identity.kind, "value": identity.value, "lead_id": lead, "created_at": now}
            for id_, identity, lead in rows
        ],
    )


def link(connection: Connection, leads_by_identity: Mapping[int, int], now: datetime) -> None:
    """Say to whom identities belong that belonged to nobody; their life as that lead's begins now."""
    if leads_by_identity:
        connection.execute(
            update(identities)
            .where(identities.c.id == bindparam("known"))
            .values(lead_id=bindparam("lead"), created_at=now),
            [{"known": known, "lead": lead} for known, lead in sorted(leads_by_identity.items())],
        )
