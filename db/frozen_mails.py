"""Messages handed over under a key that the provider knows again, kept word for word until they are settled.

As long as the key lives the very same act may be repeated: what had arrived is not sent again, what had not is. Until
then its messages stay `handing_over`, belong to no worker, and say that their reply was lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, case, delete, func, insert, or_, select, update

from db.subqueries import there_is, value_of
from db.tables import frozen_mails, messages

REPLY_LOST = "reply-lost"


def is_frozen() -> Any:
    """Whether a message is kept so."""
    return there_is(frozen_mails, frozen_mails.c.message_id == messages.c.id)


def is_parked() -> Any:
    """Whether a message waits for its act to be repeated."""
    return and_(
        messages.c.status == "handing_over",
        messages.c.settled_at.is_(None),
        messages.c.owner.is_(None),
        messages.c.reason == REPLY_LOST,
    )


PARKED: Mapping[str, Any] = {"status": "handing_over", "owner": None, "lease_until": None, "reason": REPLY_LOST}


def freeze(connection: Connection, act: str, plans: Sequence[tuple[int, Mapping[str, Any]]], until: datetime) -> None:
    """Keep the messages of one act, in its order, until the provider forgets their keys."""
    rows = [
        {
            "message_id": message,
            "act": act,
            "place": place,
            "members": len(plans),
            "plan": dict(plan),
            "until": until,
        }
        for place, (message, plan) in enumerate(plans)
    ]
    connection.execute(insert(frozen_mails), rows)


def thaw(connection: Connection, message_ids: Sequence[int]) -> None:
    """Forget those of the messages that are settled, or are to be written anew; not what somebody else has in hand."""
    if not message_ids:
        return
    mine = messages.c.id == frozen_mails.c.message_id
    in_hand = there_is(messages, mine, messages.c.status.in_(("claimed", "handing_over")))
    connection.execute(delete(frozen_mails).where(frozen_mails.c.message_id.in_(message_ids), ~in_hand))


def park(connection: Connection, message_ids: Sequence[int], owner: str, until: datetime, response: str) -> int:
    """After a lost reply: let the act be repeated from then on; returns how many messages."""
    mine = and_(messages.c.id.in_(message_ids), messages.c.owner == owner, messages.c.status == "handing_over")
    values = {**PARKED, "not_before": until, "response": response}
    return connection.execute(update(messages).where(mine).values(values)).rowcount


def park_expired(connection: Connection, expired: Any, transport: str | None, now: datetime) -> int:
    """What dead workers of a transport, or of any, had in hand under keys that still live may be repeated."""
    until = value_of(frozen_mails, frozen_mails.c.until, frozen_mails.c.message_id == messages.c.id)
    mine = and_(messages.c.status.in_(("claimed", "handing_over")), until > now)
    if transport is not None:
        mine = and_(mine, messages.c.transport == transport)
    return connection.execute(update(messages).where(mine, expired).values(**PARKED, not_before=None)).rowcount


def give_up(connection: Connection, transport: str | None, now: datetime) -> int:
    """What can be repeated no longer is unknown: its key is forgotten, or another transport is in use."""
    other = frozen_mails.alias()
    lives = there_is(
        frozen_mails,
        frozen_mails.c.message_id == messages.c.id,
        frozen_mails.c.until > now,
        # Somebody of it was erased: what is left would be another act, under another key.
        frozen_mails.c.members == value_of(other, func.count(), other.c.act == frozen_mails.c.act),
    )
    return connection.execute(
        update(messages)
        .where(is_parked(), or_(~lives, messages.c.transport.is_distinct_from(transport)))
        .values(
            status="unknown",
            detail="it may have been sent, and can be repeated no longer",
            settled_at=now,
            not_before=None,
        )
    ).rowcount


def thaw_settled(connection: Connection) -> None:
    """Forget whatever is settled."""
    mine = messages.c.id == frozen_mails.c.message_id
    connection.execute(delete(frozen_mails).where(there_is(messages, mine, messages.c.settled_at.is_not(None))))


def due_acts(connection: Connection, now: datetime, limit: int) -> list[str]:
    """Acts of which every message waits to be repeated, the oldest first."""
    due = and_(is_parked(), or_(messages.c.not_before.is_(None), messages.c.not_before <= now))
    rows = connection.execute(
        select(frozen_mails.c.act)
        .join(messages, messages.c.id == frozen_mails.c.message_id)
        .group_by(frozen_mails.c.act)
        .having(func.sum(case((due, 1), else_=0)) == func.max(frozen_mails.c.members))
        .order_by(func.min(frozen_mails.c.message_id))
        .limit(limit)
    )
    return [str(row.act) for row in rows]


_OF_MESSAGE = ("attempts", "lead_id", "locale", "sequence", "email")


def claim_act(connection: Connection, act: str, owner: str, lease_until: Any) -> list[dict[str, Any]]:
    """Take an act for one worker, in the order in which it was handed over; empty when somebody else has any of it."""
    mine = messages.c.id.in_(select(frozen_mails.c.message_id).where(frozen_mails.c.act == act))
    claimed = connection.execute(
        update(messages)
        .where(mine, is_parked())
        .values(status="claimed", owner=owner, lease_until=lease_until, not_before=None)
    ).rowcount
    rows = connection.execute(
        select(frozen_mails, *(messages.c[name] for name in _OF_MESSAGE))
        .join(messages, messages.c.id == frozen_mails.c.message_id)
        .where(frozen_mails.c.act == act, messages.c.owner == owner)
        .order_by(frozen_mails.c.place)
    )
    found = [dict(row._mapping) for row in rows]
    if len(found) == claimed and all(row["members"] == claimed for row in found):
        return found
    # Of one something was heard meanwhile: the rest would be another act, and is given up by the next run.
    connection.execute(update(messages).where(mine, messages.c.owner == owner).values(**PARKED))
    return []


def put_off(connection: Connection, act: str, owner: str, until: datetime) -> None:
    """One of an act may not be sent at the moment: all of it waits on."""
    mine = messages.c.id.in_(select(frozen_mails.c.message_id).where(frozen_mails.c.act == act))
    values = {**PARKED, "not_before": until}
    connection.execute(update(messages).where(mine, messages.c.owner == owner).values(values))


def not_repeated(connection: Connection, act: str, owner: str, now: datetime) -> int:
    """One of an act may not be sent any more, so that it cannot be repeated: all of it is unknown."""
    mine = messages.c.id.in_(select(frozen_mails.c.message_id).where(frozen_mails.c.act == act))
    count = connection.execute(
        update(messages)
        .where(mine, messages.c.owner == owner)
        .values(
            status="unknown",
            reason=REPLY_LOST,
            detail="it may have been sent, and is not repeated: one of its act may not be sent any more",
            settled_at=now,
            owner=None,
            lease_until=None,
        )
    ).rowcount
    connection.execute(delete(frozen_mails).where(frozen_mails.c.act == act))
    return count
