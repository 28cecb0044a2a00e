"""A watched folder: files that have come to rest are read once each; nothing is moved unless asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.events.base import Kind, Settled
from connectors.events.files import is_record_file
from nurture.definitions.mappings import Mapping as RowMappingFile
from nurture.errors import BadInput

# How programs name a file that they have not finished.
_UNFINISHED = (".part", ".tmp", ".filepart", ".crdownload", ".swp")


class FolderSource:
    """A folder and how its files are read.

    A file is at rest when it was last written `settle_seconds` before `now`, or has been renamed into place that long
    after it was written; 0 takes every file at once. `silent` marks its events as history.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        kind: Kind = "events",
        mapping: RowMappingFile | None = None,
        mapping_name: str | None = None,
        settle_seconds: int = 5,
        silent: bool = False,
        move_done_to: Path | None = None,
    ) -> None:
        self.name = name
        self.folder = folder
        self.kind: Kind = kind
        self.mapping = mapping
        self.mapping_name = mapping_name
        self.settle = timedelta(seconds=settle_seconds)
        self.silent = silent
        self.move_done_to = move_done_to

    def files(self, now: datetime) -> Iterator[Settled]:
        """The files at rest, by name; raises BadInput when the folder cannot be read."""
        try:
            found = sorted(self.folder.iterdir())
        except FileNotFoundError:
            raise BadInput(f"the folder {self.folder} of the source `{self.name}` does not exist") from None
        except OSError as error:
            raise BadInput(
                f"the folder {self.folder} of the source `{self.name}` cannot be read: {error.strerror}"
            ) from None
        for path in found:
            if not is_record_file(path) or path.name.startswith((".", "~")) or path.name.lower().endswith(_UNFINISHED):
                continue
            try:
                # A link could lead anywhere.
                if path.is_symlink() or not path.is_file():
                    continue
                state = path.stat()
            except FileNotFoundError:
                continue
            written = datetime.fromtimestamp(state.st_mtime, UTC)
            if not self.settle or written <= now - self.settle:
                yield Settled(path, state.st_size, state.st_mtime_ns)

    def finished(self, path: Path) -> None:
        """Move a file that is in, when the settings ask for it."""
        if self.move_done_to is not None:
            try:
                self.move_done_to.mkdir(parents=True, exist_ok=True)
                path.rename(self.move_done_to / path.name)
            except OSError as error:
                raise BadInput(
                    f"{path.name} is in, but cannot be moved to {self.move_done_to}: {error.strerror}"
                ) from None
