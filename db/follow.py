"""Those in flight when a sequence is published anew: they follow to the new version, or stay pinned to theirs.

Elapsed waiting counts, nobody goes back, nobody is stranded. What an edit wakes is spread over ten-minute slots.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, case, func, literal, select, update

from db.awaited import awaited, came
from db.conditions import NOW, Scope
from db.entries import ended
from db.local_days import later
from db.sequences import held_since
from db.tables import definition_versions, enrollments
from db.types import plus_seconds
from nurture.definitions.program import Node, flatten
from nurture.definitions.sequences import Sequence, WaitStep, WaitUntil
from nurture.durations import Duration

# The woken go on in slots of a follow-up's length: at most so many slots, and no slot for fewer leads than this.
SLOT = timedelta(minutes=10)
MOST_SLOTS = 24
LEAST_PER_SLOT = 50


def versions_in_flight(connection: Connection, sequence: str, version_id: int) -> dict[int, Any]:
    """The other versions, id to body, from which somebody would follow to this one."""
    followers = select(enrollments.c.version_id).where(
        enrollments.c.sequence == sequence,
        enrollments.c.status == "active",
        enrollments.c.pinned.is_(False),
        enrollments.c.version_id != version_id,
    )
    rows = connection.execute(
        select(definition_versions.c.id, definition_versions.c.body).where(definition_versions.c.id.in_(followers))
    )
    return {int(row.id): row.body for row in rows}


def pin(connection: Connection, version_id: int) -> int:
    """Keep those in flight on the version they are in; returns how many."""
    return connection.execute(
        update(enrollments)
        .where(
            enrollments.c.version_id == version_id, enrollments.c.status == "active", enrollments.c.pinned.is_(False)
        )
        .values(pinned=True)
    ).rowcount


class Followers:
    """Takes everybody of one old version, who is not pinned, to the new one."""

    def __init__(
        self,
        old_version: int,
        old: Sequence,
        version_id: int,
        new: Sequence,
        scope: Scope,
        time_zones: tuple[str | None, ...],
    ) -> None:
        self.version_id = version_id
        self.sequence = new.sequence
        self.time_zones = time_zones
        self.scope = scope
        self.old = {node.id: node for node in flatten(old)}
        self.new = {node.id: node for node in flatten(new)}
        self.mine = (
            enrollments.c.version_id == old_version,
            enrollments.c.status == "active",
            enrollments.c.pinned.is_(False),
        )

    def take(self, connection: Connection, now: datetime) -> dict[str, int]:
        """Move them; returns how many follow, stood on removed steps, are completed by it, or have a changed wait."""
        counts = {"in flight": 0, "on removed steps": 0, "completed, no step left": 0, "waits changed": 0}
        self.clock, self.frozen_at = _clocks(connection, self.sequence, now)
        for id_, node in self.old.items():
            if id_ not in self.new:
                self._step_gone(connection, node, now, counts)
            elif _wait_of(node) != _wait_of(self.new[id_]):
                counts["waits changed"] += self._wait_changed(connection, self.new[id_], now)
        counts["in flight"] = connection.execute(
            update(enrollments).where(*self.mine).values(version_id=self.version_id)
        ).rowcount
        counts["in flight"] += counts["completed, no step left"]
        return counts

    def _step_gone(self, connection: Connection, node: Node, now: datetime, counts: dict[str, int]) -> None:
        """On to the next surviving step; a mail under way, and a hold, stay what they wait for."""
        here = (*self.mine, enrollments.c.step_id == node.id)
        target = self._survivor(node)
        if target is None:
            # Whoever is held out goes on standing aside.
            over = {**ended("completed", "steps-removed"), "version_id": self.version_id}
            gone = connection.execute(
                update(enrollments).where(*here, enrollments.c.holdout.is_(False)).values(over), {"now": now}
            ).rowcount
            counts["completed, no step left"] += gone
            counts["on removed steps"] += gone
            target = next(iter(self.new))
        waits = enrollments.c.waiting_for.in_(("wake", "event"))
        counts["on removed steps"] += connection.execute(
            update(enrollments)
            .where(*here)
            .values(
                step_id=target,
                waiting_since=None,
                # What the step waited for is gone too: the next one is due at once, in its turn.
                wake_at=case((waits, self.clock), else_=enrollments.c.wake_at),
                happened_at=case((waits, self.clock), else_=self.frozen_at),
                waiting_for=case((waits, "wake"), else_=enrollments.c.waiting_for),
                held_wake_at=case((enrollments.c.held_for.in_(("wake", "event")), self.frozen_at)),
                held_for=case((enrollments.c.held_for == "event", "wake"), else_=enrollments.c.held_for),
                moved_at=NOW,
            ),
            {"now": now},
        ).rowcount

    def _survivor(self, node: Node) -> str | None:
        following = node.next
        while following is not None and following not in self.new:
            following = self.old[following].next
        return following

    def _wait_changed(self, connection: Connection, node: Node, now: datetime) -> int:
        """A wait in hand takes its new length from when it began; one that is over by that goes on in its turn."""
        wait = _wait_of(node)
        here = (*self.mine, enrollments.c.step_id == node.id, enrollments.c.waiting_since.is_not(None))
        running = (*here, enrollments.c.waiting_for.in_(("wake", "event")))
        held = (*here, enrollments.c.waiting_for == "hold", enrollments.c.held_for.in_(("wake", "event")))
        kind = "event" if isinstance(wait, WaitUntil) and wait.until is not None else "wake"
        until = wait.timeout if isinstance(wait, WaitUntil) else wait
        changed = 0
        for whom, column, kind_column, clock in (
            (running, enrollments.c.wake_at, enrollments.c.waiting_for, self.clock),
            (held, enrollments.c.held_wake_at, enrollments.c.held_for, self.frozen_at),
        ):
            # A step that waits no longer, or for a window: look at once.
            new = clock
            if isinstance(until, Duration):
                since = enrollments.c.waiting_since
                new = later(connection, enrollments, since, until, whom, {"now": now}, *self.time_zones)
                new = case((new < clock, case((column < clock, column), else_=clock)), else_=new)
            values = {"held_wake_at": None, column.name: new, kind_column.name: kind, "moved_at": NOW}
            changed += connection.execute(
                update(enrollments).where(*whom).values(values),
                {"now": now},
            ).rowcount
        if kind == "event":
            self._event_came(connection, node, now)
        return changed

    def _event_came(self, connection: Connection, node: Node, now: datetime) -> None:
        """What is awaited now may have come since the wait began: the next run reacts, and the step counts from it."""
        test = awaited(node)
        assert test is not None
        connection.execute(
            update(enrollments)
            .where(
                *self.mine,
                enrollments.c.step_id == node.id,
                enrollments.c.waiting_for == "event",
                enrollments.c.wake_at > self.clock,
                came(test, self.scope),
            )
            .values(wake_at=self.clock, held_wake_at=enrollments.c.wake_at),
            {"now": now},
        )


def _clocks(connection: Connection, sequence: str, now: datetime) -> tuple[Any, Any]:
    """What their clocks show: of those who run, and of those who are held one by one. Clocks on hold stand still."""
    since = held_since(connection, sequence)
    clock = literal(since or now, enrollments.c.wake_at.type)
    if since is None:
        return clock, enrollments.c.held_since
    return clock, case((enrollments.c.held_since < clock, enrollments.c.held_since), else_=clock)


def _wait_of(node: Node) -> Duration | WaitUntil | None:
    """What a step waits for; two durations that are written differently are the same wait."""
    if not isinstance(node.step, WaitStep):
        return None
    wait = node.step.wait
    return wait.model_copy(update={"text": ""}) if isinstance(wait, Duration) else wait


def spread(connection: Connection, sequence: str, version_id: int, now: datetime) -> dict[str, Any]:
    """Spread those whom this edit has woken, the longest waiting first; returns how many, and until when."""
    # During a hold the slots are those after it.
    clock, _ = _clocks(connection, sequence, now)
    woken = and_(
        enrollments.c.version_id == version_id,
        enrollments.c.status == "active",
        enrollments.c.waiting_for.in_(("wake", "event")),
        enrollments.c.wake_at == clock,
        enrollments.c.moved_at == NOW,
    )
    count = int(
        connection.execute(select(func.count()).select_from(enrollments).where(woken), {"now": now}).scalar_one()
    )
    per_slot = max(LEAST_PER_SLOT, -(-count // MOST_SLOTS))
    if count > per_slot:
        order = (func.coalesce(enrollments.c.waiting_since, enrollments.c.entered_at), enrollments.c.id)
        place = (func.row_number().over(order_by=order) - 1).label("place")
        ranked = select(enrollments.c.id, place).where(woken).subquery("ranked")
        slot_at = plus_seconds(clock, (ranked.c.place // per_slot) * int(SLOT.total_seconds()))
        connection.execute(
            update(enrollments).where(enrollments.c.id == ranked.c.id).values(wake_at=slot_at), {"now": now}
        )
    slots = -(-count // per_slot) if count else 0
    return {"woken": count, "until": now + SLOT * max(slots - 1, 0)}
