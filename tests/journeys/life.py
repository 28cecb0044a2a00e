"""Months of life in few runs: a virtual clock that jumps to the next instant at which something is due or happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from db import tables
from nurture.check import check_documents
from tasks.audit import examine
from tasks.definition_files import load_tree
from tasks.explain import explain_lead
from tests.world import World

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
# When somebody does something: at an instant, who, what, with which properties.
Deed = tuple[datetime, str, str, dict[str, Any]]
_SLOT = timedelta(minutes=10)


def shipped() -> dict[str, Any]:
    """The definitions that ship with the product, checked."""
    checked = check_documents(load_tree(TEMPLATES))
    assert [each for each in checked.problems if each.severity == "error"] == []
    return dict(checked.documents)


class Life:
    """A world that is lived through: follow-ups where something is due, a daily sync every few days."""

    def __init__(self, world: World, *, daily_every: int = 10) -> None:
        self.world = world
        self.daily_every = timedelta(days=daily_every)
        self.next_daily = world.now
        self.deeds: list[Deed] = []

    def will(self, name: str, kind: str, at: datetime, **properties: Any) -> None:
        """Somebody will do something."""
        self.deeds.append((at, name, kind, properties))

    def until(self, end: datetime, react: Callable[[Life], Iterable[Deed]] = lambda life: ()) -> None:
        """Live on; `react` says after each run what people do about it."""
        world = self.world
        while (now := self._next()) <= end:
            world.now = now
            for deed in sorted((each for each in self.deeds if each[0] <= now), key=lambda each: each[:3]):
                self.deeds.remove(deed)
                at, name, kind, properties = deed
                world.happens(name, kind, at, **properties)
            world.run(self._flow())
            self.deeds += react(self)
        world.now = end
        world.run()

    def _flow(self) -> str:
        if self.world.now < self.next_daily:
            return "follow-up"
        self.next_daily += self.daily_every
        return "daily-sync"

    def _next(self) -> datetime:
        """The next ten minutes in which something is to be done."""
        enrollments, messages = tables.enrollments.c, tables.messages.c
        waiting = [
            sa.select(sa.func.min(enrollments.wake_at)),
            sa.select(sa.func.min(enrollments.hold_until)),
            sa.select(sa.func.min(messages.not_before)).where(messages.settled_at.is_(None)),
        ]
        with self.world.database.read() as connection:
            due = [connection.execute(query).scalar() for query in waiting]
        wanted = min([each for each in due if each] + [each[0] for each in self.deeds] + [self.next_daily])
        slots = -(-(wanted - datetime(2026, 1, 1, tzinfo=UTC)) // _SLOT)
        return max(datetime(2026, 1, 1, tzinfo=UTC) + slots * _SLOT, self.world.now + _SLOT)

    def mails(self, name: str, sequence: str) -> list[tuple[str, datetime]]:
        """Which mails of a sequence a lead was sent, and when."""
        rows = self.world.rows("messages", lead_id=self.world.lead_id(name), sequence=sequence, status="accepted")
        return [(row["step_id"], row["handed_over_at"]) for row in sorted(rows, key=lambda row: row["handed_over_at"])]

    def explained(self, name: str, sequence: str | None = None) -> dict[str, Any]:
        """What `ripen explain` says of a lead, or of the lead in one sequence."""
        told = explain_lead(self.world.context, f"{name}@example.com", self.world.now)
        if sequence is None:
            return dict(told)
        return dict([each for each in told["enrollments"] if each["sequence"] == sequence][-1])

    def breaches(self) -> list[dict[str, Any]]:
        """What `ripen audit` finds."""
        return list(examine(self.world.context, self.world.now, repair=False).breaches)
