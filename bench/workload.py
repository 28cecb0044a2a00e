"""A skewed business of any size, and the work that is measured on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import sqlalchemy as sa

from connectors.email.memory import MemoryOutbox
from db import tables, work
from db.engine import Database
from db.intake import store
from db.migrate import upgrade
from nurture.records import EventRecord, Identity
from tasks.context import Context, Run
from tasks.publish import publish
from tasks.rescore import rescore
from tasks.settings import Settings
from tasks.workspace import CHECKOUT

SIZES = {"small": (10_000, 100_000), "medium": (100_000, 1_000_000), "full": (1_000_000, 10_000_000)}
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
_TYPES = (
    "email.opened",
    "email.clicked",
    "page.pricing_visited",
    "content.white_paper_downloaded",
    "webinar.registered",
)
_BATCH = 5_000


@dataclass(frozen=True)
class Measure:
    """CPU seconds of Ripen and of the floor for the same rows."""

    work: str
    ripen: float
    floor: float
    what: str

    @property
    def ratio(self) -> float:
        """How many times the floor."""
        return self.ripen / self.floor if self.floor else float("nan")


def cpu(action: Callable[[], object]) -> float:
    """CPU seconds of this process for one action."""
    before = time.process_time()
    action()
    return time.process_time() - before


class Workload:
    """A database with leads and events; a few leads have most of the events, every tenth has none."""

    def __init__(self, folder: Path, leads: int, events: int) -> None:
        url = f"sqlite:///{folder / 'bench.db'}"
        upgrade(url)
        settings = Settings(home=CHECKOUT, database_url=url, secret="a secret of the benchmark")  # noqa: S106
        self.context = Context(settings=settings, database=Database(url), email=MemoryOutbox(), batch_size=100_000)
        publish(self.context, NOW)
        self.database = self.context.database
        self.leads, self.events = leads, events

    def close(self) -> None:
        """Let go of the file."""
        self.database.dispose()

    def measure(self) -> list[Measure]:
        """Every measured piece of work, in the order in which a day does it."""
        loading = cpu(self._load)
        inserting = cpu(self._insert_bare)
        first = cpu(self._rescore)
        grouping = cpu(self._group)
        self._mark(0.01)
        changed = cpu(self._rescore)
        counting = cpu(self._count_changed)
        quiet = cpu(self._rescore)
        return [
            Measure(
                "take in events, with identities and duplicates",
                loading,
                inserting,
                "insert of the same rows, no check",
            ),
            Measure("rescore everybody, breakdown kept", first, grouping, "GROUP BY lead, type over the events"),
            Measure("rescore 1 % of the leads", changed, counting, "count of those leads' events"),
            Measure("rescore when nothing happened", quiet, 0.001, "one millisecond"),
        ]

    def _load(self) -> None:
        dice = Random(7)
        catalogue = self.context.compiled().bundle.catalogue
        how: dict[str, Any] = {"source": "bench", "now": NOW, "silent": True, "catalogue": catalogue}
        how["secret"] = b"bench secret"
        for start in range(0, self.events, _BATCH):
            records = [self._event(dice, number) for number in range(start, min(start + _BATCH, self.events))]
            with self.database.write() as connection:
                store(connection, records, **how)

    def _event(self, dice: Random, number: int) -> EventRecord:
        lead = int(self.leads * 0.9 * dice.random() ** 2)
        at = NOW - timedelta(seconds=dice.randrange(10_000_000))
        who = (Identity("email", f"lead{lead}@example.com"),)
        return EventRecord("bench", str(number), dice.choice(_TYPES), at, who, contact={"email": who[0].value})

    def _insert_bare(self) -> None:
        columns = [column.name for column in tables.events.columns if column.name != "id"]
        copy = sa.Table("bare_events", sa.MetaData(), *(column._copy() for column in tables.events.columns))
        for index in (("lead_id", "type", "occurred_at"), ("lead_id", "occurred_at"), ("source", "source_event_id")):
            sa.Index(f"ix_bare_{'_'.join(index)}", *(copy.c[name] for name in index))
        with self.database.read() as connection:
            rows = [
                dict(row)
                for row in connection.execute(sa.select(*(tables.events.c[name] for name in columns))).mappings()
            ]
        with self.database.write() as connection:
            copy.create(connection)
            connection.execute(sa.insert(copy), rows)

    def _rescore(self) -> None:
        rescore(Run(self.context, NOW))

    def _mark(self, share: float) -> None:
        with self.database.write() as connection:
            work.mark_ids(connection, "score", list(range(1, int(self.leads * share) + 1)), NOW)

    def _group(self) -> None:
        columns = (tables.events.c.lead_id, tables.events.c.type)
        query = sa.select(*columns, sa.func.count(), sa.func.max(tables.events.c.occurred_at)).group_by(*columns)
        with self.database.read() as connection:
            connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar()

    def _count_changed(self) -> None:
        changed = tables.events.c.lead_id <= int(self.leads * 0.01)
        with self.database.read() as connection:
            connection.execute(sa.select(sa.func.count()).select_from(tables.events).where(changed)).scalar()
