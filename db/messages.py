"""The message ledger: every message is a row before anything is handed over.

queued -> claimed -> handing_over -> accepted | rejected | failed | unknown, or skipped with its reason before that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, FromClause, RowMapping, and_, case, func, literal, or_, select, update

from db import frozen_mails
from db.batches import listed
from db.conditions import NOW
from db.holds import IN_SALES_HANDS, is_held
from db.sales_tasks import has_open_task
from db.subqueries import there_is, value_of
from db.tables import (
    consent_states,
    enrollments,
    events,
    leads,
    messages,
    sequence_states,
    suppressions,
)
from db.types import UTCDateTime, epoch_seconds, plus_seconds
from db.windows import Place, opening
from nurture.permissions import Permissions
from nurture.stops import LIFTED_BY_CONFIRMATION

STATUSES = ("queued", "claimed", "handing_over", "accepted", "rejected", "failed", "unknown", "skipped")
# Why a marketing message is refused: nobody allowed it, it waits for a double opt-in, or it was allowed on a basis that
# the topic does not take.
NO_CONSENT, NOT_CONFIRMED, BASIS_NOT_ALLOWED = "no-consent", "not-confirmed", "basis-not-allowed"
# So many mails that ask for a confirmation may reach one lead in a day.
MOST_CONFIRMATIONS = 3
# Why a message went back to the queue at the hand-over.
ON_HOLD = "on-hold"
# Why a message waits in the queue: these two move its expiry on by as long as they hold it.
QUIET_HOURS = "quiet-hours"
FREQUENCY_CAP = "frequency-cap"


def refusal(permissions: Permissions, of: FromClause = messages) -> Any:
    """Why a message must not be sent now, or NULL: the same expression at planning, at the hand-over, and for one that
    is only imagined.
    """
    asks = of.c.email.in_(sorted(permissions.confirming)) if permissions.confirming else sa.false()
    word = _word(permissions, of)
    ended = there_is(enrollments, enrollments.c.id == of.c.enrollment_id, enrollments.c.status != "active")
    stopped = there_is(sequence_states, sequence_states.c.sequence == of.c.sequence, sequence_states.c.state == "stop")
    reasons: list[tuple[Any, Any]] = [
        (leads.c.email.is_(None), "no-address"),
        (leads.c.merged_into_id.is_not(None), "merged"),
        (_suppressed(asks, of), "suppressed"),
        (and_(of.c.marketing, word != "granted"), word),
    ]
    if permissions.confirming:
        reasons += [
            (and_(asks, word != NOT_CONFIRMED), "nothing-to-confirm"),
            (and_(asks, _asked_today(permissions) >= MOST_CONFIRMATIONS), "too-many-confirmations"),
        ]
    reasons += [
        (and_(of.c.marketing, leads.c.stage == "customer"), "customer"),
        (and_(of.c.marketing, has_open_task(leads.c.id)), IN_SALES_HANDS),
        (ended, "left-sequence"),
        (stopped, "sequence-stopped"),
        (of.c.expires_at < NOW, "too-late"),
    ]
    reason = case(*reasons, else_=None)
    return select(reason).where(leads.c.id == of.c.lead_id).correlate(of).scalar_subquery()


def _suppressed(asks: Any, of: FromClause) -> Any:
    """A mail that asks for a confirmation may go to who has unsubscribed or complained, and then asked for it anew."""
    anew = there_is(
        consent_states,
        consent_states.c.lead_id == leads.c.id,
        consent_states.c.topic == of.c.topic,
        consent_states.c.status == "pending",
        consent_states.c.since > suppressions.c.since,
    )
    return there_is(
        suppressions,
        suppressions.c.email_hash == leads.c.email_hash,
        suppressions.c.lifted_at.is_(None),
        or_(
            suppressions.c.scope.in_(("all", "channel:email")),
            suppressions.c.scope == literal("topic:") + of.c.topic,
        ),
        sa.not_(and_(asks, suppressions.c.reason.in_(sorted(LIFTED_BY_CONFIRMATION)), anew)),
    )


def _word(permissions: Permissions, of: FromClause) -> Any:
    """What the lead's latest word on the topic comes to: `granted`, or the reason why it allows no marketing."""
    state = consent_states
    cases = [
        (state.c.status == "withdrawn", "unsubscribed"),
        (state.c.status == "pending", NOT_CONFIRMED),
        (state.c.basis == "none", NO_CONSENT),
        (is_barred(state.c.topic, state.c.basis, permissions), BASIS_NOT_ALLOWED),
    ]
    mine = state.c.lead_id == leads.c.id, state.c.topic == of.c.topic
    return func.coalesce(value_of(state, case(*cases, else_="granted"), *mine), NO_CONSENT)


def is_barred(topic: Any, basis: Any, permissions: Permissions) -> Any:
    """A SQL expression: the definitions let nothing about the topic go out on that basis."""
    bases: dict[str, list[str]] = {}
    for name, each in sorted(permissions.barred):
        bases.setdefault(name, []).append(each)
    return or_(sa.false(), *(and_(topic == name, basis.in_(several)) for name, several in bases.items()))


def _asked_today(permissions: Permissions) -> Any:
    """Whoever types in somebody else's address must not fill that mailbox with questions."""
    sent = messages.alias("asked_before")
    return (
        select(func.count())
        .where(
            sent.c.lead_id == leads.c.id,
            sent.c.handed_over_at > plus_seconds(NOW, -86_400),
            sent.c.status.in_(("handing_over", "accepted", "unknown")),
            sent.c.email.in_(sorted(permissions.confirming)),
        )
        .correlate_except(sent)
        .scalar_subquery()
    )


def queued_with(connection: Connection, email: str) -> int:
    """How many messages wait to be rendered from an e-mail."""
    waiting = and_(messages.c.settled_at.is_(None), messages.c.status == "queued", messages.c.email == email)
    return int(connection.execute(select(func.count()).select_from(messages).where(waiting)).scalar_one())


def ready() -> Any:
    """A message that waits for nothing but its turn."""
    return and_(
        messages.c.status == "queued",
        # Known from the status, and said so that the index of the open messages serves.
        messages.c.settled_at.is_(None),
        or_(messages.c.not_before.is_(None), messages.c.not_before <= NOW),
        sa.not_(is_held(messages.c.enrollment_id)),
    )


def any_ready(connection: Connection, now: datetime) -> bool:
    """Whether a worker would find anything to claim."""
    one = select(messages.c.id).where(ready(), messages.c.sequence.not_in(_ON_HOLD)).limit(1)
    return connection.execute(one, {"now": now}).first() is not None


# Nothing happens to their messages, not even that they come too late.
_ON_HOLD = select(sequence_states.c.sequence).where(sequence_states.c.state == "hold")


def skip_refused(connection: Connection, now: datetime, permissions: Permissions) -> int:
    """Settle every ready message that must not be sent, with its reason."""
    return connection.execute(skip_statement(permissions), {"now": now}).rowcount


@lru_cache(maxsize=16)
def skip_statement(permissions: Permissions) -> Any:
    """The statement, built once for the definitions that say the same."""
    refused = refusal(permissions)
    # Whether a cap held it until now is seen when it is its turn; only then it may be too late.
    judged_now = or_(messages.c.reason.is_(None), messages.c.reason != FREQUENCY_CAP, refused != "too-late")
    return (
        update(messages)
        .where(ready(), messages.c.sequence.not_in(_ON_HOLD), refused.is_not(None), judged_now)
        .values(status="skipped", reason=refused, settled_at=NOW)
    )


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


def hold_ready(connection: Connection, until: datetime, reason: str, now: datetime) -> int:
    """Hold everything that is ready until then; returns how many messages."""
    mine = ready(), messages.c.sequence.not_in(_ON_HOLD)
    held = select(messages.c.id, literal(until, UTCDateTime()).label("until")).where(*mine).subquery("held")
    return hold_until(connection, held, reason, now)


def unknown_of(
    connection: Connection, transport: str, *, before: datetime, limit: int, turn: int = 0
) -> list[tuple[int, str]]:
    """Ids and keys of unknown messages that a transport was given before then, by their age.

    When there are more than `limit`, each `turn` has others: those that stay unknown for ever stand in nobody's way.
    """
    mine = and_(
        # In the words of their index.
        sa.literal_column("messages.status") == sa.literal_column("'unknown'"),
        messages.c.transport == transport,
        messages.c.handed_over_at <= before,
        messages.c.key.is_not(None),
    )
    turns = -(-connection.execute(select(func.count()).select_from(messages).where(mine)).scalar_one() // limit)
    rows = connection.execute(
        select(messages.c.id, messages.c.key)
        .where(mine)
        .order_by(messages.c.handed_over_at, messages.c.id)
        .limit(limit)
        .offset(limit * (turn % turns) if turns else 0)
    )
    return [(int(id_), str(key)) for id_, key in rows]


def hold_until(connection: Connection, held: FromClause, reason: str, now: datetime) -> int:
    """Hold queued messages (`id`, `until`) for a reason that must not make them come too late; returns how many."""
    # Held once more for the same reason: it was not its turn in between either.
    goes_on = and_(messages.c.reason == reason, messages.c.not_before.is_not(None))
    since: Any = case((goes_on, messages.c.not_before), else_=NOW)
    return connection.execute(
        update(messages)
        # Said again of the row itself: another worker may have claimed it meanwhile. Not in the words of the index of
        # the open messages, which PostgreSQL would walk for each where it takes them to be few.
        .where(messages.c.id == held.c.id, messages.c.status == "queued")
        .values(not_before=held.c.until, reason=reason, expires_at=moved_on(since, held.c.until)),
        {"now": now},
    ).rowcount


def moved_on(since: Any, until: Any) -> Any:
    """The expiry of a message that was held, or is held no longer, for that time: it counts as no lateness."""
    return plus_seconds(messages.c.expires_at, epoch_seconds(until) - epoch_seconds(since))


def look_again(connection: Connection, until: datetime | None, now: datetime) -> int:
    """Make ready what a cap holds until exactly then, or until whenever; returns how many messages."""
    then = messages.c.not_before > NOW if until is None else messages.c.not_before == until
    return connection.execute(
        update(messages)
        .where(messages.c.status == "queued", messages.c.settled_at.is_(None), messages.c.reason == FREQUENCY_CAP, then)
        .values(not_before=NOW, expires_at=moved_on(messages.c.not_before, NOW)),
        {"now": now},
    ).rowcount


_ID: sa.BindParameter[int] = sa.bindparam("message", type_=sa.BigInteger())
_REFUSED = messages.alias("refused")
_SLOT_IS_BACK = (
    update(messages)
    .where(
        messages.c.status == "queued",
        messages.c.settled_at.is_(None),
        messages.c.reason == FREQUENCY_CAP,
        messages.c.not_before > NOW,
        messages.c.lead_id == select(_REFUSED.c.lead_id).where(_REFUSED.c.id == _ID).scalar_subquery(),
    )
    .values(not_before=NOW, expires_at=moved_on(messages.c.not_before, NOW))
)


def give_slot_back(connection: Connection, message_id: int, now: datetime) -> None:
    """After a no of the provider: whoever a cap holds because of this message looks again at once.

    Not in the transaction of the verdict, which must wait for nobody; should it get lost, they are only later.
    """
    connection.execute(_SLOT_IS_BACK, {"message": message_id, "now": now})


# Settled as unknown, or waiting to be repeated under its key.
_IN_DOUBT = or_(messages.c.status == "unknown", frozen_mails.is_parked())


def resolve(
    connection: Connection, message_id: int, status: str, detail: str, now: datetime, *, by: str = "resolved-by-person"
) -> int:
    """Settle a message in doubt by evidence, so that it is not repeated either; returns 0 when it is in no doubt."""
    settled = connection.execute(
        update(messages)
        .where(messages.c.id == message_id, _IN_DOUBT)
        .values(
            status=status,
            not_before=None,
            reason=None if status == "accepted" else by,
            detail=detail[:500],
            settled_at=now,
        )
    ).rowcount
    if settled:
        frozen_mails.thaw(connection, [message_id])
    if settled and status != "accepted":
        give_slot_back(connection, message_id, now)
    return settled


# Whoever did this had the message, or its provider had it: it was accepted.
EVIDENCE = frozenset(
    {
        *("email.delivered", "email.opened", "email.clicked", "email.replied", "email.auto_replied"),
        *("email.bounced", "email.complained", "email.unsubscribed", "email.preferences_set"),
    }
)


def arrived(connection: Connection, message_ids: Sequence[int], now: datetime) -> int:
    """Settle messages in doubt of which something was heard; returns how many.

    What waited to be repeated is not: it is there. The rest of its act would be another one, and becomes unknown.
    """
    if not message_ids:
        return 0
    heard = listed(connection, "heard", [[each] for each in sorted(set(message_ids))], messages.c.id)
    settled = connection.execute(
        update(messages).where(messages.c.id.in_(select(heard.c.id)), _IN_DOUBT).values(_heard(now))
    ).rowcount
    if settled:
        frozen_mails.thaw(connection, sorted(set(message_ids)))
    return settled


def _heard(now: datetime) -> dict[str, Any]:
    detail = "settled by what was heard of it"
    return {"status": "accepted", "reason": None, "detail": detail, "settled_at": now, "not_before": None}


def settle_heard(connection: Connection, now: datetime) -> int:
    """Settle unknown messages of which something was heard before they were known to be in doubt; returns how many."""
    evidence = there_is(
        events,
        events.c.lead_id == messages.c.lead_id,
        events.c.message_id == messages.c.id,
        events.c.type.in_(sorted(EVIDENCE)),
    )
    # In the words of their index.
    unknown = sa.literal_column("messages.status") == sa.literal_column("'unknown'")
    handed_over = messages.c.handed_over_at <= now
    return connection.execute(update(messages).where(unknown, handed_over, evidence).values(_heard(now))).rowcount


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
