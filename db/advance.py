"""Advancing enrollments through their steps, a whole step's standers at a time.

An enrollment that stands on a step with `wake_at` in the past is due there, and `wake_at` is then the instant from
which the step counts: when the previous one really happened. Steps are walked in order and jumps go forward, so one
pass takes everybody as far as they can go.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, select, update

from db import work
from db.awaited import awaited, awaited_statement
from db.conditions import NOW
from db.entries import BATCH, leave_statements
from db.holds import after_hold
from db.statistics import refresh
from db.steps import StepStatements, verdict_at
from db.subqueries import there_is
from db.tables import (
    definition_versions,
    enrollments,
    messages,
    sequence_states,
)
from db.types import beside_index
from nurture.definitions.bundle import Bundle
from nurture.definitions.program import Node, flatten
from nurture.definitions.sequences import (
    Sequence,
)
from nurture.failpoints import hit


class SequenceProgram(StepStatements):
    """One version of a sequence, ready to be executed."""

    def __init__(
        self, version_id: int, sequence: Sequence, bundle: Bundle, time_zone: str = "UTC", country: str | None = None
    ) -> None:
        super().__init__(version_id, sequence, bundle, time_zone, country)
        self.nodes = flatten(sequence)
        self.by_id = {node.id: node for node in self.nodes}
        due = enrollments.c.id.in_(
            select(enrollments.c.id).where(
                enrollments.c.version_id == version_id, enrollments.c.status == "active", enrollments.c.wake_at <= NOW
            )
        )
        changed = enrollments.c.id.in_(work.enrollments_of(BATCH))
        known = bundle.catalogue.events
        self.leave = leave_statements(version_id, sequence, self.scope, due, known)
        self.leave_changed = leave_statements(version_id, sequence, self.scope, changed, known)
        self._built: dict[str, list[Any]] = {}
        self._passing: dict[str, Any] = {}
        self.awaited = [awaited_statement(version_id, node, self.scope) for node in self.nodes if awaited(node)]

    def advance(self, connection: Connection, occupied: Iterable[str], now: datetime) -> dict[str, int]:
        """Take everybody who is due as far as they can go; returns counts by what happened."""
        counts: dict[str, int] = {}
        self._let_go(connection, now, counts)
        waiting = set(occupied)
        for node in self.nodes:
            if node.id in waiting:
                waiting.update(self._execute(connection, node, now, counts))
                if node.kind == "update":
                    # The goal or an exit may ask for the field.
                    self._let_go(connection, now, counts)
        refresh(connection, counts.get("messages_queued", 0), messages)
        return {key: value for key, value in counts.items() if value}

    def _let_go(self, connection: Connection, now: datetime, counts: dict[str, int]) -> None:
        for label, statement in self.leave:
            _add(counts, label, connection.execute(statement, {"now": now}).rowcount)

    def _execute(self, connection: Connection, node: Node, now: datetime, counts: dict[str, int]) -> set[str]:
        if node.id not in self._built:
            self._built[node.id] = self._build(connection, node)
            self._passing[node.id] = self._pass_by(node)
        moved = connection.execute(self._passing[node.id], {"now": now}).rowcount
        moved += self._begin_wait(connection, node, now)
        for label, statement in self._built[node.id]:
            rows = max(connection.execute(statement, {"now": now}).rowcount, 0)
            if label:
                _add(counts, label, rows)
            moved += rows
            hit("advance.statement")
        if not moved:
            return set()
        return {target for target in [node.next, *(arm.target for arm in node.arms)] if target}


def _add(counts: dict[str, int], key: str, rows: int) -> None:
    counts[key] = counts.get(key, 0) + max(rows, 0)


def occupied_places(connection: Connection, now: datetime) -> dict[int, set[str]]:
    """Where somebody is due, by version and step, leaving out sequences on hold."""
    on_hold = select(sequence_states.c.sequence).where(sequence_states.c.state == "hold")
    rows = connection.execute(
        # From those who are due: in the order of the places SQLite would walk through everybody.
        select(beside_index(enrollments.c.version_id), beside_index(enrollments.c.step_id))
        .where(enrollments.c.status == "active", enrollments.c.wake_at <= now, enrollments.c.sequence.not_in(on_hold))
        .distinct()
    )
    found: dict[int, set[str]] = {}
    for version, step in rows:
        found.setdefault(int(version), set()).add(str(step))
    return found


def go_on_after_messages(connection: Connection, now: datetime) -> int:
    """Take on those whose message is settled: the next step counts from what really happened to it.

    Accepted: from the provider's yes. Skipped, rejected or failed: from that verdict. Unknown: from the hand-over.
    """
    settled = select(messages.c.id, verdict_at().label("at")).where(messages.c.settled_at.is_not(None)).subquery()
    base = after_hold(settled.c.at)
    return connection.execute(
        update(enrollments)
        # Who waits for a message is active, and not said to be: SQLite would walk through all who are.
        .where(enrollments.c.waiting_for == "message", enrollments.c.message_id == settled.c.id)
        .values(waiting_for="wake", wake_at=base, happened_at=base, message_id=None, moved_at=now)
    ).rowcount


def versions_of_batch(connection: Connection, batch: str) -> set[int]:
    """The sequence versions that the leads of a claimed batch are in."""
    return set(connection.execute(_VERSIONS_OF_BATCH, {"batch": batch}).scalars())


_VERSIONS_OF_BATCH = (
    select(enrollments.c.version_id)
    .where(enrollments.c.status == "active", enrollments.c.lead_id.in_(work.leads_of(BATCH, "entry")))
    .distinct()
)


def versions_in_use(connection: Connection) -> dict[int, tuple[str, Any]]:
    """Every sequence version that somebody is in, or that has a message on its way: id to (key, body)."""
    rows = connection.execute(_VERSIONS_IN_USE)
    return {int(row.id): (str(row.key), row.body) for row in rows}


def _versions_in_use() -> Any:
    # For each version the first that is in it, not everybody.
    people = there_is(
        enrollments, enrollments.c.version_id == definition_versions.c.id, enrollments.c.status == "active"
    )
    mails = select(messages.c.version_id).where(messages.c.settled_at.is_(None))
    return select(definition_versions.c.id, definition_versions.c.key, definition_versions.c.body).where(
        definition_versions.c.key.startswith("sequences/"), sa.or_(people, definition_versions.c.id.in_(mails))
    )


_VERSIONS_IN_USE = _versions_in_use()
