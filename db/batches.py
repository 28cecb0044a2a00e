"""A batch in one statement: lists of any length travel as one JSON value, ids are taken before rows are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import CTE, ColumnElement, Connection, Dialect, Subquery, Table, bindparam, func, select
from sqlalchemy.dialects.postgresql import JSONB

from db.types import Id, json_text_of, to_microseconds
from db.work import insert_for

# Any number but the migrations' one; whoever stores leads or events takes it first.
_INTAKE_LOCK = 7_269_706_6
_RESTAGE_LOCK = 7_269_706_7


def listed(
    connection: Connection, name: str, rows: Sequence[Sequence[str | int]], *columns: sa.Column[Any]
) -> Subquery:
    """The rows as a table of the statement, with the names and types of these columns.

    One bound value, so that the number of rows changes neither the statement nor meets a limit of parameters.
    """
    value = bindparam(f"{name}_rows", orjson.dumps(list(rows), default=list).decode(), type_=sa.Text())
    if connection.dialect.name == "postgresql":
        each = func.jsonb_array_elements(sa.cast(value, JSONB)).table_valued(
            sa.column("value", JSONB), name=f"{name}_each"
        )
        cells = [
            sa.cast(each.c.value.op("->>", return_type=sa.Text())(index), column.type).label(column.name)
            for index, column in enumerate(columns)
        ]
    else:
        each = func.json_each(value).table_valued(sa.column("value", sa.Text()), name=f"{name}_each")
        # Of a known type, or SQLite makes no index of them for a join.
        cells = [
            sa.cast(func.json_extract(each.c.value, f"$[{index}]"), column.type).label(column.name)
            for index, column in enumerate(columns)
        ]
    return select(*cells).select_from(each).subquery(name)


def looked_up(rows: Subquery) -> CTE:
    """The rows of `listed` for a subquery that is asked for each row of a statement.

    SQLite would read the JSON anew each time, which takes 18 s for 50 000 waits; a table is made in half a second.
    """
    return select(rows).cte(f"{rows.name}_once", nesting=True).prefix_with("MATERIALIZED")


def instant_cell(connection: Connection, instant: datetime) -> str | int:
    """An instant as a cell of `listed`, for a column of type UTCDateTime."""
    return instant.isoformat() if connection.dialect.name == "postgresql" else to_microseconds(instant)


def ids(connection: Connection, name: str, values: Sequence[int]) -> Subquery:
    """A list of ids as a table with the column `id`."""
    value = bindparam(f"{name}_ids", orjson.dumps(values).decode(), type_=sa.Text())
    if connection.dialect.name == "postgresql":
        each: Any = func.jsonb_array_elements_text(sa.cast(value, JSONB)).table_valued(
            sa.column("value", sa.Text()), name=f"{name}_each"
        )
        return select(sa.cast(each.c.value, Id).label("id")).select_from(each).subquery(name)
    each = func.json_each(value).table_valued(sa.column("value", Id), name=f"{name}_each")
    return select(each.c.value.label("id")).select_from(each).subquery(name)


def next_ids(connection: Connection, table: Table, count: int) -> list[int]:
    """So many new ids of a table, growing; on SQLite the caller's write lock keeps others away."""
    if connection.dialect.name == "postgresql":
        sequence = func.nextval(func.pg_get_serial_sequence(table.name, "id"))
        rows = select(sequence).select_from(func.generate_series(1, count).table_valued("n"))
        return sorted(int(each) for each in connection.execute(rows).scalars())
    last = connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()
    return list(range(int(last) + 1, int(last) + 1 + count))


def one_intake_at_a_time(connection: Connection) -> None:
    """Let no other transaction store leads or events until this one ends, as SQLite's write lock does anyway.

    Two batches that meet the same new person would otherwise make two leads of one.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_INTAKE_LOCK)))


def one_restage_at_a_time(connection: Connection) -> None:
    """Let no other transaction move stages and settle sales tasks until this one ends, as on SQLite.

    Two colleagues in two batches meet in one task: whoever joins it must see whether it is being closed.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_RESTAGE_LOCK)))


def add_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows that all have the same columns."""
    if rows:
        add_columns(connection, table, {name: [row[name] for row in rows] for name in rows[0]})


def add_columns(
    connection: Connection,
    table: Table,
    columns: Mapping[str, Sequence[Any]],
    same: Mapping[str, Any] | None = None,
    *,
    skip_known: bool = False,
) -> int:
    """Insert many rows, given column by column; `same` holds what is the same in all of them.

    With `skip_known` rows that break a unique key are left out. Returns how many rows went in. The library's own way
    makes a dictionary of each row, and asks for each cell how it is written: that costs more than the insert.
    """
    dialect = connection.dialect
    same = same or {}
    # In the order in which the statement will name them.
    names = [column.name for column in table.c if column.name in columns or column.name in same]
    written = {name: _written(dialect, table.c[name], columns[name]) for name in columns}
    if dialect.name == "postgresql":
        cells = [
            sa.literal(same[name], table.c[name].type) if name in same else _unfolded(table.c[name]) for name in names
        ]
        lists = {f"{name}_rows": orjson.dumps(values).decode() for name, values in written.items()}
        insert = insert_for(connection)(table).from_select(names, select(*cells))
        return connection.execute(insert.on_conflict_do_nothing() if skip_known else insert, lists).rowcount
    insert = insert_for(connection)(table).inline().values({name: bindparam(name) for name in names})
    if skip_known:
        insert = insert.on_conflict_do_nothing()
    alike = {name: repeat(_written(dialect, table.c[name], [value])[0]) for name, value in same.items()}
    rows = list(zip(*[written.get(name) or alike[name] for name in names], strict=False))
    return connection.exec_driver_sql(str(insert.compile(dialect=dialect)), rows).rowcount


def _written(dialect: Dialect, column: sa.Column[Any], values: Sequence[Any]) -> Sequence[Any]:
    """The values of a column as the driver takes them; JSON as its text."""
    if isinstance(column.type, sa.JSON):
        return [None if value is None else json_text_of(value) for value in values]
    write = column.type.dialect_impl(dialect).bind_processor(dialect)
    return values if write is None else [write(value) for value in values]


def _unfolded(column: sa.Column[Any]) -> ColumnElement[Any]:
    """The values of a column, one a row, from one JSON list; a staging table filled by COPY costs as much."""
    value = sa.cast(bindparam(f"{column.name}_rows", type_=sa.Text()), sa.JSON())
    return sa.cast(func.json_array_elements_text(value), column.type).label(column.name)
