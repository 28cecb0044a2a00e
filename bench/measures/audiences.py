"""Syncing an audience with everybody in it, of whom a hundredth has changed: half of these leave, half of them are new.

The platform takes the difference into memory: what a platform does with an upload is its own cost. The shipped one that
writes files writes the whole file anew; the note says what that costs. The floor hashes every address and finds the
same difference, in one statement.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.business import EVERYBODY, TOMORROW, Business
from bench.cost import Meter, cost_of
from bench.people import agree, cursor_of, settle, sql
from bench.stores import Store
from bench.table import Row
from connectors.audiences.base import Upload
from connectors.audiences.file import FilePlatform
from tasks.context import Run
from tasks.sync_audiences import sync_audiences

_NOW = TOMORROW + timedelta(hours=8)
# Leads with these remainders of 200 are the half per cent that leaves, and the one that is new: first for the floor and
# to compile Ripen's statements, then for Ripen.
_FIRST, _SECOND = (1, 2), (3, 4)


class _Memory:
    """Takes the difference and counts it."""

    name = EVERYBODY

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.told = 0

    def upload(self, batch: Upload) -> None:
        """Take it."""
        self.told += len(batch.members)


def measure(store: Store, business: Business, files: Path) -> Iterator[Row]:
    """The second sync of a big audience."""
    prepare(store, business, files)
    _change(store, *_FIRST)
    floor = cost_of(_difference, store, server=store.server)
    ripen = cost_of(_sync_again, store, server=store.server)
    assert abs(ripen.result - floor.result) < 20 + floor.result // 20, (ripen.result, floor.result)
    file = cost_of(_write_file, store, business.leads)
    note = f"{ripen.result:,} members told; to write them into the whole file twice: {file.cpu:.2g} s more"
    size = f"{business.leads:,}"
    yield Row("audience sync, 1 % changed", size, ripen, floor, "hash and diff in one statement", 2.0, note)


def prepare(store: Store, business: Business, files: Path) -> None:
    """Everybody but the new ones has been told."""
    agree(store, "ads", f"id % 200 NOT IN ({_FIRST[1]}, {_SECOND[1]})")
    cost_of(_sync, store)
    settle(store)


def _change(store: Store, leaves: int, new: int) -> None:
    agree(store, "ads", f"id % 200 = {new}")
    withdraw = "UPDATE consent_states SET status = 'withdrawn' WHERE topic = 'ads' AND lead_id % 200 = $leaves"
    with cursor_of(store) as cursor:
        cursor.execute(sql(store, withdraw, leaves=leaves))


def _sync(meter: Meter, store: Store) -> None:
    platform = _Memory(1_000)
    sync_audiences(Run(store.context(audiences={EVERYBODY: platform}), _NOW))


def _sync_again(meter: Meter, store: Store) -> int:
    platform = _Memory(FilePlatform.batch_size)
    context = store.context(audiences={EVERYBODY: platform})
    sync_audiences(Run(context, _NOW))
    _change(store, *_SECOND)
    platform.told = 0
    with meter:
        sync_audiences(Run(context, _NOW))
    return platform.told


def _difference(meter: Meter, store: Store) -> int:
    hashed = "encode(sha256(convert_to(lower(l.email), 'UTF8')), 'hex')"
    with cursor_of(store) as cursor:
        if store.kind == "sqlite":
            hashed = "bench_hash(l.email)"
            cursor.connection.create_function("bench_hash", 1, _hash, deterministic=True)
        statement = sql(store, _DIFFERENCE.replace("$hashed", hashed), everybody=EVERYBODY)
        with meter:
            cursor.execute(statement)
            return len(cursor.fetchall())


def _hash(address: str) -> str:
    return hashlib.sha256(address.lower().encode()).hexdigest()


_DIFFERENCE = """
    WITH wanted AS MATERIALIZED (
        SELECT l.id, $hashed AS hash FROM leads l
        JOIN consent_states c ON c.lead_id = l.id AND c.topic = 'ads' AND c.status = 'granted'
        WHERE l.stage <> 'customer'
    )
    SELECT 'add', w.hash FROM wanted w
    LEFT JOIN audience_members m ON m.platform = $everybody AND m.audience = $everybody AND m.lead_id = w.id
    WHERE m.lead_id IS NULL OR m.status <> 'member' OR m.member_hash <> w.hash
    UNION ALL
    SELECT 'remove', m.member_hash FROM audience_members m
    WHERE m.platform = $everybody AND m.audience = $everybody AND m.status = 'member'
    AND NOT EXISTS (
        SELECT 1 FROM consent_states c WHERE c.lead_id = m.lead_id AND c.topic = 'ads' AND c.status = 'granted'
    )
"""


def _write_file(meter: Meter, store: Store, members: int) -> None:
    platform = FilePlatform(store.folder / "audiences")
    hashes = [_hash(f"lead{number}@example.com") for number in range(members)]
    changed: dict[str, Any] = {"remove": hashes[: members // 200], "add": hashes[: members // 200]}
    platform.upload(Upload("first", EVERYBODY, "add", hashes))
    with meter:
        for change, some in changed.items():
            platform.upload(Upload(change, EVERYBODY, change, some))  # type: ignore[arg-type]
