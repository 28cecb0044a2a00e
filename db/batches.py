"""A batch in one statement: lists of any length travel as one JSON value, ids are taken before rows are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection, Subquery, Table, bindparam, func, select
from sqlalchemy.dialects.postgresql import JSONB

from db.types import Id, to_microseconds
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
        cells = [
            func.json_extract(each.c.value, f"$[{index}]", type_=column.type).label(column.name)
            for index, column in enumerate(columns)
        ]
    return select(*cells).select_from(each).subquery(name)


def instant_cell(connection: Connection, instant: datetime) -> str | int:
    """An instant as a cell of `listed`, for a column of type UTCDateTime."""
    return instant.isoformat() if connection.dialect.name == "postgresql" else to_microseconds(instant)


def ids(connection: Connection, name: str, values: Sequence[int]) -> Subquery:
    """A list of ids as a table with the column `id`."""
    return listed(connection, name, [[value] for value in values], sa.Column("id", Id))


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


def add_rows(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, skip_known: bool = False
) -> None:
    """Insert many rows that all have the same columns; with `skip_known` those that break a unique key are left out.

    The library's own way spends most of its time on parameters: this one halves the time of a large import.
    """
    if not rows:
        return
    dialect = connection.dialect
    # In the order in which the statement will name them.
    names = [column.name for column in table.c if column.name in rows[0]]
    statement = insert_for(connection)(table).inline().values({name: bindparam(name) for name in names})
    if skip_known:
        statement = statement.on_conflict_do_nothing()
    compiled = statement.compile(dialect=dialect)
    writers = [(name, table.c[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in names]
    values: list[Any]
    if compiled.positional:
        values = [tuple(row[name] if write is None else write(row[name]) for name, write in writers) for row in rows]
    else:
        values = [{name: row[name] if write is None else write(row[name]) for name, write in writers} for row in rows]
    connection.exec_driver_sql(str(compiled), values)
