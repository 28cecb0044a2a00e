"""What harms the sender's name: mailboxes that take nothing any more, and the rates of complaints and hard bounces."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, FromClause, and_, case, delete, func, literal, literal_column, or_, select

from db.batches import ids
from db.conditions import NOW
from db.subqueries import there_is, value_of
from db.tables import events, installation, leads, messages, sequence_states, suppressions
from db.types import ascii_lower, json_text, plus_seconds
from db.work import insert_for
from nurture.definitions.catalogue import SoftBounces
from nurture.durations import Duration
from nurture.sending_rates import BOUNCE_RATE, COMPLAINT_RATE, Sending
from nurture.stops import BOUNCED, COMPLAINED

# That something has come in by which a rate may have risen.
_MARK = "rates-to-look-at"
_SENT = ("accepted", "unknown")
_SECONDS: sa.BindParameter[float] = sa.bindparam("window", type_=sa.Float())


def _is_hard(event: FromClause) -> Any:
    return func.coalesce(ascii_lower(json_text(event.c.properties, literal("kind"))), "") == "hard"


def worn_out(connection: Connection, lead_ids: Collection[int], rule: SoftBounces) -> list[tuple[int, datetime]]:
    """Those of some leads whose mailbox has refused too often for now, and since when.

    Counted are the messages that bounced within the rule's period without any delivery after them, and after the last
    time that a person lifted such a suppression.
    """
    last, one, between = events.alias("last"), events.alias("one"), events.alias("between")
    asked = ids(connection, "asked", sorted(lead_ids))
    delivered = there_is(
        between,
        between.c.lead_id == one.c.lead_id,
        between.c.type == "email.delivered",
        between.c.occurred_at > one.c.occurred_at,
        between.c.occurred_at < last.c.occurred_at,
    )
    lifted = value_of(
        suppressions,
        func.max(suppressions.c.lifted_at),
        suppressions.c.email_hash == leads.c.email_hash,
        suppressions.c.lifted_at.is_not(None),
        suppressions.c.reason == "soft_bounce",
    )
    number = value_of(
        one,
        # An event that names no message stands for one of its own.
        func.count(func.coalesce(one.c.message_id, -one.c.id).distinct()),
        one.c.lead_id == last.c.lead_id,
        one.c.type == BOUNCED,
        sa.not_(_is_hard(one)),
        one.c.occurred_at.between(plus_seconds(last.c.occurred_at, literal(-rule.within.seconds)), last.c.occurred_at),
        sa.not_(delivered),
        func.coalesce(one.c.occurred_at > lifted, sa.true()),
    )
    rows = (
        select(last.c.lead_id, func.min(last.c.occurred_at))
        .join(leads, leads.c.id == last.c.lead_id)
        .where(
            last.c.lead_id.in_(select(asked.c.id)),
            last.c.type == BOUNCED,
            sa.not_(_is_hard(last)),
            number >= rule.most,
        )
        .group_by(last.c.lead_id)
    )
    return [(int(lead), since) for lead, since in connection.execute(rows)]


def look_at(connection: Connection, harmed: Collection[int], now: datetime) -> None:
    """Note that a rate may have risen, in the transaction of the facts; nothing when nobody was harmed."""
    if harmed:
        row = insert_for(connection)(installation).values(key=_MARK, value=now.isoformat())
        connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": row.excluded["value"]}))


def may_have_risen(connection: Connection) -> bool:
    """Whether anything has come in since somebody last looked."""
    return connection.execute(select(installation.c.key).where(installation.c.key == _MARK)).first() is not None


def looked(connection: Connection) -> None:
    """What came in before is about to be looked at; what comes from now on will be noted anew."""
    connection.execute(delete(installation).where(installation.c.key == _MARK))


def sendings(connection: Connection, window: Duration, now: datetime) -> list[Sending]:
    """What was sent for each sequence that runs, by transport, and what came of it, within the window.

    Of a sequence that a person let go on only what was sent since then counts.
    """
    values = {"now": now, "window": window.seconds}
    harm = {(row.sequence, row.transport): row for row in connection.execute(_HARM, values)}
    found = []
    for row in connection.execute(_SENT_BY, values):
        bad = harm.get((row.sequence, row.transport))
        figures = (int(bad.complaints), int(bad.hard_bounces)) if bad is not None else (0, 0)
        found.append(Sending(str(row.sequence), str(row.transport or ""), int(row.sent), *figures))
    return found


def _counted() -> Any:
    """A message that went out within the window, of a sequence that runs, after it was last let go on."""
    state = sequence_states
    return and_(
        messages.c.status.in_(_SENT),
        messages.c.settled_at > plus_seconds(NOW, -_SECONDS),
        or_(
            state.c.sequence.is_(None),
            and_(state.c.state.in_(("on", "drain")), messages.c.handed_over_at > state.c.since),
        ),
    )


def _with_state(source: Any) -> Any:
    return source.outerjoin(sequence_states, sequence_states.c.sequence == messages.c.sequence)


_SENT_BY = (
    select(messages.c.sequence, messages.c.transport, func.count().label("sent"))
    .select_from(_with_state(messages))
    .where(_counted())
    .group_by(messages.c.sequence, messages.c.transport)
)


def _harm_statement() -> Any:
    # In the words of the index of the few that harm.
    few = events.c.type.in_([literal_column(f"'{BOUNCED}'"), literal_column(f"'{COMPLAINED}'")])
    complained = case((events.c.type == COMPLAINED, messages.c.id))
    bounced = case((and_(events.c.type == BOUNCED, _is_hard(events)), messages.c.id))
    return (
        select(
            messages.c.sequence,
            messages.c.transport,
            func.count(complained.distinct()).label("complaints"),
            func.count(bounced.distinct()).label("hard_bounces"),
        )
        .select_from(_with_state(events.join(messages, messages.c.id == events.c.message_id)))
        .where(few, events.c.occurred_at > plus_seconds(NOW, -_SECONDS), _counted())
        .group_by(messages.c.sequence, messages.c.transport)
    )


_HARM = _harm_statement()


def resting(connection: Connection) -> dict[str, str]:
    """The sequences that a rate has put on hold, with the figures."""
    state = sequence_states
    rows = select(state.c.sequence, state.c.reason).where(held_by_rate()).order_by(state.c.sequence)
    return {str(name): str(reason) for name, reason in connection.execute(rows)}


def held_by_rate() -> Any:
    """A SQL expression: the state of a sequence is a hold that a rate has brought about."""
    named = (sequence_states.c.reason.startswith(f"{code}:") for code in (COMPLAINT_RATE, BOUNCE_RATE))
    return and_(sequence_states.c.state == "hold", or_(*named))
