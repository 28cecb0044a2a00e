"""CSV, strictly: a broken row is refused by itself, a file that is cut off or in another encoding as a whole."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from connectors.events.base import BrokenRow, Row
from connectors.events.files import MAX_FIELD, MAX_LINE, LineFile
from nurture.errors import BadInput

# The library's own limit of 128 KB would stop in the middle of a field and read its rest as rows.
csv.field_size_limit(MAX_LINE)

_CANDIDATES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_UNCLOSED = "unexpected end of data"


class CsvFile(LineFile):
    """A CSV file with a header; `columns` are its names, without spaces around."""

    def __init__(self, path: Path, delimiter: str = ",", encoding: str = "utf-8") -> None:
        super().__init__(path)
        self.delimiter = delimiter
        self.encoding = encoding
        self.held: list[bytes] = []
        self.number = 0
        try:
            self.columns = self._header()
        except BadInput:
            self.close()
            raise

    def check(self) -> int:
        """Count the rows; raises BadInput when the file is cut off or not in its encoding."""
        rows = broken = 0
        last: Row | BrokenRow | None = None
        for last in self._read():
            rows += 1
            broken += isinstance(last, BrokenRow) and last.reason == "wrong-width"
        if isinstance(last, BrokenRow) and last.reason == "wrong-width" and not last.raw.endswith((b"\n", b"\r")):
            raise BadInput(f"{self.path.name}: line {last.line} is cut off: {last.message}; the file is not complete")
        if rows > 1 and broken == rows:
            raise BadInput(
                f"{self.path.name}: no row has as many fields as the header ({len(self.columns)}); "
                "is the header on the first line, and the delimiter right?"
            )
        return rows

    def rows(self) -> Iterator[Row | BrokenRow]:
        """The rows as text by column; columns without a name are left out."""
        return self._read()

    def _header(self) -> tuple[str, ...]:
        try:
            row = next(csv.reader(self._text(), strict=True, delimiter=self.delimiter), None)
        except csv.Error as error:
            raise self.broken(1, 1, f"the header cannot be read: {error}") from None
        if not row or not any(cell.strip() for cell in row):
            raise BadInput(f"{self.path.name} has no header; its first line names the columns")
        self._refuse_other_delimiter(row)
        names = tuple(cell.strip() for cell in row)
        double = sorted({name for name in names if name and names.count(name) > 1})
        if double:
            raise BadInput(f"{self.path.name}: the column `{double[0]}` stands twice in the header; rename one of them")
        return names

    def _refuse_other_delimiter(self, row: list[str]) -> None:
        if len(row) > 1:
            return
        for other, name in _CANDIDATES.items():
            if other != self.delimiter and other in row[0]:
                mine = _CANDIDATES.get(self.delimiter, repr(self.delimiter))
                raise BadInput(
                    f"{self.path.name}: the columns are separated by {name}, not by {mine}; "
                    f"write `delimiter: {name}` in a mapping file and give it with --mapping"
                )

    def _read(self) -> Iterator[Row | BrokenRow]:
        parser = csv.reader(self._text(), strict=True, delimiter=self.delimiter)
        next(parser, None)
        columns, width = self.columns, len(self.columns)
        blank = [index for index, name in enumerate(columns) if not name]
        while True:
            self.held.clear()
            start = self.number + 1
            try:
                cells = next(parser, None)
            except csv.Error as error:
                yield self._broken_row(start, error)
                continue
            if cells is None:
                return
            if not cells:
                continue
            if len(cells) != width:
                message = f"the row has {len(cells)} fields, the header has {width}"
                yield BrokenRow(start, "wrong-width", message, self._raw())
            elif self._is_long() and max(map(len, cells)) > MAX_FIELD:
                yield self._too_long(start, cells)
            elif blank and any(cells[index].strip() for index in blank):
                yield BrokenRow(start, "no-column", "a field stands under a column without a name", self._raw())
            else:
                values: dict[str, Any] = dict(zip(columns, cells, strict=True))
                values.pop("", None)
                yield Row(start, values)

    def _broken_row(self, start: int, error: csv.Error) -> BrokenRow:
        if str(error) == _UNCLOSED:
            raise self.broken(
                start, 1, "a quote in this row is never closed", "the file is not complete, or a quote is missing"
            )
        if "field larger" in str(error):
            raise self.broken(start, 1, f"a field does not end within {MAX_LINE // 2**20} MB", "is a quote missing?")
        return BrokenRow(start, "broken-quotes", f"the quotes of the row do not match: {error}", self._raw())

    def _too_long(self, start: int, cells: list[str]) -> BrokenRow:
        longest, column = max(zip((len(cell) for cell in cells), self.columns, strict=True))
        message = f"`{column}` holds {longest:,} characters; at most {MAX_FIELD:,} can be used"
        return BrokenRow(start, "too-long", message, self._raw())

    def _is_long(self) -> bool:
        return sum(map(len, self.held)) > MAX_FIELD

    def _raw(self) -> bytes:
        return b"".join(self.held)

    def _text(self) -> Iterator[str]:
        """The lines as text, remembered until their row is complete."""
        self.number = 0
        encoding, held = self.encoding, self.held
        for line in self.lines():
            self.number += 1
            held.append(line)
            if b"\0" in line:
                place = line.index(b"\0") + 1
                remedy = "is the file UTF-16? save it as UTF-8" if self.number == 1 else "delete it"
                raise self.broken(self.number, place, "a NUL byte", remedy)
            if self.number == 1 and b"\r" in line.rstrip(b"\r\n"):
                raise self.broken(
                    1, line.index(b"\r") + 1, "the lines end in CR alone", "save the file with usual line ends"
                )
            try:
                yield line.decode(encoding)
            except UnicodeDecodeError as error:
                raise self.broken(
                    self.number,
                    error.start + 1,
                    f"the byte 0x{line[error.start]:02x} is not {encoding.upper()}",
                    "save the file as UTF-8, or write `encoding: windows-1252` in a mapping file",
                ) from None
