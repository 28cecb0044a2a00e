"""What became of a message that a worker had in hand: its verdict, another try, or back into the queue.

Each is fenced by the owner's token: a worker whose lease has run out changes nothing any more, but that its verdict is
evidence for what is in doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, and_, or_, update

from db import frozen_mails
from db.conditions import NOW
from db.tables import messages

# Temporary refusals are tried again after so long; the last pause repeats, so that trying ends after three days.
RETRY_AFTER = (timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4), timedelta(hours=12))
MOST_ATTEMPTS = 10

_MESSAGE = messages.c.id == sa.bindparam("message", type_=sa.BigInteger())
_MINE = messages.c.owner == sa.bindparam("worker", type_=sa.String())
_VERDICT = {
    "status": sa.bindparam("to_status"),
    "reason": sa.bindparam("for_reason"),
    "response": sa.bindparam("with_response"),
    "provider_id": sa.bindparam("under_id"),
    "settled_at": NOW,
    "owner": None,
    "lease_until": None,
}
_SETTLE = update(messages).where(_MESSAGE, _MINE, messages.c.status == "handing_over").values(_VERDICT)
# The lease ran out during the reply; the verdict is evidence for the unknown, and for what waits to be repeated.
_IN_DOUBT = or_(messages.c.status == "unknown", frozen_mails.is_parked())
_SETTLE_UNKNOWN = update(messages).where(_MESSAGE, _IN_DOUBT).values(_VERDICT | {"not_before": None})


def settle(
    connection: Connection,
    message_id: int,
    owner: str,
    now: datetime,
    *,
    status: str,
    reason: str | None,
    response: str | None,
    provider_id: str | None,
) -> bool:
    """Record the provider's verdict; False when somebody else has declared the message unknown meanwhile."""
    verdict = {"to_status": status, "for_reason": reason, "with_response": response, "under_id": provider_id}
    values = {"message": message_id, "worker": owner, "now": now, **verdict}
    changed = connection.execute(_SETTLE, values).rowcount
    if not changed and status in ("accepted", "rejected"):
        connection.execute(_SETTLE_UNKNOWN, values)
    return bool(changed)


def retry(
    connection: Connection,
    message_id: int,
    owner: str,
    now: datetime,
    *,
    attempts: int,
    reason: str,
    response: str,
) -> str:
    """Put a message back after a temporary refusal, or give it up after three days of trying; returns the new status.

    `attempts` counts this one too. How long the message was queued says nothing: it may have been held for days.
    """
    values: dict[str, Any] = {"owner": None, "lease_until": None, "reason": reason, "response": response}
    if attempts >= MOST_ATTEMPTS:
        values |= {"status": "failed", "settled_at": now}
    else:
        pause = RETRY_AFTER[min(attempts, len(RETRY_AFTER)) - 1]
        values |= {"status": "queued", "not_before": now + pause, "handed_over_at": None}
    connection.execute(
        update(messages)
        .where(
            messages.c.id == message_id, messages.c.owner == owner, messages.c.status.in_(("claimed", "handing_over"))
        )
        .values(values)
    )
    return str(values["status"])


def count_attempt(connection: Connection, message_id: int, owner: str) -> bool:
    """A try that ended before the hand-over counts too; False when the message is somebody else's."""
    mine = messages.c.id == message_id, messages.c.owner == owner
    return bool(connection.execute(update(messages).where(*mine).values(attempts=messages.c.attempts + 1)).rowcount)


def hold(connection: Connection, message_id: int, owner: str, until: datetime, reason: str, detail: str) -> None:
    """Put a claimed message back with the reason why it cannot be sent now; nothing is counted."""
    connection.execute(
        update(messages)
        .where(messages.c.id == message_id, messages.c.owner == owner, messages.c.status == "claimed")
        .values(status="queued", owner=None, lease_until=None, not_before=until, reason=reason, detail=detail[:500])
    )


def reject_claimed(
    connection: Connection, message_id: int, owner: str, now: datetime, reason: str, response: str
) -> None:
    """The provider's permanent no before the hand-over."""
    connection.execute(
        update(messages)
        .where(messages.c.id == message_id, messages.c.owner == owner, messages.c.status == "claimed")
        .values(
            status="rejected",
            reason=reason,
            response=response,
            settled_at=now,
            owner=None,
            lease_until=None,
        )
    )


def take_back(connection: Connection, message_ids: Sequence[int], owner: str) -> int:
    """Nothing of what was being handed over has left: it goes back, and no attempt is counted; returns how many."""
    mine = and_(messages.c.id.in_(message_ids), messages.c.owner == owner, messages.c.status == "handing_over")
    return connection.execute(
        update(messages)
        .where(mine)
        .values(
            status="queued",
            owner=None,
            lease_until=None,
            handed_over_at=None,
            attempts=messages.c.attempts - 1,
        )
    ).rowcount


def release(connection: Connection, owner: str) -> int:
    """Give back every claim of a worker that stops."""
    mine = and_(messages.c.owner == owner, messages.c.status == "claimed", messages.c.settled_at.is_(None))
    is_frozen = frozen_mails.is_frozen()
    connection.execute(update(messages).where(mine, is_frozen).values(**frozen_mails.PARKED))
    return connection.execute(
        update(messages).where(mine, ~is_frozen).values(status="queued", owner=None, lease_until=None)
    ).rowcount
