"""Consents: an append-only record of what was allowed and withdrawn, and the latest word per lead and topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from db import leads
from db.batches import add_rows, listed, next_ids
from db.tables import consent_states, consents
from db.work import insert_for

_STRICTNESS = {"granted": 0, "pending": 1, "withdrawn": 2}
Topic = tuple[int, str]


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
        key = _key(change.lead_id, change.topic, change.status, change.source, change.occurred_at)
        if key in told or _says_nothing(change, states.get(topic)):
            continue
        told.add(key)
        id_ = next(free)
        new.append((id_, change))
        if _wins(change, states.get(topic)):
            states[topic] = moved[topic] = _State(change.status, change.basis, change.occurred_at, id_)
    _write(connection, new, moved, now)
    return {lead for lead, _ in moved}


def _key(lead_id: int, topic: str, status: str, source: str, occurred_at: datetime) -> tuple[Any, ...]:
    return lead_id, topic, status, source, occurred_at


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
    return {_key(*row) for row in connection.execute(rows)}


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
