"""Taking in a file of events, with the check for duplicates, against the driver's bare insert of the same rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from bench.business import NOW, Business
from bench.cost import Meter, cost_of
from bench.stores import Store
from bench.table import Row
from db.types import to_microseconds
from nurture.keys import event_tiebreak
from tasks.import_file import import_file

_SLICE = 50_000


def measure(store: Store, business: Business, files: Path) -> Iterator[Row]:
    """Events into a store that knows the leads."""
    leads, events = business.write(files)
    cost_of(_import, store, leads, "leads", server=store.server)
    ripen = cost_of(_import, store, events, "events", server=store.server)
    floor = cost_of(_insert, store, events, server=store.server)
    note = f"{ripen.cpu / business.events * 1e6:.1f} µs an event"
    yield Row("load events, duplicates found", f"{business.events:,}", ripen, floor, "insert of parsed rows", 1.5, note)


def prepare(store: Store, business: Business, files: Path) -> None:
    """The same rows, unmeasured."""
    for path, kind in zip(business.write(files), ("leads", "events"), strict=True):
        cost_of(_import, store, path, kind)


def _import(meter: Meter, store: Store, path: Path, kind: Any) -> int:
    context = store.context()
    catalogue = context.compiled().bundle.catalogue
    with meter:
        report = import_file(
            context.database, path, kind, None, now=NOW, catalogue=catalogue, secret=b"bench", enroll=False
        )
    assert report.created == report.rows, report.counts
    return report.rows


# The table and its indexes as the migrations make them, but for the foreign keys.
_COLUMNS = [
    "source",
    "source_event_id",
    "lead_id",
    "type",
    "occurred_at",
    "received_at",
    "tiebreak",
    "properties",
    "machine",
    "silent",
]


def _insert(meter: Meter, store: Store, path: Path) -> None:
    connection = store.raw()
    cursor = connection.cursor()
    lead_ids = dict(cursor.execute("SELECT email, id FROM leads").fetchall())
    if store.kind == "postgresql":
        _copy(meter, connection, path, lead_ids)
        return
    table = cursor.execute("SELECT sql FROM sqlite_master WHERE name = 'events'").fetchone()[0]
    cursor.execute(table.replace("TABLE events", "TABLE bare_events").replace("_events_", "_bare_events_"))
    for name, sql in cursor.execute(
        "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'events' AND type = 'index' AND sql IS NOT NULL"
    ).fetchall():
        cursor.execute(sql.replace(name, f"bare_{name}").replace(" ON events", " ON bare_events"))
    insert = f"INSERT INTO bare_events ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
    for rows in _parsed(path, lead_ids, store):
        with meter:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.executemany(insert, rows)
            cursor.execute("COMMIT")
    cursor.execute("DROP TABLE bare_events")
    connection.close()


def _copy(meter: Meter, connection: Any, path: Path, lead_ids: dict[str, int]) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE bare_events (LIKE events INCLUDING ALL)")
    names = ", ".join(_COLUMNS)
    cursor.execute(f"CREATE TEMP TABLE staged AS SELECT {names} FROM events LIMIT 0")  # noqa: S608
    connection.commit()
    for rows in _parsed(path, lead_ids, None):
        with meter:
            with cursor.copy(f"COPY staged ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(
                f"INSERT INTO bare_events ({names}) SELECT * FROM staged ON CONFLICT DO NOTHING"  # noqa: S608
            )
            cursor.execute("TRUNCATE staged")
            connection.commit()
    cursor.execute("DROP TABLE bare_events")
    connection.commit()
    connection.close()


def _parsed(path: Path, lead_ids: dict[str, int], store: Store | None) -> Iterator[list[tuple[Any, ...]]]:
    from datetime import datetime

    micro = store is not None
    received = to_microseconds(NOW) if micro else NOW
    with path.open("rb") as file:
        while lines := list(itertools.islice(file, _SLICE)):
            rows = []
            for line in lines:
                row = orjson.loads(line)
                at = datetime.fromisoformat(row["occurred_at"])
                rows.append(
                    (
                        row["source"],
                        row["source_event_id"],
                        lead_ids[row["email"]],
                        row["type"],
                        to_microseconds(at) if micro else at,
                        received,
                        event_tiebreak(row["source"], row["source_event_id"]),
                        orjson.dumps(row.get("properties", {})).decode(),
                        False,
                        True,
                    )
                )
            yield rows
