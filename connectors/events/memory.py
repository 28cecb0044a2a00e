"""A source in memory, for tests and for what the program makes itself; its cursor is the number of records read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.events.base import MAIL, BrokenRow, Kind, Page, Row
from nurture.definitions.mappings import Mapping as RowMappingFile


class MemorySource:
    """Hands out its records in pages; records that are added later come after the cursor."""

    def __init__(
        self,
        name: str,
        records: Sequence[Mapping[str, Any] | bytes],
        *,
        kind: Kind = "events",
        mapping: RowMappingFile | None = None,
        mapping_name: str | None = None,
        silent: bool = False,
        page_size: int = 1_000,
    ) -> None:
        self.name = name
        self.records = list(records)
        self.kind: Kind = kind
        self.mapping = mapping
        self.mapping_name = mapping_name
        self.silent = silent
        self.page_size = page_size

    def pages(self, cursor: str | None) -> Iterator[Page]:
        """The pages after a cursor; bytes stand for a record that cannot be read."""
        start = int(cursor or 0)
        while start < len(self.records):
            part = self.records[start : start + self.page_size]
            rows: list[Row | BrokenRow] = [
                BrokenRow(number, "not-json", "the record cannot be read", each)
                if isinstance(each, bytes)
                else Row(number, each)
                for number, each in enumerate(part, start + 1)
            ]
            start += len(part)
            yield Page(rows, str(start))


class MemoryMailbox(MemorySource):
    """A mailbox in memory; its cursor is the number of mails read."""

    def __init__(self, name: str, mails: Sequence[bytes], *, silent: bool = False, page_size: int = 20) -> None:
        super().__init__(name, [], silent=silent, page_size=page_size)
        self.holds_mails = True
        self.put(*mails)

    def put(self, *mails: bytes) -> None:
        """Deliver mails."""
        self.records += [{MAIL: raw} for raw in mails]
