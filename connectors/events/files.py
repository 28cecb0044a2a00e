"""Files of leads and events: opened, checked as a whole before anything is used, then read row by row."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from connectors.events.base import BrokenRow, Row
from nurture.errors import BadInput

# One physical line; more than that is no list of records.
MAX_LINE = 64 * 1024 * 1024
# One cell or value: a longer one is refused with its row.
MAX_FIELD = 1_000_000
_FORMATS = {".csv": "csv", ".txt": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BLOCK = 1024 * 1024


class RecordFile(Protocol):
    """One open file of records, read in constant memory."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of the columns; None where each record says its own."""

    def digest(self) -> str:
        """SHA-256 of the content."""

    def check(self) -> int:
        """Read all of it without using anything and return the number of records; raises BadInput for a broken file."""

    def rows(self) -> Iterator[Row | BrokenRow]:
        """The records in order; raises BadInput when the file has changed since it was opened."""

    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_records(path: Path, *, delimiter: str | None = None, encoding: str = "utf-8") -> RecordFile:
    """Open a file by its ending: .csv, .tsv, .jsonl or .parquet; raises BadInput."""
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise BadInput(
            f"{path.name}: cannot tell what kind of file this is; its name ends in .csv, .tsv, .jsonl or .parquet"
        )
    # Imported here: one kind of file needs only its own reader.
    if kind == "parquet":
        from connectors.events.parquet_file import ParquetFile

        return ParquetFile(path)
    if kind == "jsonl":
        from connectors.events.jsonl_file import JsonLinesFile

        return JsonLinesFile(path)
    from connectors.events.csv_file import CsvFile

    return CsvFile(path, delimiter or ("\t" if kind == "tsv" else ","), encoding)


def is_record_file(path: Path) -> bool:
    """Whether the name ends like a file that can be read."""
    return path.suffix.lower() in _FORMATS


def digest_of(file: BinaryIO) -> str:
    """SHA-256 of an open file, from its beginning."""
    total = hashlib.sha256()
    file.seek(0)
    while block := file.read(_BLOCK):
        total.update(block)
    return total.hexdigest()


def open_binary(path: Path) -> BinaryIO:
    """Open for reading; raises BadInput with the reason in plain words."""
    try:
        if path.is_dir():
            raise BadInput(f"{path} is a folder, not a file")
        return path.open("rb")
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist") from None
    except PermissionError:
        raise BadInput(f"{path} may not be read by this user") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None


class LineFile:
    """What files of lines have in common: the lines, and the certainty that they are still the same ones."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = open_binary(path)
        self.seen = self._stamp()
        start = self.file.read(4)
        if start[:2] in _UTF16:
            self.close()
            raise self.broken(1, 1, "the file is UTF-16", "save it as UTF-8 (in a spreadsheet: CSV UTF-8)")

    def lines(self) -> Iterator[bytes]:
        """Every line with its ending, from the beginning; without a byte order mark."""
        self.file.seek(0)
        number = 0
        read = self.file.readline
        while line := read(MAX_LINE + 1):
            number += 1
            if number == 1 and line.startswith(b"\xef\xbb\xbf"):
                line = line[3:]
            if len(line) > MAX_LINE:
                raise self.broken(
                    number, 1, f"the line is longer than {MAX_LINE // 2**20} MB", "is this a file of records?"
                )
            yield line
        if self._stamp() != self.seen:
            raise BadInput(f"{self.path.name} was changed while it was being read; import it again when it is complete")

    def digest(self) -> str:
        """SHA-256 of the content."""
        return digest_of(self.file)

    def broken(self, line: int, byte: int, what: str, remedy: str = "") -> BadInput:
        """The refusal of the whole file, with its place; bytes of a line count from 1."""
        return BadInput(f"{self.path.name}: line {line}, byte {byte}: {what}" + (f"; {remedy}" if remedy else ""))

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _stamp(self) -> tuple[int, int]:
        found = os.fstat(self.file.fileno())
        return found.st_size, found.st_mtime_ns
