"""Whose link it is: from the key of a message to the lead it was sent to."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from db.identities import survivors
from db.tables import consents, messages


@dataclass(frozen=True, slots=True)
class MessageLink:
    """A message and its lead as known today; `last_grant` is the id of the last consent that the lead gave, else 0."""

    message_id: int
    lead_id: int
    last_grant: int


def of_key(connection: Connection, key: str) -> MessageLink | None:
    """The message with this key, None when there is none or its lead is no more."""
    row = connection.execute(select(messages.c.id, messages.c.lead_id).where(messages.c.key == key)).one_or_none()
    if row is None:
        return None
    lead = survivors(connection, [int(row.lead_id)]).get(int(row.lead_id))
    if lead is None:
        return None
    granted = select(func.max(consents.c.id)).where(consents.c.lead_id == lead, consents.c.status == "granted")
    return MessageLink(int(row.id), lead, int(connection.execute(granted).scalar() or 0))
