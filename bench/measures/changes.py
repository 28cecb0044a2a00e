"""Rescoring those of whom something is new, and nobody when nothing is: what a day costs after the first one.

One event is new for each lead of a share. The statements are compiled before, as in a process that lives; what the
first rescore of a process costs stands in the note.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from bench.business import NOW, TOMORROW, Business
from bench.cost import Cost, Meter, cost_of
from bench.people import cursor_of, settle, sql
from bench.stores import Store
from bench.table import Row
from db.intake import store as take_in
from nurture.records import EventRecord, Identity
from tasks.context import Context, Run
from tasks.rescore import rescore

_BATCH = 2_000
_KINDS = ("page.pricing_visited", "email.clicked", "page.viewed")
# Short work is done so often, because the clock of the server's CPU ticks a hundred times a second only.
_TIMES = 50
_A_TENTH, _A_HUNDREDTH = 10, 100


def measure(store: Store, business: Business, files: Path) -> Iterator[Row]:
    """A hundredth and a tenth of the leads have done something; then a day passes."""
    settle(store)
    few = cost_of(rescore_changed, store, business.leads // _A_HUNDREDTH, _A_HUNDREDTH, 1, server=store.server)
    floor = cost_of(_count, store, _A_HUNDREDTH, server=store.server).each(_TIMES)
    yield _row("rescore after 1 % got events", few, floor, f"the first of a process {few.result[1]:.2g} s wall")
    many = cost_of(rescore_changed, store, business.leads // _A_TENTH, _A_TENTH, 2, server=store.server)
    floor = cost_of(_count, store, _A_TENTH, server=store.server).each(_TIMES)
    yield _row("rescore after 10 % got events", many, floor, f"{many.cpu / few.cpu:.1f} times 1 % (at most 12)")
    day = cost_of(_a_day_passes, store, server=store.server)
    look_up = cost_of(_look_up, store, server=store.server).each(_TIMES)
    what = "indexed look-up"
    note = f"{day.result:,} leads whose decay falls due"
    yield Row("a day passes: rescore what decay asks for", f"{business.leads:,}", day, look_up, what, None, note)
    quiet = cost_of(_nothing_happens, store, server=store.server).each(_TIMES)
    note = f"{quiet.cpu * 1000:.2g} ms"
    yield Row("rescore when nothing has happened", f"{business.leads:,}", quiet, look_up, what, None, note)


def _row(work: str, cost: Cost, floor: Cost, note: str) -> Row:
    leads = cost.result[0]
    note = f"{cost.cpu / leads * 1e6:.0f} µs a lead; {note}"
    return Row(work, f"{leads:,}", cost, floor, "count of their events", None, note)


def rescore_changed(meter: Meter, store: Store, leads: int, every: int, seed: int) -> tuple[int, float]:
    """Rescore so many leads, every so-manieth one, after an event of each; returns how many and the first's seconds."""
    context = store.context()
    context.compiled()
    first = Meter(None)
    tell(context, range(1, 20 * every, every), f"first{seed}", NOW)
    with first:
        rescore(Run(context, NOW))
    tell(context, range(0, leads * every, every), f"more{seed}", NOW)
    with meter:
        rescored = rescore(Run(context, NOW))["leads_rescored"]
    assert rescored == leads, (rescored, leads)
    return rescored, first.wall


def tell(context: Context, numbers: range, name: str, now: datetime) -> None:
    """One event of each of these leads, an hour ago, as a source would tell it."""
    catalogue = context.compiled().bundle.catalogue
    records = [
        EventRecord(
            "bench",
            f"{name}-{number}",
            _KINDS[number % len(_KINDS)],
            now - timedelta(hours=1),
            (Identity("email", f"lead{number}@example.com"),),
        )
        for number in numbers
    ]
    for start in range(0, len(records), _BATCH):
        with context.database.write() as connection:
            take_in(
                connection,
                records[start : start + _BATCH],
                source="bench",
                now=now,
                silent=False,
                catalogue=catalogue,
                secret=b"bench",
            )


def _count(meter: Meter, store: Store, every: int) -> int:
    with cursor_of(store) as cursor:
        cursor.execute(
            sql(
                store,
                "CREATE TEMP TABLE changed AS SELECT DISTINCT lead_id FROM events WHERE source_event_id LIKE $new",
                new=f"more{1 if every == _A_HUNDREDTH else 2}-%",
            )
        )
        query = "SELECT count(*) FROM events WHERE lead_id IN (SELECT lead_id FROM changed)"
        with meter:
            for _ in range(_TIMES):
                cursor.execute(query)
                found = cursor.fetchone()[0]
        cursor.execute("DROP TABLE changed")
    return int(found)


def _a_day_passes(meter: Meter, store: Store) -> int:
    context = store.context()
    context.compiled()
    # Compiles the statements.
    tell(context, range(1, 2), "warm", NOW)
    rescore(Run(context, NOW))
    with meter:
        return rescore(Run(context, TOMORROW))["leads_rescored"]


def _nothing_happens(meter: Meter, store: Store) -> None:
    context = store.context()
    rescore(Run(context, TOMORROW))
    with meter:
        for _ in range(_TIMES):
            rescore(Run(context, TOMORROW))


def _look_up(meter: Meter, store: Store) -> None:
    query = sql(store, "SELECT lead_id FROM scores WHERE due_at <= $now", now=NOW)
    with cursor_of(store) as cursor, meter:
        for _ in range(_TIMES):
            cursor.execute(query)
            cursor.fetchall()


def prepare(store: Store, business: Business, files: Path) -> None:
    """It is the next day, and everybody's score is right."""
    cost_of(_a_day_passes, store)


__all__ = ["measure", "prepare", "rescore_changed", "tell"]
