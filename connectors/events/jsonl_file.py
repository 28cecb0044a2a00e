"""JSON lines: one object a line; a line that is none is refused by itself."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from connectors.events.base import BrokenRow, Row
from connectors.events.files import LineFile
from nurture.errors import BadInput

MAX_RECORD = 4_000_000


class JsonLinesFile(LineFile):
    """A file of JSON objects, each on a line of its own and with its own keys."""

    columns = None

    def check(self) -> int:
        """Count the records; raises BadInput when the last one is cut off."""
        rows = 0
        last = 0, b""
        for number, line in enumerate(self.lines(), 1):
            if line and not line.isspace():
                rows += 1
                last = number, line
        found = read_object(*last) if rows else None
        if isinstance(found, BrokenRow) and found.reason == "not-json" and not found.raw.endswith(b"\n"):
            raise BadInput(f"{self.path.name}: line {found.line} is cut off; the file is not complete")
        return rows

    def rows(self) -> Iterator[Row | BrokenRow]:
        """The objects in order; empty lines are passed over."""
        for number, line in enumerate(self.lines(), 1):
            if line and not line.isspace():
                yield read_object(number, line)


def read_object(number: int, line: bytes) -> Row | BrokenRow:
    """One JSON object as a row."""
    if len(line) > MAX_RECORD:
        return BrokenRow(number, "too-long", f"the record is longer than {MAX_RECORD:,} bytes", line)
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return BrokenRow(number, "not-json", _why(line, error), line)
    if not isinstance(found, dict):
        return BrokenRow(number, "not-an-object", "the line is JSON, but no object with names and values", line)
    return Row(number, found)


def _why(line: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as where:
        return f"byte {where.start + 1} of the line, 0x{line[where.start]:02x}, is not UTF-8"
    return f"the line is not JSON: {error.msg} at character {error.colno}"
