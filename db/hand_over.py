"""One worker's acts on the ledger: claim, the point of no return, and what became of it.

Each is fenced by the owner's token: a worker whose lease has run out changes nothing any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, and_, literal, or_, select, update

from db import frozen_mails, sequences, work
from db.conditions import NOW
from db.contact_caps import ContactCaps
from db.holds import IN_SALES_HANDS, is_held, pause_for_sales
from db.holds import ON_HOLD as SEQUENCES_ON_HOLD
from db.messages import FREQUENCY_CAP, ON_HOLD, moved_on, ready, refusal
from db.subqueries import there_is, value_of
from db.tables import accounts, consent_states, leads, messages
from db.types import UTCDateTime, database_clock, plus_seconds
from nurture.permissions import Permissions

# The lease ran out, and the message is somebody else's.
TAKEN_OVER = "taken-over"
# It was written to an address that the lead has left since; it is written anew.
ADDRESS_CHANGED = "address-changed"
OWNER: sa.BindParameter[str] = sa.bindparam("owner", type_=sa.String())


def recover(
    connection: Connection, now: datetime, repeatable: str | None = None, *, any_transport: bool = False
) -> dict[str, int]:
    """Take over what dead workers left: claims go back to the queue, hand-overs become unknown and are never resent.

    The transport in use, when it knows keys again (`repeatable`), gets the very same act once more while they live; of
    another one nothing can be repeated. With `any_transport` that is left open.
    """
    expired = and_(messages.c.settled_at.is_(None), messages.c.lease_until < database_clock())
    parked = given_up = 0
    if repeatable is not None or any_transport:
        parked = frozen_mails.park_expired(connection, expired, repeatable, now)
    if not any_transport:
        given_up = frozen_mails.give_up(connection, repeatable, now)
    is_frozen = frozen_mails.is_frozen()
    requeued = len(requeue(connection))
    unknown = connection.execute(
        update(messages)
        .where(or_(messages.c.status == "handing_over", and_(messages.c.status == "claimed", is_frozen)), expired)
        .values(
            status="unknown",
            reason=frozen_mails.REPLY_LOST,
            detail="the worker died during the hand-over",
            settled_at=now,
            owner=None,
            lease_until=None,
        )
    ).rowcount
    if unknown or given_up:
        frozen_mails.thaw_settled(connection)
    return {"messages_requeued": requeued, "messages_unknown": unknown + given_up, "messages_to_repeat": parked}


def requeue(connection: Connection) -> list[datetime]:
    """Put the claims of dead workers back into the queue; returns when their leases ended."""
    mine = messages.c.settled_at.is_(None), messages.c.status == "claimed", messages.c.lease_until < database_clock()
    query = select(messages.c.id, messages.c.lease_until).where(*mine, ~frozen_mails.is_frozen())
    found = connection.execute(query.order_by(messages.c.id).with_for_update(of=messages)).all()
    if found:
        connection.execute(
            update(messages)
            .where(messages.c.id.in_([row.id for row in found]))
            .values(status="queued", owner=None, lease_until=None)
        )
    return [row.lease_until for row in found]


def lease_end(lease: timedelta) -> Any:
    """When a claim made now ends by itself, by the clock of the database."""
    return plus_seconds(database_clock(), literal(lease.total_seconds()))


def claim(
    connection: Connection,
    owner: str,
    now: datetime,
    limit: int,
    lease: timedelta,
    *,
    measuring: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Take ready messages for one worker, most urgent first, with all that rendering needs.

    `measuring` are the topics of which a withdrawal means that a lead's mails carry nothing to measure it by.
    """
    wanted = (
        select(messages.c.id)
        .where(ready(), messages.c.sequence.not_in(SEQUENCES_ON_HOLD))
        .order_by(messages.c.priority.desc(), messages.c.due_at, messages.c.id)
        .limit(limit)
    )
    claimed = connection.execute(
        update(messages)
        .where(work.is_free(connection, messages.c.id, wanted))
        .values(status="claimed", owner=owner, lease_until=lease_end(lease), reason=None),
        {"now": now},
    ).rowcount
    return _claimed(connection, owner, measuring) if claimed else []


# What an e-mail may know of its reader.
_READER = (
    leads.c.email.label("address"),
    leads.c.first_name,
    leads.c.last_name,
    leads.c.name,
    leads.c.company,
    leads.c.country,
    leads.c.city,
    leads.c.job_title,
    leads.c.language,
    leads.c.time_zone,
    leads.c.attributes,
    accounts.c.name.label("account_name"),
)


def _claimed(connection: Connection, owner: str, measuring: Collection[str]) -> list[dict[str, Any]]:
    query = (
        select(messages, *_READER, _not_measured(measuring).label("not_measured"))
        .join(leads, leads.c.id == messages.c.lead_id)
        .outerjoin(accounts, accounts.c.id == leads.c.account_id)
        # Known from the status, and said so that the index of the open messages serves.
        .where(messages.c.owner == OWNER, messages.c.status == "claimed", messages.c.settled_at.is_(None))
        .order_by(messages.c.priority.desc(), messages.c.due_at, messages.c.id)
    )
    return [dict(row) for row in connection.execute(query, {"owner": owner}).mappings()]


def _not_measured(measuring: Collection[str]) -> Any:
    if not measuring:
        return sa.false()
    return there_is(
        consent_states,
        consent_states.c.lead_id == leads.c.id,
        consent_states.c.topic.in_(sorted(measuring)),
        consent_states.c.status == "withdrawn",
    )


def reader(connection: Connection, lead_id: int, measuring: Collection[str] = ()) -> dict[str, Any]:
    """One lead as an e-mail would know it, for a preview; `measuring` as in `claim`."""
    columns = (*_READER, _not_measured(measuring).label("not_measured"))
    query = select(*columns).select_from(leads.outerjoin(accounts, accounts.c.id == leads.c.account_id))
    return dict(connection.execute(query.where(leads.c.id == lead_id)).mappings().one())


def sent(connection: Connection, key: str, measuring: Collection[str] = ()) -> dict[str, Any] | None:
    """A message by its key with its reader of today; None when it was never handed over, or its lead is erased."""
    query = (
        select(messages, *_READER, _not_measured(measuring).label("not_measured"))
        .join(leads, leads.c.id == messages.c.lead_id)
        .outerjoin(accounts, accounts.c.id == leads.c.account_id)
        .where(messages.c.key == key, messages.c.handed_over_at.is_not(None), leads.c.erased_at.is_(None))
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)


def give_keys(connection: Connection, keys: Mapping[int, str]) -> None:
    """Store the opaque keys of claimed messages."""
    if keys:
        connection.execute(
            update(messages).where(messages.c.id == sa.bindparam("message")).values(key=sa.bindparam("new_key")),
            [{"message": message, "new_key": key} for message, key in keys.items()],
        )


def hand_over(
    connection: Connection,
    message_id: int,
    owner: str,
    now: datetime,
    lease: timedelta,
    *,
    transport: str,
    recipient: str | None = None,
    subject: str,
    locale: str | None,
    caps: ContactCaps,
    permissions: Permissions,
    pausing: Collection[str] = (),
) -> str | None:
    """The point of no return: check everything once more under lock, then set `handing_over`; returns the refusal.

    The lead's row is locked first, and every transaction that suppresses locks it too, so that an unsubscribe commits
    either before this check or after the hand-over began. Without `owner` still being us nothing is sent. A sequence
    that has been put on hold gets its message back, and so does the queue when a cap has no slot left, or when the lead
    is not reached at `recipient` any more: nobody has asked whether that address is stopped.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"message": message_id})
    row = connection.execute(caps.checked(check_statement(permissions)), {"message": message_id, "now": now}).one()
    if row.owner != owner or row.status != "claimed":
        return TAKEN_OVER
    # Sales has got the lead just now: a sequence that pauses puts its mail off, any other one skips it.
    put_off = row.refusal == IN_SALES_HANDS and row.sequence in pausing
    if put_off:
        pause_for_sales(connection, [row.sequence], now)
    if row.on_hold or put_off:
        connection.execute(
            update(messages).where(messages.c.id == message_id).values(status="queued", owner=None, lease_until=None)
        )
        return ON_HOLD
    if row.refusal is not None:
        connection.execute(
            update(messages)
            .where(messages.c.id == message_id)
            .values(status="skipped", reason=row.refusal, settled_at=now, owner=None, lease_until=None)
        )
        return str(row.refusal)
    if recipient is not None and row.address != recipient:
        connection.execute(
            update(messages).where(messages.c.id == message_id).values(status="queued", owner=None, lease_until=None)
        )
        return ADDRESS_CHANGED
    if row.free_at > now:
        connection.execute(_CAPPED, {"message": message_id, "free_at": row.free_at, "now": now})
        return FREQUENCY_CAP
    values = {"on_transport": transport, "as_subject": subject, "in_locale": locale, "by_consent": row.consent_id}
    mine = {"message": message_id, "worker": owner, "now": now, "lease": lease.total_seconds()}
    connection.execute(_HAND_OVER, {**mine, **values})
    return None


@lru_cache(maxsize=16)
def check_statement(permissions: Permissions) -> Any:
    """What is asked of one message under lock; built once for the definitions that say the same."""
    consent = (
        select(consent_states.c.consent_id)
        .where(consent_states.c.lead_id == messages.c.lead_id, consent_states.c.topic == messages.c.topic)
        .scalar_subquery()
    )
    return select(
        messages.c.owner,
        messages.c.status,
        messages.c.sequence,
        or_(messages.c.sequence.in_(SEQUENCES_ON_HOLD), is_held(messages.c.enrollment_id)).label("on_hold"),
        refusal(permissions).label("refusal"),
        value_of(leads, leads.c.email, leads.c.id == messages.c.lead_id).label("address"),
        consent.label("consent_id"),
    ).where(messages.c.id == sa.bindparam("message", type_=sa.BigInteger()))


# Built once: they are on the way of every single message.
_ID: sa.BindParameter[int] = sa.bindparam("message", type_=sa.BigInteger())
_MESSAGE = messages.c.id == _ID
_MINE = messages.c.owner == sa.bindparam("worker", type_=sa.String())
# No sequence's state is changed until the end of the transaction, and the lead is locked; not stronger than needed: a
# row that refers to the lead may be written meanwhile.
_LOCK = (
    select(leads.c.id, sequences.SHARED)
    .where(leads.c.id == select(messages.c.lead_id).where(_MESSAGE).scalar_subquery())
    .with_for_update(key_share=True)
)
_HAND_OVER = (
    update(messages)
    .where(_MESSAGE, _MINE)
    .values(
        status="handing_over",
        handed_over_at=NOW,
        lease_until=plus_seconds(database_clock(), sa.bindparam("lease", type_=sa.Float())),
        transport=sa.bindparam("on_transport"),
        subject=sa.bindparam("as_subject"),
        locale=sa.bindparam("in_locale"),
        consent_id=sa.bindparam("by_consent"),
        attempts=messages.c.attempts + 1,
    )
)
_FREE_AT: sa.BindParameter[datetime] = sa.bindparam("free_at", type_=UTCDateTime())
_CAPPED = (
    update(messages)
    .where(_MESSAGE)
    .values(
        status="queued",
        reason=FREQUENCY_CAP,
        not_before=_FREE_AT,
        expires_at=moved_on(NOW, _FREE_AT),
        owner=None,
        lease_until=None,
    )
)
