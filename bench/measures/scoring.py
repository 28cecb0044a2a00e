"""Scoring everybody, against a count of the events and against SQL by hand that writes the same rows (`by_hand.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.business import NOW, Business
from bench.cost import Cost, Meter, cost_of
from bench.measures.by_hand import same_rows
from bench.stores import Store
from bench.table import Row
from db import scores
from tasks.context import Run
from tasks.rescore import rescore


def measure(store: Store, business: Business, files: Path) -> Iterator[Row]:
    """The first rescore, one after a publish, and the small ones of every day."""
    size = f"{business.leads:,}"
    whole = cost_of(_rescore_everybody, store, server=store.server)
    floor = cost_of(_group, store, server=store.server)
    note = f"{whole.cpu / business.events * 1e6:.2f} µs an event"
    yield Row("rescore everybody, breakdown kept", size, whole, floor, "GROUP BY lead, type", 3.0, note)
    points = whole.result[1]
    by_hand = cost_of(same_rows, store, server=store.server)
    note = f"{by_hand.result:,} rows; the whole rescore is {whole.cpu / by_hand.cpu:.1f} times the SQL by hand"
    yield Row("of it: points and scores", size, points, by_hand, "SQL by hand, same rows", 1.3, note)


def prepare(store: Store, business: Business, files: Path) -> None:
    """Everybody has a score."""
    cost_of(_rescore_everybody, store)


def _rescore_everybody(meter: Meter, store: Store) -> tuple[int, Cost]:
    """Returns how many were rescored, and what points and scores alone cost: no verdicts, derived events or queues."""
    context = store.context()
    plan = context.compiled().scores
    points, rescore_batch = Meter(store.server), plan.rescore

    def metered(*arguments: Any, **named: Any) -> int:
        with points:
            return rescore_batch(*arguments, **named)

    plan.rescore = metered  # type: ignore[method-assign]
    with context.database.write() as connection:
        scores.mark_everyone(connection, NOW)
    with meter:
        rescored = rescore(Run(context, NOW))["leads_rescored"]
    return rescored, Cost(points.cpu, points.wall, 0.0)


def _group(meter: Meter, store: Store) -> int:
    connection = store.raw()
    cursor = connection.cursor()
    query = (
        "SELECT count(*) FROM (SELECT lead_id, type, count(*), max(occurred_at) FROM events GROUP BY lead_id, type) g"
    )
    with meter:
        return int(cursor.execute(query).fetchone()[0])
