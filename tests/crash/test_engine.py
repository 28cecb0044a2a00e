"""Killed at any point of rescoring, staging, enrolling and advancing, then run again: as if nothing had happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.crash import wrong_engine
from tests.crash.engine import Copies, breaches, dies, differences, documents, live, points, state
from tests.world import World

pytestmark = pytest.mark.xdist_group("kills")
FLOW = "daily-sync"
DAYS = 4
# Few enough that each queue takes several batches.
BATCH = 2
# Between how many statements of a step one is tried by day.
EACH = 36


class Bench:
    """A world before its last day, which is lived again in every trial."""

    def __init__(self, databases, home, batch_size: int = BATCH) -> None:
        self.world = World(databases.migrated(), home, documents())
        live(self.world, DAYS)
        self.world.context.batch_size = batch_size
        self.copies = Copies(databases, self.world.database.url)
        self.world.database.dispose()
        self.copies.keep()
        self.points = points(self.world.context, FLOW, self.world.now)
        self.undisturbed = state(self.world)

    def trial(self, die_at: int, wrong: Callable[[], None] | None = None) -> list[str]:
        """Die at the n-th point, run again at the same instant, and say what is otherwise than after one good run."""
        self.copies.put_back(self.world.context)
        ended = dies(self.world.context, FLOW, self.world.now, die_at, wrong)
        assert ended == (-9 if die_at else 0)
        self.world.run(FLOW)
        return [*differences(self.undisturbed, state(self.world)), *map(str, breaches(self.world))]

    def places(self) -> list[int]:
        """The points between which the engine works; those of sending are in tests/crash/test_sending.py."""
        return [at for at, name in enumerate(self.points, 1) if not name.startswith("deliver.")]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def bench(request, tmp_path_factory) -> Iterator[Bench]:
    """One bench on each database, for all trials: each puts it back first."""
    from tests.databases import PostgresDatabases, SqliteDatabases

    if request.param == "sqlite":
        databases = SqliteDatabases(request.getfixturevalue("sqlite_folder"))
    else:
        databases = PostgresDatabases(request.getfixturevalue("pg_server"))
    made = Bench(databases, tmp_path_factory.mktemp("engine"))
    yield made
    made.world.close()
    databases.drop_all()


def some(bench: Bench) -> list[int]:
    """One point of each name, and some more of those between two statements of a step; on PostgreSQL every other one.

    The soak takes every one on both.
    """
    middle: dict[int, None] = {}
    for name in dict.fromkeys(bench.points):
        mine = [at for at in bench.places() if bench.points[at - 1] == name]
        chosen = mine[::EACH] if name == "advance.statement" else mine[len(mine) // 2 :][:1]
        middle.update(dict.fromkeys(chosen))
    return sorted(middle)[:: 1 if bench.world.database.dialect == "sqlite" else 2]


def test_the_day_under_trial_has_work_for_every_step(bench):
    bench.copies.put_back(bench.world.context)
    counts = bench.world.run(FLOW).counts
    assert {
        name
        for name in (
            "leads_rescored",
            "transitions",
            "tasks_opened",
            "colleagues_added",
            "sales_answers",
            "entered",
            "events_awaited",
            "left:goal",
            "left:read-it-all",
            "left:replied",
            "messages_queued",
            "messages_accepted",
            "waits_ended",
            "branches_taken",
            "audience_choices",
            "fields_updated",
            "tasks_asked",
            "tasks_told",
            "audience_adds_told",
        )
        if not counts.get(name)
    } == set()
    assert Counter(bench.points)["rescore.committed"] > 3


@pytest.mark.timeout(300)
def test_a_kill_at_a_point_of_each_step_and_a_second_run_leave_what_one_run_leaves(bench):
    chosen = some(bench)
    assert len(chosen) > 10
    for at in chosen:
        assert bench.trial(at) == [], f"{bench.points[at - 1]} ({at})"


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_kill_at_every_point_and_a_second_run_leave_what_one_run_leaves(databases, tmp_path, batch_size):
    bench = Bench(databases, tmp_path, batch_size)
    found = {at: bench.trial(at) for at in bench.places()}
    assert {f"{bench.points[at - 1]} ({at})": wrong for at, wrong in found.items() if wrong} == {}
    bench.world.close()


def test_without_a_kill_a_second_run_changes_nothing(bench):
    assert bench.trial(0) == []


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (wrong_engine.advance_then_enqueue, "advance.statement"),
        (wrong_engine.finish_then_score, "rescore.before_commit"),
    ],
)
def test_two_transactions_where_one_is_needed_are_caught_by_the_same_trials(bench, wrong, name):
    assert bench.trial(0, wrong) == []
    chosen = [at for at in bench.places() if bench.points[at - 1] == name]
    assert any(bench.trial(at, wrong) for at in chosen)
