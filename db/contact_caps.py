"""Frequency caps: how many marketing messages one lead may get in a period, over all sequences together.

Planning holds what is beyond a lead's free slots, the most urgent first; the hand-over looks once more under the lead's
lock, so that no two workers ever share a slot. A slot is taken by what was handed over and not refused, and comes back
when its period has passed, or when the provider's verdict is a no.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from itertools import groupby
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
)

from db.conditions import NOW
from db.holds import ON_HOLD
from db.messages import FREQUENCY_CAP, hold_until, look_again, ready
from db.tables import messages
from db.types import UTCDateTime, later_of, plus_seconds
from nurture.definitions.lifecycle import FrequencyCap

# What has taken a slot: also what may have arrived.
TAKES_A_SLOT = ("handing_over", "accepted", "unknown")
# Behind messages that are only about to go nobody knows yet when a slot is free: look again when they have gone, or in
# the next run.
_LOOK_AGAIN = timedelta(minutes=1)


class ContactCaps:
    """The caps of a lifecycle as statements, built once."""

    def __init__(self, caps: Sequence[FrequencyCap]) -> None:
        # Caps on the same topics look at the same messages. The narrow ones come first: what they hold takes no slot.
        ordered = sorted(caps, key=lambda cap: (not cap.topics, sorted(cap.topics)))
        self._holds = [_plan(list(group)) for _, group in groupby(ordered, key=lambda cap: sorted(cap.topics))]
        self._free_at = _free_at(caps) if caps else None

    def plan(self, connection: Connection, now: datetime) -> int:
        """Hold what is ready and beyond the free slots of its lead; returns how many messages."""
        return sum(hold_until(connection, held, FREQUENCY_CAP, now) for held in self._holds)

    def plan_again(self, connection: Connection, now: datetime) -> bool:
        """Look again at those who stood behind others that have gone meanwhile; whether any of them may go now."""
        again = look_again(connection, now + _LOOK_AGAIN, now)
        return again > self.plan(connection, now)

    def free_at(self, connection: Connection, message_id: int, now: datetime) -> datetime | None:
        """When the lead of a message has a free slot again, or None when there is one now; asked under its lock."""
        if self._free_at is None:
            return None
        found: datetime | None = connection.execute(self._free_at, {"message": message_id, "now": now}).scalar_one()
        return found if found is not None and found > now else None


def _covers(cap: FrequencyCap, of: FromClause) -> ColumnElement[bool]:
    return and_(of.c.marketing, of.c.topic.in_(cap.topics)) if cap.topics else of.c.marketing


def _takes_slot(cap: FrequencyCap, sent: FromClause) -> ColumnElement[bool]:
    return and_(
        sent.c.status.in_(TAKES_A_SLOT), _covers(cap, sent), sent.c.handed_over_at > plus_seconds(NOW, -cap.per.seconds)
    )


def _latest(instants: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    return reduce(later_of, instants)


def _plan(caps: Sequence[FrequencyCap]) -> Any:
    """The ready messages that caps on the same topics hold, with the instant at which the slot they need is free.

    A lead's messages queue up in their order; the one at place `p` goes where fewer than `most - p + 1` slots are
    taken, so it waits for the latest but `most - p` of the messages sent.
    """
    place = (
        func.row_number()
        .over(
            partition_by=messages.c.lead_id,
            order_by=(messages.c.priority.desc(), messages.c.due_at, messages.c.id),
        )
        .label("place")
    )
    mine = and_(ready(), _covers(caps[0], messages), messages.c.sequence.not_in(ON_HOLD))
    waiting = select(messages.c.id, messages.c.lead_id, place).where(mine).subquery("waiting")
    whom = select(messages.c.lead_id).where(mine)
    source: FromClause = waiting
    untils: list[ColumnElement[Any]] = []
    for number, cap in enumerate(caps):
        sends = _sends(cap, whom, f"sends_{number}")
        needed = cap.most - waiting.c.place + 1
        back = case((needed < 1, 1), else_=needed)
        source = source.outerjoin(sends, and_(sends.c.lead_id == waiting.c.lead_id, sends.c.back == back))
        until = case(
            (sends.c.taken >= cap.most, plus_seconds(sends.c.handed_over_at, cap.per.seconds)),
            else_=plus_seconds(NOW, _LOOK_AGAIN.total_seconds()),
        )
        full = or_(sends.c.back.is_not(None), waiting.c.place > cap.most)
        untils.append(case((full, until), else_=NOW))
    held = select(waiting.c.id, _latest(untils).label("until")).select_from(source).subquery("beyond")
    return select(held.c.id, held.c.until).where(held.c.until > NOW).subquery("held")


def _sends(cap: FrequencyCap, whom: Select[Any], name: str) -> FromClause:
    """What has taken a slot of the leads who wait, counted from the latest, with how many there are."""
    sent = messages.alias(f"{name}_messages")
    back = func.row_number().over(
        partition_by=sent.c.lead_id, order_by=(sent.c.handed_over_at.desc(), sent.c.id.desc())
    )
    taken = func.count().over(partition_by=sent.c.lead_id)
    return (
        select(sent.c.lead_id, sent.c.handed_over_at, back.label("back"), taken.label("taken"))
        .where(sent.c.lead_id.in_(whom), _takes_slot(cap, sent))
        .subquery(name)
    )


def _free_at(caps: Sequence[FrequencyCap]) -> Any:
    """For one message: the latest instant at which a cap that covers it has a free slot; now when it has one."""
    instants: list[ColumnElement[Any]] = []
    for number, cap in enumerate(caps):
        sent = messages.alias(f"sent_{number}")
        slot = (
            select(plus_seconds(sent.c.handed_over_at, cap.per.seconds))
            .where(sent.c.lead_id == messages.c.lead_id, _takes_slot(cap, sent))
            .order_by(sent.c.handed_over_at.desc())
            .limit(1)
            .offset(cap.most - 1)
            .correlate(messages)
            .scalar_subquery()
        )
        instants.append(func.coalesce(case((_covers(cap, messages), slot)), NOW, type_=UTCDateTime()))
    return select(_latest(instants)).where(messages.c.id == bindparam("message", type_=BigInteger()))
