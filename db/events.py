"""Events: immutable facts, each once; anonymous ones find their lead when an identifier links them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, func, select, update

from db.batches import add_columns, ids, listed
from db.tables import events, identities, leads, messages
from nurture.stops import KINDS


class Answered(NamedTuple):
    """A message that an event names, and the lead that it was sent to as known today."""

    message_id: int
    lead_id: int


def add(
    connection: Connection, columns: Mapping[str, Sequence[Any]], same: Mapping[str, Any]
) -> set[tuple[str, str]] | None:
    """Store events, given column by column, each once; returns the keys of those that are new, None when all are.

    A key is the source and its event id. One that is stored stays as it is.
    """
    count = len(columns["source_event_id"])
    if not count:
        return None
    last = connection.execute(select(func.coalesce(func.max(events.c.id), 0))).scalar_one()
    if add_columns(connection, events, columns, same, skip_known=True) == count:
        return None
    # Ids grow, and no other intake stores events until this transaction ends.
    rows = select(events.c.source, events.c.source_event_id).where(events.c.id > last)
    return {(source, event_id) for source, event_id in connection.execute(rows)}


def answered(connection: Connection, keys: Iterable[str]) -> dict[str, Answered]:
    """The messages with these keys; a mail carries its own as `X-Ripen-Message`."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    asked = listed(connection, "asked", [[key] for key in wanted], messages.c.key)
    rows = connection.execute(
        select(messages.c.key, messages.c.id, func.coalesce(leads.c.merged_into_id, leads.c.id))
        .join(asked, asked.c.key == messages.c.key)
        .join(leads, leads.c.id == messages.c.lead_id)
    )
    return {str(key): Answered(int(id_), int(lead)) for key, id_, lead in rows}


def attach(connection: Connection, identity_ids: Iterable[int]) -> int:
    """Give the activity of identities that have found their lead to that lead; returns how many events."""
    wanted = sorted(set(identity_ids))
    if not wanted:
        return 0
    asked = ids(connection, "asked", wanted)
    owner = select(identities.c.lead_id).where(identities.c.id == events.c.identity_id).scalar_subquery()
    return connection.execute(
        update(events)
        .where(events.c.identity_id.in_(select(asked.c.id)), events.c.lead_id.is_(None))
        .values(lead_id=owner)
    ).rowcount


def stopping(connection: Connection, lead_ids: Iterable[int]) -> list[RowMapping]:
    """What some leads have said about consent, and what happened to their mailbox, in the order of time."""
    wanted = sorted(set(lead_ids))
    if not wanted:
        return []
    asked = ids(connection, "asked", wanted)
    rows = select(
        events.c.lead_id,
        events.c.type,
        events.c.source,
        events.c.source_event_id,
        events.c.occurred_at,
        events.c.properties,
        events.c.message_id,
    ).where(events.c.lead_id.in_(select(asked.c.id)), events.c.type.in_(KINDS))
    return list(connection.execute(rows.order_by(events.c.occurred_at, events.c.tiebreak)).mappings())


def first_seen(connection: Connection, lead_ids: Iterable[int]) -> None:
    """Let no lead be younger than its first event."""
    wanted = sorted(set(lead_ids))
    if wanted:
        asked = ids(connection, "asked", wanted)
        first = select(func.min(events.c.occurred_at)).where(events.c.lead_id == leads.c.id).scalar_subquery()
        connection.execute(
            update(leads).where(leads.c.id.in_(select(asked.c.id)), leads.c.created_at > first).values(created_at=first)
        )
