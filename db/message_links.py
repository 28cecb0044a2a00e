"""Whose link it is: from the key of a message to the lead it was sent to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, func, select

from db.consents import words_of
from db.identities import survivors
from db.tables import consents, events, leads, messages


@dataclass(frozen=True, slots=True)
class MessageLink:
    """A message and its lead as known today.

    `last_grant` is the id of the last consent that the lead gave, `last_word` that of the last word it said about any
    topic; 0 where there is none. `sent_at` is None while it has not been handed over.
    """

    message_id: int
    lead_id: int
    last_grant: int
    last_word: int
    sent_at: datetime | None


def of_key(connection: Connection, key: str) -> MessageLink | None:
    """The message with this key, None when there is none, or its lead is no more or was erased."""
    columns = messages.c.id, messages.c.lead_id, messages.c.handed_over_at
    row = connection.execute(select(*columns).where(messages.c.key == key)).one_or_none()
    if row is None:
        return None
    lead = survivors(connection, [int(row.lead_id)]).get(int(row.lead_id))
    if lead is None:
        return None
    if connection.execute(select(leads.c.erased_at).where(leads.c.id == lead)).scalar_one() is not None:
        return None
    granted = func.max(case((consents.c.status == "granted", consents.c.id)))
    last = connection.execute(select(granted, func.max(consents.c.id)).where(consents.c.lead_id == lead)).one()
    return MessageLink(int(row.id), lead, int(last[0] or 0), int(last[1] or 0), row.handed_over_at)


def is_measured(connection: Connection, lead_id: int, topics: Collection[str]) -> bool:
    """Whether a lead has withdrawn none of these topics, which are those of measuring."""
    words = words_of(connection, lead_id) if topics else {}
    return all(topic not in words or words[topic].status != "withdrawn" for topic in topics)


def visits_since(connection: Connection, link: MessageLink, source: str, since: datetime) -> int:
    """How many events of a source about a message have happened since an instant."""
    mine = events.c.lead_id == link.lead_id, events.c.message_id == link.message_id, events.c.source == source
    counted = select(func.count()).where(*mine, events.c.occurred_at >= since)
    return int(connection.execute(counted).scalar_one())
