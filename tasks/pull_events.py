"""Pull every source: each page in one transaction with its cursor; what waited for its time is taken in, too."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.events.base import EventSource, FileSource, MailSource, Page
from db import sources as store_of_sources
from db.engine import Database
from db.intake import IntakeCounts, store
from nurture.definitions.catalogue import Catalogue
from nurture.errors import BadInput, OutsideFailed, RetryLater
from nurture.failpoints import hit
from nurture.records import Record
from nurture.row_mapping import RowMapper
from tasks.import_file import file_digest, import_file, records_of
from tasks.inbound_mail import MailReader
from tasks.letters import release_due
from tasks.mappers import mapper_for

if TYPE_CHECKING:
    from tasks.context import Run

logger = logging.getLogger(__name__)

Source = EventSource | FileSource
# Counts that stand in every report, also when nothing came.
_ALWAYS = ("rows", "leads_created", "leads_updated", "events_created", "duplicates", "refused")


def pull_events(run: Run) -> dict[str, int]:
    """Pull every configured source; what went wrong with which stands in the notes of the run."""
    context = run.context
    troubles: dict[str, str] = {}
    counts = pull(
        context.database,
        context.sources,
        now=run.now,
        catalogue=context.compiled().bundle.catalogue,
        secret=context.settings.secret_bytes(),
        troubles=troubles,
    )
    if troubles:
        run.notes["sources"] = troubles
    return counts


def pull(
    database: Database,
    sources: Sequence[Source],
    *,
    now: datetime,
    catalogue: Catalogue,
    secret: bytes,
    troubles: dict[str, str] | None = None,
) -> dict[str, int]:
    """Pull the sources one after the other and return counts; one that fails does not keep the others.

    `troubles` takes, by the name of the source or file, what a person should know; without personal data.
    """
    pulling = _Pull(database, now, catalogue, secret, {} if troubles is None else troubles)
    pulling.count(release_due(database, now=now, catalogue=catalogue, secret=secret))
    for source in sources:
        try:
            if isinstance(source, FileSource):
                pulling.folder(source)
            else:
                pulling.pages(source)
        except RetryLater as error:
            pulling.trouble(source.name, "sources_waiting", error)
            if error.after:
                with database.write() as connection:
                    store_of_sources.wait_until(connection, source.name, now + timedelta(seconds=error.after), now)
        except (OutsideFailed, BadInput) as error:
            pulling.trouble(source.name, "sources_failed", error)
    return pulling.counts


class _Overtaken(Exception):
    """Another run has read the same page; its rows are in."""


class _Pull:
    """One run over the sources."""

    def __init__(
        self, database: Database, now: datetime, catalogue: Catalogue, secret: bytes, troubles: dict[str, str]
    ) -> None:
        self.database = database
        self.now = now
        self.catalogue = catalogue
        self.secret = secret
        self.troubles = troubles
        self.counts: dict[str, int] = dict.fromkeys(_ALWAYS, 0)

    def count(self, found: dict[str, int]) -> None:
        """Add counts."""
        for name, value in found.items():
            if value or name in self.counts:
                self.counts[name] = self.counts.get(name, 0) + value

    def trouble(self, name: str, kind: str, error: Exception) -> None:
        """Note that a source or file could not be read."""
        self.count({kind: 1})
        self.troubles[name] = str(error)
        logger.warning("source %s: %s", name, error)

    # --- Pages --------------------------------------------------------------------------------------------------------

    def pages(self, source: EventSource) -> None:
        """Read a source from its cursor on."""
        with self.database.read() as connection:
            cursor = store_of_sources.cursor(connection, source.name)
            if store_of_sources.asked_to_wait(connection, source.name, self.now):
                self.count({"sources_waiting": 1})
                return
        mapper = self._reader_of(source)
        for number, page in enumerate(source.pages(cursor), 1):
            try:
                self._take_in(source, mapper, page, cursor, number)
            except _Overtaken:
                return
            cursor = page.next_cursor

    def _reader_of(self, source: EventSource) -> RowMapper | MailReader:
        if isinstance(source, MailSource):
            return MailReader(source.name)
        return mapper_for(source.mapping, source.kind, self.catalogue, file=source.name, columns=None)

    def _take_in(
        self, source: EventSource, mapper: RowMapper | MailReader, page: Page, cursor: str | None, number: int
    ) -> None:
        records: list[Record] = []
        for row in page.records:
            if isinstance(mapper, MailReader):
                records += mapper.read(row, self.now)
            else:
                records += records_of(mapper, row, self.now, f"{source.name}: page {number}, item {row.line}")
        with self.database.write() as connection:
            # First of all: it locks the cursor, so that two runs cannot read one page side by side.
            if not store_of_sources.move(connection, source.name, cursor, page.next_cursor, self.now):
                raise _Overtaken
            found = store(
                connection,
                records,
                source=source.name,
                now=self.now,
                silent=source.silent,
                catalogue=self.catalogue,
                secret=self.secret,
                context={"kind": source.kind, "mapping": source.mapping_name},
                pulled=True,
            )
            hit("pull.before_commit")
        hit("pull.committed")
        self.count({"rows": len(page.records), **_reported(found)})

    # --- Folders ------------------------------------------------------------------------------------------------------

    def folder(self, source: FileSource) -> None:
        """Read the files of a folder that are at rest and not in yet."""
        with self.database.read() as connection:
            cursor = store_of_sources.cursor(connection, source.name)
        # Only a short cut past hashing files that have not changed; the database knows by digest what is in.
        seen: dict[str, list[int]] = json.loads(cursor) if cursor else {}
        present = {}
        for path, size, modified in source.files(self.now):
            present[path.name] = [size, modified]
            if seen.get(path.name) != [size, modified]:
                self._file(source, path)
                source.finished(path)
        if present != seen:
            with self.database.write() as connection:
                store_of_sources.move(connection, source.name, cursor, json.dumps(present), self.now)

    def _file(self, source: FileSource, path: Path) -> None:
        try:
            report = import_file(
                self.database,
                path,
                source.kind,
                source.mapping,
                now=self.now,
                catalogue=self.catalogue,
                secret=self.secret,
                enroll=not source.silent,
                source=source.name,
                mapping_name=source.mapping_name,
            )
        except BadInput as error:
            self.trouble(f"{source.name}/{path.name}", "files_refused", error)
            # One that cannot even be opened has no digest to remember.
            with suppress(BadInput):
                digest = file_digest(path, source.kind, source.mapping)
                with self.database.write() as connection:
                    store_of_sources.refuse_file(connection, digest, source.name, path.name, str(error), self.now)
            return
        if report.already_imported is None:
            self.count({"files": 1, "rows": report.rows - report.resumed_at, **_numbers(report.counts)})


def _reported(found: IntakeCounts) -> dict[str, int]:
    return _numbers(found.as_counts())


def _numbers(counts: dict[str, Any]) -> dict[str, int]:
    return {name: int(value) for name, value in counts.items() if name != "records"}
