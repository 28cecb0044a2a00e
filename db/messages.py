"""The message ledger: every message is a row before anything is handed over.

queued -> claimed -> handing_over -> accepted | rejected | failed | unknown, or skipped with its reason before that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import Connection, FromClause, RowMapping, and_, case, func, literal, or_, select, update

from db import sequences
from db.conditions import NOW
from db.holds import IN_SALES_HANDS, is_held
from db.sales_tasks import has_open_task
from db.subqueries import there_is
from db.tables import (
    accounts,
    consent_states,
    enrollments,
    leads,
    messages,
    sequence_states,
    suppressions,
    transports,
)
from db.types import UTCDateTime, database_clock, epoch_seconds, plus_seconds
from db.windows import Place, opening
from db.work import insert_for

if TYPE_CHECKING:
    from db.contact_caps import ContactCaps

# Temporary refusals are tried again after so long; the last pause repeats, so that trying ends after three days.
RETRY_AFTER = (timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4), timedelta(hours=12))
STATUSES = ("queued", "claimed", "handing_over", "accepted", "rejected", "failed", "unknown", "skipped")
MOST_ATTEMPTS = 10
# Why a message went back to the queue at the hand-over.
ON_HOLD = "on-hold"
# Why a message waits in the queue: these two move its expiry on by as long as they hold it.
QUIET_HOURS = "quiet-hours"
FREQUENCY_CAP = "frequency-cap"
OWNER: sa.BindParameter[str] = sa.bindparam("owner", type_=sa.String())


def refusal() -> Any:
    """Why a message must not be sent now, or NULL; the same expression at planning and at the hand-over."""
    suppressed = there_is(
        suppressions,
        suppressions.c.email_hash == leads.c.email_hash,
        suppressions.c.lifted_at.is_(None),
        or_(suppressions.c.scope == "all", suppressions.c.scope == literal("topic:") + messages.c.topic),
    )
    consent = and_(consent_states.c.lead_id == leads.c.id, consent_states.c.topic == messages.c.topic)
    withdrawn = there_is(consent_states, consent, consent_states.c.status == "withdrawn")
    granted = there_is(consent_states, consent, consent_states.c.status == "granted", consent_states.c.basis != "none")
    ended = there_is(enrollments, enrollments.c.id == messages.c.enrollment_id, enrollments.c.status != "active")
    stopped = there_is(
        sequence_states, sequence_states.c.sequence == messages.c.sequence, sequence_states.c.state == "stop"
    )
    reason = case(
        (leads.c.email.is_(None), "no-address"),
        (leads.c.merged_into_id.is_not(None), "merged"),
        (suppressed, "suppressed"),
        (and_(messages.c.marketing, withdrawn), "unsubscribed"),
        (and_(messages.c.marketing, sa.not_(granted)), "no-consent"),
        (and_(messages.c.marketing, leads.c.stage == "customer"), "customer"),
        (and_(messages.c.marketing, has_open_task(leads.c.id)), IN_SALES_HANDS),
        (ended, "left-sequence"),
        (stopped, "sequence-stopped"),
        (messages.c.expires_at < NOW, "too-late"),
        else_=None,
    )
    return select(reason).where(leads.c.id == messages.c.lead_id).correlate(messages).scalar_subquery()


def queued_with(connection: Connection, email: str) -> int:
    """How many messages wait to be rendered from an e-mail."""
    waiting = and_(messages.c.settled_at.is_(None), messages.c.status == "queued", messages.c.email == email)
    return int(connection.execute(select(func.count()).select_from(messages).where(waiting)).scalar_one())


def recover(connection: Connection, now: datetime) -> dict[str, int]:
    """Take over what dead workers left: claims go back to the queue, hand-overs become unknown and are never resent."""
    expired = and_(messages.c.settled_at.is_(None), messages.c.lease_until < database_clock())
    requeued = connection.execute(
        update(messages)
        .where(messages.c.status == "claimed", expired)
        .values(status="queued", owner=None, lease_until=None)
    ).rowcount
    unknown = connection.execute(
        update(messages)
        .where(messages.c.status == "handing_over", expired)
        .values(
            status="unknown",
            reason="reply-lost",
            detail="the worker died during the hand-over",
            settled_at=now,
            owner=None,
            lease_until=None,
        )
    ).rowcount
    return {"messages_requeued": requeued, "messages_unknown": unknown}


def ready() -> Any:
    """A message that waits for nothing but its turn."""
    return and_(
        messages.c.status == "queued",
        # Known from the status, and said so that the index of the open messages serves.
        messages.c.settled_at.is_(None),
        or_(messages.c.not_before.is_(None), messages.c.not_before <= NOW),
        sa.not_(is_held(messages.c.enrollment_id)),
    )


# Nothing happens to their messages, not even that they come too late.
_ON_HOLD = select(sequence_states.c.sequence).where(sequence_states.c.state == "hold")


def skip_refused(connection: Connection, now: datetime) -> int:
    """Settle every ready message that must not be sent, with its reason."""
    return connection.execute(_SKIP_REFUSED, {"now": now}).rowcount


def _skip_statement() -> Any:
    return (
        update(messages)
        .where(ready(), messages.c.sequence.not_in(_ON_HOLD), refusal().is_not(None), _judged_now())
        .values(status="skipped", reason=refusal(), settled_at=NOW)
    )


def _judged_now() -> Any:
    """Whether a cap held it until now is seen when it is its turn; only then it may be too late."""
    return or_(messages.c.reason.is_(None), messages.c.reason != FREQUENCY_CAP, refusal() != "too-late")


_SKIP_REFUSED = _skip_statement()


def places_of_ready(connection: Connection, version_ids: Sequence[int], now: datetime) -> list[Place]:
    """The (time zone, country) pairs of the people with ready messages in these sequence versions."""
    rows = connection.execute(
        select(leads.c.time_zone, leads.c.country)
        .join(messages, messages.c.lead_id == leads.c.id)
        .where(ready(), messages.c.version_id.in_(version_ids))
        .distinct(),
        {"now": now},
    )
    return [(row[0], row[1]) for row in rows]


def hold_until_open(
    connection: Connection,
    version_ids: Sequence[int],
    opens: Mapping[Place, datetime],
    now: datetime,
) -> int:
    """Hold ready messages whose local window is closed until it opens; `opens` has only the closed zones."""
    if not opens:
        return 0
    opens_at = opening(connection, opens, messages).label("until")
    mine = ready(), messages.c.version_id.in_(version_ids), messages.c.sequence.not_in(_ON_HOLD)
    closed = select(messages.c.id, opens_at).where(*mine).subquery("closed")
    held = select(closed.c.id, closed.c.until).where(closed.c.until.is_not(None)).subquery("held")
    return hold_until(connection, held, QUIET_HOURS, now)


def hold_until(connection: Connection, held: FromClause, reason: str, now: datetime) -> int:
    """Hold queued messages (`id`, `until`) for a reason that must not make them come too late; returns how many."""
    # Held once more for the same reason: it was not its turn in between either.
    goes_on = and_(messages.c.reason == reason, messages.c.not_before.is_not(None))
    since: Any = case((goes_on, messages.c.not_before), else_=NOW)
    return connection.execute(
        update(messages)
        # Said again of the row itself: another worker may have claimed it meanwhile.
        .where(messages.c.id == held.c.id, messages.c.status == "queued", messages.c.settled_at.is_(None))
        .values(not_before=held.c.until, reason=reason, expires_at=_moved_on(since, held.c.until)),
        {"now": now},
    ).rowcount


def _moved_on(since: Any, until: Any) -> Any:
    """The expiry of a message that was held, or is held no longer, for that time: it counts as no lateness."""
    return plus_seconds(messages.c.expires_at, epoch_seconds(until) - epoch_seconds(since))


def look_again(connection: Connection, until: datetime, now: datetime) -> int:
    """Make ready what a cap holds until exactly then; returns how many messages."""
    return connection.execute(
        update(messages)
        .where(
            messages.c.status == "queued",
            messages.c.settled_at.is_(None),
            messages.c.reason == FREQUENCY_CAP,
            messages.c.not_before == until,
        )
        .values(not_before=NOW, expires_at=_moved_on(messages.c.not_before, NOW)),
        {"now": now},
    ).rowcount


def claim(connection: Connection, owner: str, now: datetime, limit: int, lease: timedelta) -> list[dict[str, Any]]:
    """Take ready messages for one worker, most urgent first, with all that rendering needs."""
    wanted = (
        select(messages.c.id)
        .where(ready(), messages.c.sequence.not_in(_ON_HOLD))
        .order_by(messages.c.priority.desc(), messages.c.due_at, messages.c.id)
        .limit(limit)
    )
    if connection.dialect.name == "postgresql":
        wanted = wanted.with_for_update(skip_locked=True)
    lease_until = plus_seconds(database_clock(), literal(lease.total_seconds()))
    claimed = connection.execute(
        update(messages)
        .where(messages.c.id.in_(wanted))
        .values(status="claimed", owner=owner, lease_until=lease_until, reason=None),
        {"now": now},
    ).rowcount
    return _claimed(connection, owner) if claimed else []


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
    leads.c.attributes,
    accounts.c.name.label("account_name"),
)


def _claimed(connection: Connection, owner: str) -> list[dict[str, Any]]:
    query = (
        select(messages, *_READER)
        .join(leads, leads.c.id == messages.c.lead_id)
        .outerjoin(accounts, accounts.c.id == leads.c.account_id)
        .where(messages.c.owner == OWNER, messages.c.status == "claimed")
        .order_by(messages.c.priority.desc(), messages.c.due_at, messages.c.id)
    )
    return [dict(row) for row in connection.execute(query, {"owner": owner}).mappings()]


def reader(connection: Connection, lead_id: int) -> dict[str, Any]:
    """One lead as an e-mail would know it, for a preview."""
    query = select(*_READER).select_from(leads.outerjoin(accounts, accounts.c.id == leads.c.account_id))
    return dict(connection.execute(query.where(leads.c.id == lead_id)).mappings().one())


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
    subject: str,
    locale: str | None,
    caps: ContactCaps,
) -> str | None:
    """The point of no return: check everything once more under lock, then set `handing_over`; returns the refusal.

    The lead's row is locked first, and every transaction that suppresses locks it too, so that an unsubscribe commits
    either before this check or after the hand-over began. Without `owner` still being us nothing is sent. A sequence
    that has been put on hold gets its message back, and so does the queue when a cap has no slot left.
    """
    sequences.share(connection)
    if connection.dialect.name == "postgresql":
        # Not stronger than needed: a row that refers to the lead may be written meanwhile.
        connection.execute(_LOCK_LEAD, {"message": message_id})
    row = connection.execute(_CHECK, {"message": message_id, "now": now}).one()
    if row.owner != owner or row.status != "claimed":
        return "taken-over"
    if row.on_hold:
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
    free_at = caps.free_at(connection, message_id, now)
    if free_at is not None:
        connection.execute(_CAPPED, {"message": message_id, "free_at": free_at, "now": now})
        return FREQUENCY_CAP
    values = {"on_transport": transport, "as_subject": subject, "in_locale": locale, "by_consent": row.consent_id}
    mine = {"message": message_id, "worker": owner, "now": now, "lease": lease.total_seconds()}
    connection.execute(_HAND_OVER, {**mine, **values})
    return None


def _check_statement() -> Any:
    consent = (
        select(consent_states.c.consent_id)
        .where(consent_states.c.lead_id == messages.c.lead_id, consent_states.c.topic == messages.c.topic)
        .scalar_subquery()
    )
    return select(
        messages.c.owner,
        messages.c.status,
        or_(messages.c.sequence.in_(_ON_HOLD), is_held(messages.c.enrollment_id)).label("on_hold"),
        refusal().label("refusal"),
        consent.label("consent_id"),
    ).where(messages.c.id == sa.bindparam("message", type_=sa.BigInteger()))


# Built once: they are on the way of every single message.
_CHECK = _check_statement()
_ID: sa.BindParameter[int] = sa.bindparam("message", type_=sa.BigInteger())
_MESSAGE = messages.c.id == _ID
_REFUSED = messages.alias("refused")
_MINE = messages.c.owner == sa.bindparam("worker", type_=sa.String())
_LOCK_LEAD = (
    select(leads.c.id)
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
        expires_at=_moved_on(NOW, _FREE_AT),
        owner=None,
        lease_until=None,
    )
)
_SLOT_IS_BACK = (
    update(messages)
    .where(
        messages.c.status == "queued",
        messages.c.settled_at.is_(None),
        messages.c.reason == FREQUENCY_CAP,
        messages.c.not_before > NOW,
        messages.c.lead_id == select(_REFUSED.c.lead_id).where(_REFUSED.c.id == _ID).scalar_subquery(),
    )
    .values(not_before=NOW, expires_at=_moved_on(messages.c.not_before, NOW))
)
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
# The lease ran out during the reply; the verdict is evidence for the unknown.
_SETTLE_UNKNOWN = update(messages).where(_MESSAGE, messages.c.status == "unknown").values(_VERDICT)


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


def give_slot_back(connection: Connection, message_id: int, now: datetime) -> None:
    """After a no of the provider: whoever a cap holds because of this message looks again at once.

    Not in the transaction of the verdict, which must wait for nobody; should it get lost, they are only later.
    """
    connection.execute(_SLOT_IS_BACK, {"message": message_id, "now": now})


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


def count_attempt(connection: Connection, message_id: int, owner: str) -> None:
    """A try that ended before the hand-over counts too."""
    connection.execute(
        update(messages)
        .where(messages.c.id == message_id, messages.c.owner == owner)
        .values(attempts=messages.c.attempts + 1)
    )


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
            attempts=messages.c.attempts + 1,
        )
    )


def release(connection: Connection, owner: str) -> int:
    """Give back every claim of a worker that stops."""
    return connection.execute(
        update(messages)
        .where(messages.c.owner == owner, messages.c.status == "claimed")
        .values(status="queued", owner=None, lease_until=None)
    ).rowcount


def pause_transport(connection: Connection, name: str, until: datetime, reason: str, now: datetime) -> None:
    """All workers leave a transport alone that refuses the sender."""
    rows = insert_for(connection)(transports).values(name=name, paused_until=until, reason=reason[:500], changed_at=now)
    connection.execute(
        rows.on_conflict_do_update(
            index_elements=["name"],
            set_={column: rows.excluded[column] for column in ("paused_until", "reason", "changed_at")},
        )
    )


def transport_pause(connection: Connection, name: str, now: datetime) -> RowMapping | None:
    """The pause of a transport, when it is paused now."""
    return (
        connection.execute(select(transports).where(transports.c.name == name, transports.c.paused_until > now))
        .mappings()
        .one_or_none()
    )


def resume_transport(connection: Connection, name: str, now: datetime) -> None:
    """The transport works again."""
    connection.execute(
        update(transports).where(transports.c.name == name).values(paused_until=None, reason=None, changed_at=now)
    )


def resolve(connection: Connection, message_id: int, status: str, detail: str, now: datetime) -> int:
    """A person settles an unknown message by evidence; returns 0 when it is not unknown."""
    settled = connection.execute(
        update(messages)
        .where(messages.c.id == message_id, messages.c.status == "unknown")
        .values(
            status=status,
            reason=None if status == "accepted" else "resolved-by-person",
            detail=detail[:500],
            settled_at=now,
        )
    ).rowcount
    if settled and status != "accepted":
        give_slot_back(connection, message_id, now)
    return settled


def listing(connection: Connection, *, status: str | None, limit: int) -> list[RowMapping]:
    """Rows of the ledger for people to read, newest first."""
    query = select(messages)
    if status:
        query = query.where(messages.c.status == status)
    return list(connection.execute(query.order_by(messages.c.id.desc()).limit(limit)).mappings())


def counts(connection: Connection) -> dict[str, int]:
    """How many messages are in each state."""
    rows = connection.execute(select(messages.c.status, func.count()).group_by(messages.c.status))
    return {str(status): int(count) for status, count in rows}
