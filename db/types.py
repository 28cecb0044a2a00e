"""Column types and SQL functions that differ between SQLite and PostgreSQL, each behind one name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import BigInteger, Boolean, DateTime, Dialect, Float, Integer, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import JSON, TypeDecorator, TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Id = BigInteger().with_variant(Integer(), "sqlite")
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
# Compared byte by byte on both databases, whatever the server's language.
Key = String(collation=None).with_variant(String(collation="C"), "postgresql")


def json_text_of(value: Any) -> str:
    """A JSON value as the text that both databases store."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()


class UTCDateTime(TypeDecorator[datetime]):
    """An instant: `timestamptz` on PostgreSQL, microseconds since 1970 on SQLite, whose own type drops offsets.

    Only aware values are taken; what comes back is aware, in UTC.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """A whole number on SQLite, so that comparing and adding are exact."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse naive values, store UTC."""
        return self.bind_processor(dialect)(value)

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        """The same as a function that does not ask for the dialect again; large batches call it for each cell."""
        return _stored_as_number if dialect.name == "sqlite" else _stored_as_instant

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give back an aware UTC value."""
        return self.result_processor(dialect, None)(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        """The same as a function, as above."""
        return _read_from_number if dialect.name == "sqlite" else _read_from_instant

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Compared with a datetime, the other side is an instant too."""
        return self if isinstance(value, datetime) else super().coerce_compared_value(op, value)


def _stored_as_number(value: datetime | None) -> int | None:
    if value is None:
        return None
    return (_aware(value) - _EPOCH) // _MICROSECOND


def _stored_as_instant(value: datetime | None) -> datetime | None:
    return None if value is None else _aware(value).astimezone(UTC)


def _read_from_number(value: Any) -> datetime | None:
    return None if value is None else from_microseconds(int(value))


def _read_from_instant(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise TypeError("a naive datetime cannot be stored; give it a time zone")
    return value


def to_microseconds(value: datetime) -> int:
    """Microseconds since 1970 in UTC."""
    return (value - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The instant of so many microseconds since 1970."""
    return _EPOCH + value * _MICROSECOND


class epoch_seconds(FunctionElement[float]):  # noqa: N801 - a SQL function is named like one
    """Seconds since 1970 of an instant, as a float."""

    type = Float()
    inherit_cache = True


@compiles(epoch_seconds, "sqlite")
def _epoch_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"(({compiler.process(element.clauses, **kw)}) / 1000000.0)"


@compiles(epoch_seconds, "postgresql")
def _epoch_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return f"extract(epoch from {compiler.process(element.clauses, **kw)})::double precision"


class plus_seconds(FunctionElement[datetime]):  # noqa: N801
    """An instant moved by a number of seconds: `plus_seconds(instant, seconds)`."""

    type = UTCDateTime()
    inherit_cache = True


@compiles(plus_seconds, "sqlite")
def _plus_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    instant, seconds = (compiler.process(part, **kw) for part in element.clauses)
    return f"({instant} + CAST(({seconds}) * 1000000 AS INTEGER))"


@compiles(plus_seconds, "postgresql")
def _plus_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    instant, seconds = (compiler.process(part, **kw) for part in element.clauses)
    return f"(CAST({instant} AS timestamptz) + make_interval(secs => CAST({seconds} AS double precision)))"


class json_text(FunctionElement[str]):  # noqa: N801
    """The text of one key of a JSON object: `json_text(column, key)`; NULL when it is missing."""

    type = String()
    inherit_cache = True


@compiles(json_text, "sqlite")
def _json_text_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    column, key = (compiler.process(part, **kw) for part in element.clauses)
    # JSON true and false are the texts `true` and `false`, as PostgreSQL says them.
    path = f"'$.\"' || {key} || '\"'"
    return (
        f"(CASE json_type({column}, {path}) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
        f"ELSE CAST(json_extract({column}, {path}) AS TEXT) END)"
    )


@compiles(json_text, "postgresql")
def _json_text_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    column, key = (compiler.process(part, **kw) for part in element.clauses)
    return f"({column} ->> CAST({key} AS text))"


class is_empty(FunctionElement[bool]):  # noqa: N801
    """Whether a JSON object has no keys."""

    type = Boolean()
    inherit_cache = True


@compiles(is_empty, "sqlite")
def _is_empty_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"({compiler.process(element.clauses, **kw)} = '{{}}')"


@compiles(is_empty, "postgresql")
def _is_empty_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return f"({compiler.process(element.clauses, **kw)} = '{{}}'::jsonb)"


class text_number(FunctionElement[float]):  # noqa: N801
    """A text as a number, or NULL when it is not one; never an error."""

    type = Float()
    inherit_cache = True


# The grammar of JSON numbers, short enough to fit a double.
_NUMBER = "^[ \\t\\n\\r]*-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]{1,2})?[ \\t\\n\\r]*$"


@compiles(text_number, "sqlite")
def _number_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    [value] = element.clauses
    if isinstance(value, json_text):
        # A number of JSON is one already: to go by its text reads the JSON eight times instead of twice.
        column, key = (compiler.process(part, **kw) for part in value.clauses)
        place = f"{column}, '$.\"' || {key} || '\"'"
        number = f"CASE WHEN abs(json_extract({place})) < 1e40 THEN CAST(json_extract({place}) AS REAL) END"
        text = _text_as_number(f"json_extract({place})")
        kinds = f"WHEN 'integer' THEN {number} WHEN 'real' THEN {number} WHEN 'text' THEN {text}"
        return f"(CASE json_type({place}) {kinds} END)"
    return _text_as_number(compiler.process(value, **kw))


def _text_as_number(text: str) -> str:
    number = f"json_valid({text}) AND json_type({text}) IN ('integer', 'real')"
    return (
        f"(CASE WHEN length({text}) <= 40 AND {number} AND {text} NOT GLOB '*[eE]*[0-9][0-9][0-9]*' "
        f"THEN CAST({text} AS REAL) END)"
    )


@compiles(text_number, "postgresql")
def _number_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    text = compiler.process(element.clauses, **kw)
    return f"(CASE WHEN length({text}) <= 40 AND {text} ~ '{_NUMBER}' THEN CAST({text} AS double precision) END)"


class least_of(FunctionElement[float]):  # noqa: N801
    """The smaller of two numbers."""

    type = Float()
    inherit_cache = True


@compiles(least_of, "sqlite")
def _least_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"min({compiler.process(element.clauses, **kw)})"


@compiles(least_of, "postgresql")
def _least_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return f"least({compiler.process(element.clauses, **kw)})"


class greatest_of(FunctionElement[float]):  # noqa: N801
    """The greater of two numbers or instants."""

    type = Float()
    inherit_cache = True


@compiles(greatest_of, "sqlite")
def _greatest_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"max({compiler.process(element.clauses, **kw)})"


@compiles(greatest_of, "postgresql")
def _greatest_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return f"greatest({compiler.process(element.clauses, **kw)})"


def later_of(first: ColumnElement[Any], second: ColumnElement[Any]) -> ColumnElement[Any]:
    """The later of two instants."""
    function = greatest_of(first, second)
    function.type = UTCDateTime()  # type: ignore[assignment]
    return function


def earlier_of(first: ColumnElement[Any], second: ColumnElement[Any]) -> ColumnElement[Any]:
    """The earlier of two instants, neither of them NULL."""
    function = least_of(first, second)
    function.type = UTCDateTime()  # type: ignore[assignment]
    return function


class ascii_lower(FunctionElement[str]):  # noqa: N801
    """A text with A to Z in lower case and everything else as it is, the same on both databases."""

    type = String()
    inherit_cache = True


@compiles(ascii_lower, "sqlite")
def _ascii_lower_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"lower({compiler.process(element.clauses, **kw)})"


@compiles(ascii_lower, "postgresql")
def _ascii_lower_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return f'lower(({compiler.process(element.clauses, **kw)}) COLLATE "C")'


class beside_index(FunctionElement[Any]):  # noqa: N801
    """A column as it is, that SQLite does not look up by index: many values are read past faster than looked up."""

    inherit_cache = True


@compiles(beside_index, "sqlite")
def _beside_index_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"+{compiler.process(element.clauses, **kw)}"


@compiles(beside_index, "postgresql")
def _beside_index_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))


class position_of(FunctionElement[int]):  # noqa: N801
    """Where a text occurs in another, from 1; 0 when it does not: `position_of(text, part)`."""

    type = Integer()
    inherit_cache = True


@compiles(position_of, "sqlite")
def _position_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"instr({compiler.process(element.clauses, **kw)})"


@compiles(position_of, "postgresql")
def _position_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    text, part = (compiler.process(each, **kw) for each in element.clauses)
    return f"strpos({text}, CAST({part} AS text))"


class month_number(FunctionElement[int]):  # noqa: N801
    """The calendar month of an instant in UTC, as the year and two digits of the month: 202603."""

    type = Integer()
    inherit_cache = True


@compiles(month_number, "sqlite")
def _month_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"CAST(strftime('%Y%m', ({compiler.process(element.clauses, **kw)}) / 1000000, 'unixepoch') AS INTEGER)"


@compiles(month_number, "postgresql")
def _month_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    instant = f"({compiler.process(element.clauses, **kw)} AT TIME ZONE 'UTC')"
    return f"(extract(year from {instant})::int * 100 + extract(month from {instant})::int)"


class json_with(FunctionElement[Any]):  # noqa: N801
    """A JSON object with one key set to a JSON text: `json_with(column, key, json)`."""

    type = Json
    inherit_cache = True


@compiles(json_with, "sqlite")
def _json_with_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    column, key, value = (compiler.process(part, **kw) for part in element.clauses)
    return f"json_set({column}, '$.\"' || {key} || '\"', json({value}))"


@compiles(json_with, "postgresql")
def _json_with_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    column, key, value = (compiler.process(part, **kw) for part in element.clauses)
    return f"jsonb_set({column}, ARRAY[CAST({key} AS text)], CAST({value} AS jsonb))"


class json_without(FunctionElement[Any]):  # noqa: N801
    """A JSON object without one key: `json_without(column, key)`."""

    type = Json
    inherit_cache = True


@compiles(json_without, "sqlite")
def _json_without_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    column, key = (compiler.process(part, **kw) for part in element.clauses)
    return f"json_remove({column}, '$.\"' || {key} || '\"')"


@compiles(json_without, "postgresql")
def _json_without_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    column, key = (compiler.process(part, **kw) for part in element.clauses)
    return f"({column} - CAST({key} AS text))"


class database_clock(FunctionElement[datetime]):  # noqa: N801
    """The database's own clock, only for leases: whether a process still lives has nothing to do with a run's `now`."""

    type = UTCDateTime()
    inherit_cache = True


@compiles(database_clock, "sqlite")
def _clock_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"


@compiles(database_clock, "postgresql")
def _clock_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return "clock_timestamp()"
