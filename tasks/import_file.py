"""Import a file of leads or events: checked as a whole first, then batch by batch, each with how far it has come."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from connectors.events.base import BrokenRow, Row
from connectors.events.files import RecordFile, digest_of, open_binary, open_records
from db import sources
from db.engine import Connection, Database
from db.intake import IntakeCounts, store
from nurture.definitions.catalogue import Catalogue
from nurture.definitions.mappings import Mapping
from nurture.errors import BadInput
from nurture.failpoints import hit
from nurture.keys import record_digest
from nurture.records import Kind, Origin, Record, Refused
from nurture.row_mapping import RowMapper
from tasks.mappers import mapper_for

BATCH_ROWS = 10_000
SHOWN_REFUSALS = 1_000
Progress = Callable[[int, int], None]


@dataclass
class ImportReport:
    """What an import did; `counts` hold the numbers of all batches, `skipped` rows that by the mapping say nothing."""

    file: str
    kind: str
    rows: int = 0
    rows_total: int = 0
    skipped: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    dry_run: bool = False
    resumed_at: int = 0
    already_imported: str | None = None

    @property
    def created(self) -> int:
        """New leads, or new events."""
        return self.counts.get("leads_created" if self.kind == "leads" else "events_created", 0)

    @property
    def updated(self) -> int:
        """Leads that the file has changed."""
        return self.counts.get("leads_updated", 0)

    @property
    def duplicates(self) -> int:
        """Lead records that said nothing new, or events that were known."""
        return self.counts.get("leads_unchanged" if self.kind == "leads" else "duplicates", 0)

    @property
    def refused(self) -> int:
        """Records that went to the dead letters."""
        return self.counts.get("refused", 0)

    def add(self, found: IntakeCounts) -> None:
        """Add a batch."""
        for name, value in found.as_counts().items():
            self.counts[name] = self.counts.get(name, 0) + value
        for each in found.refusals[: max(SHOWN_REFUSALS - len(self.refusals), 0)]:
            self.refusals.append({"line": each.origin.line, "reason": each.reason, "message": each.message})

    def stored(self) -> dict[str, Any]:
        """What the database keeps, to go on from."""
        return {**self.counts, "rows": self.rows, "skipped": self.skipped}


def import_file(
    database: Database,
    path: Path,
    kind: Literal["leads", "events"],
    mapping: Mapping | None,
    *,
    now: datetime,
    catalogue: Catalogue,
    secret: bytes,
    dry_run: bool = False,
    enroll: bool = False,
    on_progress: Progress | None = None,
    source: str | None = None,
    mapping_name: str | None = None,
) -> ImportReport:
    """Import a file and return what came of it; raises BadInput when the file cannot be used as a whole.

    One that stopped goes on after its last batch; one that is in already changes nothing. A dry run does all of it in
    one transaction and takes it back. Without `enroll` its events are history: they enroll nobody and open no task.
    """
    delimiter, encoding = (mapping.delimiter, mapping.encoding) if mapping else (None, "utf-8")
    with open_records(path, delimiter=delimiter, encoding=encoding) as file:
        mapper = mapper_for(mapping, kind, catalogue, file=path.name, columns=file.columns)
        importer = _Import(
            database, file, mapper, now, catalogue, secret, silent=not enroll, source=source or mapper.mapping.source
        )
        importer.report = ImportReport(path.name, kind, rows_total=file.check(), dry_run=dry_run)
        importer.digest = _digest(file.digest(), kind, mapping)
        importer.context = {"kind": kind, "mapping": mapping_name}
        return importer.run(on_progress or (lambda done, total: None))


def file_digest(path: Path, kind: str, mapping: Mapping | None) -> str:
    """What makes a file the same one: its content, how it is read, and as what; raises BadInput."""
    with open_binary(path) as file:
        return _digest(digest_of(file), kind, mapping)


def _digest(content: str, kind: str, mapping: Mapping | None) -> str:
    return record_digest(content, kind, mapping.model_dump_json() if mapping else "")


class _Import:
    """One file on its way in."""

    report: ImportReport
    digest: str
    context: dict[str, Any]

    def __init__(
        self,
        database: Database,
        file: RecordFile,
        mapper: RowMapper,
        now: datetime,
        catalogue: Catalogue,
        secret: bytes,
        *,
        silent: bool,
        source: str,
    ) -> None:
        self.database = database
        self.file = file
        self.mapper = mapper
        self.now = now
        self.catalogue = catalogue
        self.secret = secret
        self.silent = silent
        self.source = source

    def run(self, on_progress: Progress) -> ImportReport:
        """Import what is not in yet."""
        report = self.report
        with self.database.read() as connection:
            known = sources.file(connection, self.digest)
        if known is not None and known["status"] == "done":
            return self._is_in(known["counts"], known["ended_at"])
        if known is not None and known["status"] == "reading" and known["rows_done"]:
            counts = dict(known["counts"])
            report.resumed_at = report.rows = known["rows_done"]
            report.skipped = counts.pop("skipped", 0)
            counts.pop("rows", None)
            report.counts = counts
        with self._transactions() as transaction:
            if not report.dry_run:
                with transaction() as connection:
                    sources.begin_file(connection, self.digest, self.source, report.file, self.now)
            rows = self.file.rows()
            for row in islice(rows, report.resumed_at):
                if isinstance(row, Row):
                    self.mapper.pass_over(row.values)
            while self._next_batch(rows, transaction):
                hit("pull.committed")
                on_progress(report.rows, report.rows_total)
            if not report.dry_run:
                with transaction() as connection:
                    sources.end_file(connection, self.digest, self.now)
        return report

    def _is_in(self, counts: dict[str, Any], when: datetime) -> ImportReport:
        report = self.report
        report.rows, report.skipped = counts.get("rows", 0), counts.get("skipped", 0)
        report.already_imported = when.isoformat()
        same = {"leads_unchanged": ("leads_created", "leads_updated"), "duplicates": ("events_created",)}
        for name, parts in same.items():
            report.counts[name] = counts.get(name, 0) + sum(counts.get(part, 0) for part in parts)
        return report

    @contextmanager
    def _transactions(self) -> Iterator[Callable[[], Any]]:
        """A transaction for each batch; in a dry run one for all of them, which is taken back."""
        if not self.report.dry_run:
            yield self.database.write
            return
        try:
            with self.database.write() as one:

                @contextmanager
                def same() -> Iterator[Connection]:
                    yield one

                yield same
                raise _TakeBack
        except _TakeBack:
            return

    def _next_batch(self, rows: Iterator[Row | BrokenRow], transaction: Callable[[], Any]) -> bool:
        """Read and store a batch; False when there is none left."""
        with _collector_at_rest():
            batch = list(islice(rows, BATCH_ROWS))
            if not batch:
                return False
            with transaction() as connection:
                self._take_in(connection, batch)
                hit("pull.before_commit")
        return True

    def _take_in(self, connection: Connection, rows: list[Row | BrokenRow]) -> None:
        report = self.report
        records: list[Record] = []
        for row in rows:
            found = records_of(self.mapper, row, self.now)
            report.skipped += not found
            records += found
        report.add(
            store(
                connection,
                records,
                source=self.source,
                now=self.now,
                silent=self.silent,
                catalogue=self.catalogue,
                secret=self.secret,
                context=self.context,
                pulled=True,
            )
        )
        seen = report.rows
        report.rows += len(rows)
        if report.dry_run:
            return
        if not sources.advance_file(connection, self.digest, seen, report.rows, report.stored()):
            raise BadInput(f"{report.file} is being imported by another process; wait until that one is done")


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Without the search for garbage in cycles: a batch leaves none, and searching takes a third of an import."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


class _TakeBack(Exception):
    """Ends the transaction of a dry run."""


def records_of(mapper: RowMapper, row: Row | BrokenRow, now: datetime, place: str = "") -> list[Record]:
    """What a row says; one that could not be read is a refusal."""
    if isinstance(row, Row):
        return mapper.read(row.values, now, row.line, place)
    kind: Kind = mapper.kind
    return [Refused(kind, row.reason, row.message, Origin(place or f"{mapper.file}:{row.line}", row.raw, row.line))]
