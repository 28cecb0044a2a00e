"""The one shape of every source: pages of raw records, each with the cursor that says how far it has been read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from nurture.definitions.mappings import Mapping as RowMappingFile

Kind = Literal["leads", "events"]


class Row(NamedTuple):
    """One record as it came; `line` counts from 1, in a page the items."""

    line: int
    values: Mapping[str, Any]


class BrokenRow(NamedTuple):
    """A record that could not be read, as bytes, with the reason as a short stable word."""

    line: int
    reason: str
    message: str
    raw: bytes


class Page(NamedTuple):
    """Records that belong together, and the cursor after them; None means that there is none to keep."""

    records: list[Row | BrokenRow]
    next_cursor: str | None


class EventSource(Protocol):
    """A place that is read again and again, from where the last reading ended.

    `pages` raises RetryLater when the source is not ready, and OutsideFailed when a person has to look; the pages
    given before that stand.
    """

    name: str
    kind: Kind
    mapping: RowMappingFile | None
    mapping_name: str | None  # by which a replay finds the mapping again
    silent: bool  # its events are history: they enroll nobody and open no task

    def pages(self, cursor: str | None) -> Iterator[Page]:
        """The pages after a cursor; None is the beginning."""


# The one value of a record of a mailbox: the mail as it came, its beginning when it is long.
MAIL = "mail"


@runtime_checkable
class MailSource(EventSource, Protocol):
    """A mailbox: a source whose records hold mails, `{MAIL: bytes}`, which are read by what they say."""

    holds_mails: bool


class Settled(NamedTuple):
    """A file at rest; as long as size and time are the same, so is the file."""

    path: Path
    size: int
    modified_ns: int


@runtime_checkable
class FileSource(Protocol):
    """A place where files appear, each read once as a whole."""

    name: str
    kind: Kind
    mapping: RowMappingFile | None
    mapping_name: str | None
    silent: bool

    def files(self, now: datetime) -> Iterator[Settled]:
        """The files at rest, by name; raises BadInput when the place cannot be read."""

    def finished(self, path: Path) -> None:
        """Called for each file that has been dealt with."""
