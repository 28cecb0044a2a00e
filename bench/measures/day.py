"""A whole daily sync when a hundredth of the leads has done something, against the sum of its parts in the same run.

What is left is what the flow itself costs. It runs in a new process, as a day does, and compiles its statements. What
Prefect adds does not depend on the leads, so it is measured once, with an empty workspace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from bench import in_prefect
from bench.business import EVERYBODY, TOMORROW, Business
from bench.cost import Cost, Meter, cost_of
from bench.measures import advancing, audiences, changes, loading, scoring
from bench.measures.changes import tell
from bench.people import send_all, settle
from bench.stores import Store
from bench.stores import store as new_store
from bench.table import Row
from connectors.audiences.memory import MemoryPlatform
from tasks import day
from tasks.context import Context, Run

_SMALL = 10_000
_AFTERNOON = TOMORROW + timedelta(hours=7)
_NEXT = _AFTERNOON + timedelta(days=1)


def measure(store: Store, business: Business, files: Path) -> Iterator[Row]:
    """The second daily sync of the business; of a tenth of it when time is short, which says as much about the flow."""
    if business.leads > _SMALL:
        yield from _measure(store, business)
        return
    tenth = Business(business.leads // 10, business.events // 10)
    folder = store.folder / "day"
    folder.mkdir()
    with new_store(store.kind, folder) as own:
        for earlier in (loading, scoring, changes, advancing, audiences):
            earlier.prepare(own, tenth, files)
        yield from _measure(own, tenth)


def _measure(store: Store, business: Business) -> Iterator[Row]:
    """The first day has everybody to look at and is not measured."""
    few = business.leads // 100
    cost_of(_first_day, store, few)
    flow = cost_of(_flow, store, server=store.server)
    steps, costs, wall = flow.result
    parts = Cost(sum(costs.values()), wall, flow.peak)
    dearest = ", ".join(f"{name} {cost / parts.cpu:.0%}" for name, cost in costs.most_common(4))
    note = f"{steps} steps; of the parts {dearest}"
    size = f"{few:,} of {business.leads:,}"
    yield Row("daily sync, 1 % active", size, flow, parts, "its parts", 1.1, note)
    if store.kind == "sqlite":
        yield in_prefect.row(store.folder)


def _context(store: Store) -> Context:
    platforms = {"file": MemoryPlatform(batch_size=10_000), EVERYBODY: MemoryPlatform(batch_size=10_000)}
    return store.context(audiences=platforms)


def _first_day(meter: Meter, store: Store, few: int) -> None:
    # Everybody is in the queues: as the statistics of an installation that imports know them.
    send_all(store, TOMORROW)
    settle(store)
    context = _context(store)
    day.run_flow(context, "daily-sync", _AFTERNOON)
    settle(store)
    tell(context, range(0, few * 100, 100), "day", _NEXT)


def _flow(meter: Meter, store: Store) -> tuple[int, Counter[str], float]:
    """Returns how many steps were called, the CPU seconds of each part, and the wall seconds of all parts."""
    parts = Meter(store.server)
    costs: Counter[str] = Counter()
    called: list[str] = []

    def seam(name: str, step: day.Step, run: Run) -> day.Counts:
        called.append(name)
        before = parts.cpu
        with parts:
            counts = step(run)
        costs[name] += parts.cpu - before  # type: ignore[assignment]
        return counts

    context = _context(store)
    context.compiled()
    with meter:
        day.run_flow(context, "daily-sync", _NEXT, seam)
    return len(called), costs, parts.wall
