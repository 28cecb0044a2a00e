"""Runs that overlap, with each other and with whoever else is at work, leave what one run leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from threading import Barrier, Thread
from typing import Any

import pytest

from db import sequences
from db.engine import Database
from tasks.context import Context
from tasks.day import run_flow
from tasks.publish import publish
from tests.crash.engine import add_leads, answers, breaches, differences, documents, state
from tests.world import World

ROUNDS, SHORT = 3, 2


class Crowd:
    """Workers with connections of their own on the database of a world, all let go at once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.contexts: list[Context] = []

    def worker(self) -> Context:
        """A context like the world's, as another process would have; what it sends goes to the same outside."""
        mine = self.world.context
        made = Context(
            settings=mine.settings,
            database=Database(self.world.database.url),
            email=mine.email,
            audiences=mine.audiences,
            crm=mine.crm,
            batch_size=2,
        )
        self.contexts.append(made)
        return made

    def at_once(self, *acts: Callable[[], Any]) -> list[BaseException]:
        """Do all of it at the same time; returns what was raised."""
        barrier = Barrier(len(acts))
        raised: list[BaseException] = []

        def do(act: Callable[[], Any]) -> None:
            barrier.wait(60)
            try:
                act()
            except BaseException as error:
                raised.append(error)

        threads = [Thread(target=do, args=(act,)) for act in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in threads)
        return raised

    def close(self) -> None:
        """Let go of every connection."""
        for context in self.contexts:
            context.database.dispose()


@pytest.fixture
def crowd(databases, tmp_path) -> Iterator[Callable[[], Crowd]]:
    """Makes worlds to crowd, on each database."""
    made: list[Crowd] = []

    def make() -> Crowd:
        made.append(Crowd(World(databases.migrated(), tmp_path, documents())))
        return made[-1]

    yield make
    for each in made:
        each.close()
        each.world.close()


def a_day_begins(world: World, day: int) -> None:
    if day:
        world.now += timedelta(days=1)
        answers(world, day)
    add_leads(world, day)


def assert_nothing_twice(world: World) -> None:
    assert breaches(world) == []
    assert max(Counter(mail.message_key for mail in world.outbox.messages).values(), default=0) <= 1
    sent = [row["key"] for row in world.rows("messages", status="accepted")]
    assert Counter(sent) == Counter(mail.message_key for mail in world.outbox.messages)
    assert all(row["attempts"] == 1 for row in world.rows("messages", status="accepted"))


@pytest.mark.parametrize(("flow", "runs"), [("daily-sync", 2), ("follow-up", 3)])
def test_overlapping_runs_leave_what_one_run_leaves(crowd, flow, runs):
    alone, crowded = crowd().world, crowd()
    contexts = [crowded.worker() for _ in range(runs)]
    for day in range(ROUNDS):
        for world in (alone, crowded.world):
            a_day_begins(world, day)
        alone.run(flow)
        acts = [partial(run_flow, context, flow, crowded.world.now) for context in contexts]
        assert crowded.at_once(*acts) == []
        assert differences(state(alone), state(crowded.world)) == [], f"round {day}"
    assert_nothing_twice(crowded.world)


@pytest.mark.parametrize("held", ["papers", "known"])
def test_a_run_that_meets_intake_publishing_and_a_hold_raises_nothing_and_breaks_nothing(crowd, held):
    crowded = crowd()
    world, runner, other, operator = crowded.world, *(crowded.worker() for _ in range(3))
    newcomers = World.__new__(World)
    newcomers.__dict__ |= {"context": other, "now": world.now, "_events": 10_000}
    for day in range(SHORT):
        a_day_begins(world, day)
        newcomers.now = world.now
        documents_now = {**world.documents, "sequences/known": {**world.documents["sequences/known"], "priority": day}}

        def intake(day: int = day) -> None:
            for number in range(5):
                name = f"d{day}x{number}"
                newcomers.lead(name, company="Mill 0")
                newcomers.happens(name, "content.white_paper_downloaded")
                newcomers.happens(f"d{day}n1", "page.viewed", url="/")

        def hold() -> None:
            for asked in ("hold", "on", "drain", "on"):
                with operator.database.write() as connection:
                    sequences.set_state(connection, held, asked, "looked at", world.now)

        def change(documents_now: dict[str, Any] = documents_now) -> None:
            publish(operator, world.now, documents=documents_now)

        def run() -> None:
            run_flow(runner, "daily-sync", world.now)

        assert crowded.at_once(run, run, intake, hold, change) == []
        world.documents = documents_now
        # Whoever came too late for that run is taken along by the next.
        world.now += timedelta(minutes=10)
        world.run("daily-sync")
        assert world.rows("work_queue") == []
        assert_nothing_twice(world)
    everybody = {row["id"] for row in world.rows("leads")}
    assert len(everybody) == SHORT * (4 + 5)
    assert {row["lead_id"] for row in world.rows("scores")} == everybody
    papers = [row["lead_id"] for row in world.rows("enrollments", sequence="papers")]
    assert len(papers) == len(set(papers))
    # Nobody enters a sequence that is closed when a run looks; every other edge is acted on.
    assert held == "papers" or len(papers) == SHORT * (3 + 5)
