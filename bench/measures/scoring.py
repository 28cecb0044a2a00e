"""Scoring everybody, and only those of whom something is new, against a count and against the same rows by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.business import NOW, Business
from bench.cost import Cost, Meter, cost_of
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


def prepare(store: Store, business: Business, files: Path) -> None:
    """Everybody has a score."""
    cost_of(_rescore_everybody, store)


def _rescore_everybody(meter: Meter, store: Store) -> int:
    context = store.context()
    context.compiled()
    with context.database.write() as connection:
        scores.mark_everyone(connection, NOW)
    with meter:
        return rescore(Run(context, NOW))["leads_rescored"]


def _group(meter: Meter, store: Store) -> int:
    connection = store.raw()
    cursor = connection.cursor()
    query = (
        "SELECT count(*) FROM (SELECT lead_id, type, count(*), max(occurred_at) FROM events GROUP BY lead_id, type) g"
    )
    with meter:
        return int(cursor.execute(query).fetchone()[0])


__all__ = ["Cost", "measure", "prepare"]
