"""Reading single values of a row as a mapping asks for them; each reader is built once and used for every row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from nurture import normalise
from nurture.definitions.mappings import DateParts, Instant, Value, When
from nurture.errors import RefusedRow

Row = Mapping[str, Any]
Reader = Callable[[Row, int], Any]
InstantReader = Callable[[Row, datetime], datetime | None]

TRUE_WORDS = frozenset(("true", "yes", "y", "1", "t"))
FALSE_WORDS = frozenset(("false", "no", "n", "0", "f"))
MAX_DEPTH = 8
MAX_ITEMS = 200
_UNITS = {"seconds": 1, "milliseconds": 1_000, "microseconds": 1_000_000}
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
MAX_KNOWN = 4_096
# Beyond this a number loses digits in JSON's readers.
_EXACT = 2**53


def cell(row: Row, column: str) -> Any:
    """The value of a column; `a.b` also goes into an object."""
    if column in row or "." not in column:
        return row.get(column)
    found: Any = row
    for part in column.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def present(raw: Any, missing: frozenset[str]) -> Any:
    """The value, or None when the cell is empty or holds a word that means so."""
    if isinstance(raw, str):
        raw = raw.strip()
        return None if not raw or raw in missing else raw
    return raw


def word(raw: Any) -> str:
    """A value as the text that tables and conditions compare: `true`, `false`, whole numbers without point."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float) and raw.is_integer() and abs(raw) < _EXACT:
        return str(int(raw))
    return str(raw)


def reader(value: Value, missing: frozenset[str], zone: str = "UTC") -> Reader:
    """A function from row and line to the value, None where there is none."""
    if value.constant is not None:
        constant = value.constant
        return lambda row, line: constant
    if value.row:
        return lambda row, line: str(line)
    column = value.column or ""
    nested = "." in column
    convert = _converter(value, column, zone)

    def as_it_is(row: Row, line: int) -> Any:
        raw = row.get(column)
        if isinstance(raw, str):
            raw = raw.strip()
            return None if not raw or raw in missing else raw
        return raw

    def read(row: Row, line: int) -> Any:
        raw = present(cell(row, column), missing)
        return raw if convert is None or raw is None else convert(raw)

    # Most columns need nothing more, and each cell of a file comes by here.
    return as_it_is if convert is None and not nested else read


def _converter(value: Value, column: str, zone: str) -> Callable[[Any], Any] | None:
    """Table and type in one function; columns repeat their words, so that most answers are known already."""
    if value.table is None and value.type is None:
        return None
    known: dict[str, Any] = {}

    def work_out(raw: Any) -> Any:
        found = raw if value.table is None else _looked_up(value, column, word(raw))
        return found if value.type is None or found is None else typed(found, value.type, column, zone)

    def convert(raw: Any) -> Any:
        if not isinstance(raw, str):
            return work_out(raw)
        if raw not in known:
            if len(known) >= MAX_KNOWN:
                known.clear()
            known[raw] = work_out(raw)
        return known[raw]

    return convert


def _looked_up(value: Value, column: str, found: str) -> Any:
    table = value.table or {}
    if found in table:
        return table[found]
    if value.otherwise == "keep":
        return found
    if value.otherwise == "skip":
        return None
    raise RefusedRow(
        "unmapped-value",
        f"the mapping's table for `{column}` does not name `{found[:60]}`; add it there, or write `otherwise: skip`",
    )


def typed(raw: Any, kind: str, column: str, zone: str = "UTC") -> Any:
    """The value as text, number, boolean or instant (ISO 8601 in UTC)."""
    if kind == "number":
        return number(raw, column)
    if kind == "boolean":
        found = word(raw).casefold()
        if found not in TRUE_WORDS | FALSE_WORDS:
            raise RefusedRow("bad-value", f"`{column}` is neither true nor false")
        return found in TRUE_WORDS
    if kind == "instant":
        return normalise.instant(raw, zone).isoformat().replace("+00:00", "Z")
    return normalise.text(word(raw), f"`{column}`")


def number(raw: Any, column: str) -> int | float:
    """A number; whole ones stay whole."""
    try:
        found = raw if isinstance(raw, (int, float)) and not isinstance(raw, bool) else float(str(raw))
    except ValueError:
        raise RefusedRow("bad-value", f"`{column}` is not a number") from None
    if not math.isfinite(found):
        raise RefusedRow("bad-value", f"`{column}` is not a finite number")
    return int(found) if float(found).is_integer() and abs(found) < _EXACT else found


def plain(value: Any, what: str, depth: int = MAX_DEPTH) -> Any:
    """A JSON value that both databases can hold: finite, without control characters, not too deep or too long."""
    if isinstance(value, str):
        return normalise.text(value, what, lines=True)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < _EXACT else str(value)
    if isinstance(value, float):
        return number(value, what.strip("`"))
    if isinstance(value, datetime):
        return normalise.instant(value).isoformat().replace("+00:00", "Z")
    if not isinstance(value, (dict, list, tuple, Mapping)):
        return normalise.text(value, what)
    if depth == 0 or len(value) > MAX_ITEMS:
        raise RefusedRow(
            "too-deep", f"{what} holds lists or objects deeper than {MAX_DEPTH} or longer than {MAX_ITEMS}"
        )
    if isinstance(value, (dict, Mapping)):
        return {
            normalise.text(key, what, normalise.ID_LIMIT): plain(each, what, depth - 1) for key, each in value.items()
        }
    return [plain(each, what, depth - 1) for each in value]


# --- Conditions on a row ----------------------------------------------------------------------------------------------


def holds(when: When, missing: frozenset[str]) -> Callable[[Row], bool]:
    """Whether all conditions of a row hold."""
    tests = [(column, *operators.chosen()) for column, operators in when.items()]

    def check(row: Row) -> bool:
        return all(_test(present(cell(row, column), missing), name, operand) for column, name, operand in tests)

    return check


def _test(raw: Any, name: str, operand: Any) -> bool:
    if name == "is_set":
        return (raw is not None) == bool(operand)
    if raw is None:
        return name in ("is_not", "not_in")
    found = word(raw)
    if name in ("at_least", "at_most", "more_than", "less_than"):
        return _compare(found, name, operand)
    if name in ("contains", "starts_with"):
        return str(operand) in found if name == "contains" else found.startswith(str(operand))
    wanted = operand if isinstance(operand, list) else [operand]
    return any(_same(found, each) for each in wanted) == (name in ("is_", "in_"))


def _same(found: str, wanted: Any) -> bool:
    if isinstance(wanted, bool):
        return found.casefold() in (TRUE_WORDS if wanted else FALSE_WORDS)
    if isinstance(wanted, (int, float)):
        return _number_or_none(found) == wanted
    return found == str(wanted)


def _compare(found: str, name: str, operand: float) -> bool:
    value = _number_or_none(found)
    if value is None:
        return False
    return {
        "at_least": value >= operand,
        "at_most": value <= operand,
        "more_than": value > operand,
        "less_than": value < operand,
    }[name]


def _number_or_none(found: str) -> float | None:
    try:
        return float(found)
    except ValueError:
        return None


# --- Instants ---------------------------------------------------------------------------------------------------------


class RollOver:
    """The year of rows in order: it goes up whenever the month goes back. The only thing that rows share."""

    def __init__(self, year: int, month: int = 0) -> None:
        self.year = year
        self.month = month

    def meet(self, month: int) -> int:
        """The year of a row with this month."""
        if month < self.month:
            self.year += 1
        self.month = month
        return self.year


def instant_reader(instant: Instant, missing: frozenset[str], zone: str, roll: RollOver | None = None) -> InstantReader:
    """A function from row and `now` to the instant, None where the cell is empty; `roll` has met the row before."""
    if instant.import_now:
        return lambda row, now: now
    zone = instant.time_zone or zone
    if instant.date is not None:
        date = instant.date
        known: dict[tuple[Any, ...], datetime] = {}

        def from_parts(row: Row, now: datetime) -> datetime:
            parts = (*[row.get(name) for name in (date.day, date.month, date.year or "")], roll.year if roll else 0)
            if parts not in known:
                if len(known) >= MAX_KNOWN:
                    known.clear()
                known[parts] = _from_parts(date, row, zone, roll)
            return known[parts]

        return from_parts
    column, pattern, unit = instant.column or "", instant.format, _UNITS.get(instant.unit or "")

    given = reader(Value(column=column), missing)

    def read(row: Row, now: datetime) -> datetime | None:
        raw = given(row, 0)
        return None if raw is None else normalise.instant(raw, zone, pattern, unit)

    return read


def month_of(date: DateParts, row: Row) -> int | None:
    """The number of the month, None when it cannot be read."""
    raw = word(cell(row, date.month) or "").strip().casefold()
    month = _MONTHS.get(raw[:3]) or (int(raw) if raw.isdigit() else 0)
    return month if 1 <= month <= 12 else None


def _from_parts(date: DateParts, row: Row, zone: str, roll: RollOver | None) -> datetime:
    month = month_of(date, row)
    try:
        year = int(word(cell(row, date.year))) if date.year else (roll.year if roll else date.start_year or 0)
        found = datetime(year, month or 0, int(word(cell(row, date.day))))  # noqa: DTZ001 - the zone follows
    except ValueError:
        raise RefusedRow("bad-instant", "day, month and year make no date") from None
    return normalise.instant(found, zone)
