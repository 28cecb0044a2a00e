"""Parquet, through DuckDB, which is installed only by those who need it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from connectors.events.base import BrokenRow, Row
from connectors.events.files import digest_of, open_binary
from nurture.errors import BadInput

_BATCH = 2_000
_MAGIC = b"PAR1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ParquetFile:
    """A Parquet file; instants with a time zone come in UTC, those without as text."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._refuse_incomplete()
        try:
            import duckdb
        except ImportError:
            raise BadInput(
                "reading Parquet needs DuckDB; install it with `pip install duckdb`, or export the file as CSV"
            ) from None
        self.error = duckdb.Error
        # Nothing is loaded from elsewhere, and the file is the only thing that it reads.
        self.connection = duckdb.connect(
            config={"autoinstall_known_extensions": False, "autoload_known_extensions": False, "threads": 1}
        )
        try:
            described = self._run("DESCRIBE SELECT * FROM read_parquet(?)").fetchall()
        except BadInput:
            self.close()
            raise
        self.columns = tuple(str(each[0]) for each in described)
        self.zoned = [str(each[1]) == "TIMESTAMP WITH TIME ZONE" for each in described]

    def digest(self) -> str:
        """SHA-256 of the content."""
        with open_binary(self.path) as file:
            return digest_of(file)

    def check(self) -> int:
        """The number of rows; the file's own footer has shown that it is complete."""
        found = self._run("SELECT count(*) FROM read_parquet(?)").fetchone()
        return int(found[0]) if found else 0

    def rows(self) -> Iterator[Row | BrokenRow]:
        """The rows in the file's order; `line` is the number of the row."""
        # Identifiers and types come from the file itself and are quoted; the path is a parameter.
        wanted = ", ".join(map(_expression, self.columns, self.zoned))
        result = self._run(f"SELECT {wanted} FROM read_parquet(?)")  # noqa: S608 - see above
        readers = [(name, _instant if zoned else _plain) for name, zoned in zip(self.columns, self.zoned, strict=True)]
        number = 0
        while batch := result.fetchmany(_BATCH):
            for values in batch:
                number += 1
                yield Row(number, {name: read(value) for (name, read), value in zip(readers, values, strict=True)})

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, statement: str) -> Any:
        try:
            return self.connection.execute(statement, [str(self.path)])
        except self.error as error:
            raise BadInput(f"{self.path.name} cannot be read as Parquet: {str(error).splitlines()[0][:200]}") from None

    def _refuse_incomplete(self) -> None:
        with open_binary(self.path) as file:
            start = file.read(4)
            size = file.seek(0, 2)
            file.seek(max(size - 4, 0))
            end = file.read(4)
        if start != _MAGIC:
            raise BadInput(f"{self.path.name} is not a Parquet file")
        if end != _MAGIC or size < 12:
            raise BadInput(f"{self.path.name} is cut off: its end is missing; the file is not complete")


def _expression(name: str, zoned: bool) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    # Read as microseconds: the library would need another one for time zones.
    return f"epoch_us({quoted})" if zoned else quoted


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def _instant(microseconds: int | None) -> str | None:
    return None if microseconds is None else (_EPOCH + timedelta(microseconds=microseconds)).isoformat()
