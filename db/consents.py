"""Consents: an append-only record of what was allowed and withdrawn, and the latest word per lead and topic.

Nothing updates or deletes a row of the record; a merge re-keys it, and only an erasure takes it away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from db import leads
from db.batches import add_rows, listed, next_ids
from db.tables import consent_states, consents
from db.work import insert_for, mark_ids
from nurture.stops import CONFIRMATION

_STRICTNESS = {"granted": 0, "pending": 1, "withdrawn": 2}
Topic = tuple[int, str]
# The source of the word that ends a double opt-in which nobody answered.
NOT_CONFIRMED = "not confirmed"


@dataclass(frozen=True, slots=True)
class Change:
    """One word of a person about one topic; not `dated` when only the time of the import is known."""

    lead_id: int
    topic: str
    status: str
    basis: str
    source: str
    occurred_at: datetime
    dated: bool = True
    wording: str | None = None
    evidence: Mapping[str, Any] | None = None
    # The topic asks for a double opt-in, and nothing says yet that the person has confirmed.
    unconfirmed: bool = False


@dataclass(frozen=True, slots=True)
class _State:
    status: str
    basis: str
    since: datetime
    consent_id: int


def record(connection: Connection, changes: Sequence[Change], now: datetime) -> set[int]:
    """Store what is new and return the leads whose latest word has changed.

    The latest word wins, of two at one instant the stricter; a word that arrives late does not undo a newer one. What
    is not dated says nothing new when it repeats the latest word, and never grants what was withdrawn.
    """
    if not changes:
        return set()
    leads.lock(connection, (change.lead_id for change in changes))
    topics = sorted({(change.lead_id, change.topic) for change in changes})
    states = _states(connection, topics)
    told = _told(connection, topics)
    new: list[tuple[int, Change]] = []
    moved: dict[Topic, _State] = {}
    free = iter(next_ids(connection, consents, len(changes)))
    for change in sorted(changes, key=lambda each: (each.occurred_at, _STRICTNESS[each.status])):
        topic = (change.lead_id, change.topic)
        known = _key(change) in told or _says_nothing(change, states.get(topic))
        change = _to_be_confirmed(change, states.get(topic))
        if known or _key(change) in told or _says_nothing(change, states.get(topic)):
            continue
        told.add(_key(change))
        id_ = next(free)
        new.append((id_, change))
        if _wins(change, states.get(topic)):
            states[topic] = moved[topic] = _State(change.status, change.basis, change.occurred_at, id_)
    _write(connection, new, moved, now)
    return {lead for lead, _ in moved}


def _key(change: Change) -> tuple[Any, ...]:
    return change.lead_id, change.topic, change.status, change.source, change.occurred_at


def _to_be_confirmed(change: Change, state: _State | None) -> Change:
    """A grant that a double opt-in is asked for is pending until it is confirmed; one confirmed before stays so."""
    if not change.unconfirmed or change.status != "granted" or change.basis != "consent":
        return change
    if state is not None and (state.status, state.basis) == ("granted", "consent"):
        return change
    return replace(change, status="pending")


def _says_nothing(change: Change, state: _State | None) -> bool:
    if change.dated or state is None:
        return False
    return change.status == state.status or (change.status == "granted" and state.status == "withdrawn")


def _wins(change: Change, state: _State | None) -> bool:
    if state is None or change.occurred_at > state.since:
        return True
    return change.occurred_at == state.since and _STRICTNESS[change.status] > _STRICTNESS[state.status]


def _states(connection: Connection, topics: list[Topic]) -> dict[Topic, _State]:
    table = consent_states
    asked = listed(connection, "asked", topics, table.c.lead_id, table.c.topic)
    rows = select(
        table.c.lead_id, table.c.topic, table.c.status, table.c.basis, table.c.since, table.c.consent_id
    ).join(asked, (asked.c.lead_id == table.c.lead_id) & (asked.c.topic == table.c.topic))
    return {(lead, topic): _State(*state) for lead, topic, *state in connection.execute(rows)}


def _told(connection: Connection, topics: list[Topic]) -> set[tuple[Any, ...]]:
    asked = listed(connection, "asked", topics, consents.c.lead_id, consents.c.topic)
    rows = select(
        consents.c.lead_id, consents.c.topic, consents.c.status, consents.c.source, consents.c.occurred_at
    ).join(asked, (asked.c.lead_id == consents.c.lead_id) & (asked.c.topic == consents.c.topic))
    return {tuple(row) for row in connection.execute(rows)}


def _write(connection: Connection, new: list[tuple[int, Change]], moved: dict[Topic, _State], now: datetime) -> None:
    add_rows(
        connection,
        consents,
        [
            {
                "id": id_,
                "lead_id": change.lead_id,
                "topic": change.topic,
                "status": change.status,
                "basis": change.basis,
                "source": change.source,
                "wording": change.wording,
                "evidence": dict(change.evidence) if change.evidence else None,
                "occurred_at": change.occurred_at,
                "recorded_at": now,
            }
            for id_, change in new
        ],
    )
    if moved:
        upsert = insert_for(connection)(consent_states)
        fresh = {name: upsert.excluded[name] for name in ("status", "basis", "since", "consent_id")}
        connection.execute(
            upsert.on_conflict_do_update(index_elements=["lead_id", "topic"], set_=fresh),
            [
                {
                    "lead_id": lead,
                    "topic": topic,
                    "status": state.status,
                    "basis": state.basis,
                    "since": state.since,
                    "consent_id": state.consent_id,
                }
                for (lead, topic), state in sorted(moved.items())
            ],
        )


def refused_since(connection: Connection, changes: Sequence[Change]) -> set[tuple[int, str, datetime]]:
    """Those of these words, by lead, topic and instant, after which a stored word has taken the topic back."""
    if not changes:
        return set()
    topics = sorted({(change.lead_id, change.topic) for change in changes})
    asked = listed(connection, "asked", topics, consents.c.lead_id, consents.c.topic)
    rows = (
        select(consents.c.lead_id, consents.c.topic, func.max(consents.c.occurred_at))
        .join(asked, (asked.c.lead_id == consents.c.lead_id) & (asked.c.topic == consents.c.topic))
        .where(consents.c.status == "withdrawn")
        .group_by(consents.c.lead_id, consents.c.topic)
    )
    last = {(lead, topic): at for lead, topic, at in connection.execute(rows)}
    said = {(each.lead_id, each.topic, each.occurred_at) for each in changes}
    return {(lead, topic, at) for lead, topic, at in said if (lead, topic) in last and last[lead, topic] >= at}


@dataclass(frozen=True, slots=True)
class Word:
    """The latest word about a topic, and the record that it stands in."""

    status: str
    basis: str
    since: datetime
    consent_id: int


def words_of(connection: Connection, lead_id: int) -> dict[str, Word]:
    """The latest word of a lead on each topic."""
    table = consent_states
    rows = select(table.c.topic, table.c.status, table.c.basis, table.c.since, table.c.consent_id)
    return {topic: Word(*word) for topic, *word in connection.execute(rows.where(table.c.lead_id == lead_id))}


def is_confirmed(connection: Connection, consent_id: int) -> bool:
    """Whether a word is the answer to a double opt-in."""
    source = connection.execute(select(consents.c.source).where(consents.c.id == consent_id)).scalar()
    return source == CONFIRMATION


def give_up_pending(connection: Connection, now: datetime, after: timedelta, limit: int) -> int:
    """Withdraw what nobody has confirmed for so long, up to so many leads at a time; returns how many words.

    A withdrawal, and not a deletion: the record says that somebody asked, and that nobody confirmed.
    """
    state = consent_states
    rows = (
        select(state.c.lead_id, state.c.topic, state.c.basis, state.c.consent_id)
        .where(state.c.status == "pending", state.c.since <= now - after)
        .order_by(state.c.lead_id, state.c.topic)
        .limit(limit)
    )
    leads.lock(connection, {row.lead_id for row in connection.execute(rows)})
    # Once more, under the lock: a confirmation may have come.
    changes = [
        Change(row.lead_id, row.topic, "withdrawn", row.basis, NOT_CONFIRMED, now, evidence={"pending": row.consent_id})
        for row in connection.execute(rows)
    ]
    changed = record(connection, changes, now)
    mark_ids(connection, "score", sorted(changed), now, silent=True)
    return len(changes)
