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

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, case, func, or_, select

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
        self._caps = caps
        self._free_at = _free_at(caps, messages)
        self._checked: dict[Select[Any], Select[Any]] = {}

    def plan(self, connection: Connection, now: datetime) -> int:
        """Hold what is ready and beyond the free slots of its lead; returns how many messages."""
        return sum(hold_until(connection, held, FREQUENCY_CAP, now) for held in self._holds)

    def plan_again(self, connection: Connection, now: datetime) -> bool:
        """Look again at those who stood behind others that have gone meanwhile; whether any of them may go now."""
        again = look_again(connection, now + _LOOK_AGAIN, now)
        return again > self.plan(connection, now)

    def checked(self, check: Select[Any]) -> Select[Any]:
        """A check of one message, with the instant at which its lead has a free slot as `free_at`, at once or later.

        Asked under the lead's lock.
        """
        if check not in self._checked:
            self._checked[check] = check.add_columns(self._free_at.label("free_at"))
        return self._checked[check]

    def free_at(self, of: FromClause) -> ColumnElement[Any]:
        """The same instant for a message that is only imagined: a row with its lead, topic and kind."""
        return _free_at(self._caps, of)


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
    taken, so it waits for the latest but `most - p` of the messages sent. These are looked up for each message, in the
    order of their index: joined with them all, many that wait were compared with many that were sent.
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
    untils = [_until(cap, waiting, f"sent_{number}") for number, cap in enumerate(caps)]
    held = select(waiting.c.id, _latest(untils).label("until")).subquery("beyond")
    return select(held.c.id, held.c.until).where(held.c.until > NOW).subquery("held")


def _until(cap: FrequencyCap, waiting: FromClause, name: str) -> ColumnElement[Any]:
    """When the slot that a waiting message needs is free; now when it is."""
    # How many later ones have to be passed over, by place; whoever stands behind all slots waits for the latest.
    places = [
        (waiting.c.place == number, _slot(cap, waiting, name, cap.most - number)) for number in range(1, cap.most)
    ]
    needed = case(*places, else_=_slot(cap, waiting, name, 0)) if places else _slot(cap, waiting, name, 0)
    all_taken = _slot(cap, waiting, name, cap.most - 1).is_not(None)
    soon = plus_seconds(NOW, _LOOK_AGAIN.total_seconds())
    until = case((all_taken, needed), else_=soon)
    return case((or_(needed.is_not(None), waiting.c.place > cap.most), until), else_=NOW)


def _slot(cap: FrequencyCap, of: FromClause, name: str, later: int) -> ColumnElement[Any]:
    """When the slot comes back that the lead's latest message but so many has taken; NULL where there is none."""
    sent = messages.alias(name)
    return (
        select(plus_seconds(sent.c.handed_over_at, cap.per.seconds))
        .where(sent.c.lead_id == of.c.lead_id, _takes_slot(cap, sent))
        .order_by(sent.c.handed_over_at.desc(), sent.c.id.desc())
        .limit(1)
        .offset(later)
        .correlate(of)
        .scalar_subquery()
    )


def _free_at(caps: Sequence[FrequencyCap], of: FromClause) -> ColumnElement[Any]:
    """For one message: the latest instant at which a cap that covers it has a free slot; now when it has one."""
    instants: list[ColumnElement[Any]] = []
    for number, cap in enumerate(caps):
        slot = _slot(cap, of, f"sent_{number}", cap.most - 1)
        instants.append(func.coalesce(case((_covers(cap, of), slot)), NOW, type_=UTCDateTime()))
    return _latest([NOW, *instants]) if instants else sa.type_coerce(NOW, UTCDateTime())
