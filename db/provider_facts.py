"""What e-mail providers report, each once and as it came; what it means for a lead is an event of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from db.batches import ids, listed
from db.tables import leads, messages, provider_facts
from db.work import insert_for


def messages_by_provider_id(connection: Connection, provider_ids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Message and lead by the id that the provider gave the message; an id that two messages have says nothing."""
    wanted = sorted(set(provider_ids))
    if not wanted:
        return {}
    asked = listed(connection, "asked", [[each] for each in wanted], messages.c.provider_id)
    rows = connection.execute(
        select(messages.c.provider_id, messages.c.id, messages.c.lead_id).join(
            asked, asked.c.provider_id == messages.c.provider_id
        )
    )
    found: dict[str, list[tuple[int, int]]] = {}
    for provider_id, message, lead in rows:
        found.setdefault(str(provider_id), []).append((int(message), int(lead)))
    return {provider_id: each[0] for provider_id, each in found.items() if len(each) == 1}


def erased_among(connection: Connection, lead_ids: Iterable[int]) -> set[int]:
    """Those of some leads that have been erased."""
    wanted = sorted(set(lead_ids))
    if not wanted:
        return set()
    asked = ids(connection, "asked", wanted)
    rows = select(leads.c.id).where(leads.c.id.in_(select(asked.c.id)), leads.c.erased_at.is_not(None))
    return {int(each) for each in connection.execute(rows).scalars()}


def keep(connection: Connection, facts: Sequence[Mapping[str, Any]]) -> int:
    """Store what is new; returns how many. A fact that comes again stays as it was."""
    if not facts:
        return 0
    done = connection.execute(insert_for(connection)(provider_facts).on_conflict_do_nothing(), list(facts))
    return max(done.rowcount, 0)
