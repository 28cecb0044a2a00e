"""INSERT ... ON CONFLICT and tables of constants: compiled once, and right each time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from db.engine import Connection, Database
from db.subqueries import ConstantRows
from db.tables import installation, work_queue
from db.upserts import Upsert

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A transaction on an empty database."""
    database = Database(database_url)
    with database.write() as open_:
        yield open_
    database.dispose()


def kept(connection: Connection) -> dict[str, str]:
    return {row.key: row.value for row in connection.execute(sa.select(installation))}


def compiled(connection: Connection) -> int:
    """How many statements the engine has compiled and kept."""
    return len(connection.engine._compiled_cache)


def remember(connection: Connection, key: str, value: str, only_if: str = "") -> int:
    insert = Upsert(installation).values(key=key, value=value)
    where = installation.c.value != only_if
    return connection.execute(
        insert.on_conflict_do_update(index_elements=["key"], set_={"value": f"again {value}"}, where=where)
    ).rowcount


def test_a_value_of_the_second_time_is_not_that_of_the_first(connection):
    remember(connection, "colour", "red")
    remember(connection, "colour", "blue")
    remember(connection, "colour", "green")
    assert kept(connection) == {"colour": "again green"}


def test_the_condition_of_the_update_is_new_each_time_too(connection):
    remember(connection, "colour", "red")
    assert remember(connection, "colour", "blue", only_if="red") == 0
    assert kept(connection) == {"colour": "red"}
    assert remember(connection, "colour", "blue", only_if="nothing") == 1
    assert kept(connection) == {"colour": "again blue"}


def test_the_row_that_was_refused_can_be_used(connection):
    for value in ("one", "two"):
        insert = Upsert(installation).values(key="k", value=value)
        both = installation.c.value + " then " + insert.excluded.value
        connection.execute(insert.on_conflict_do_update(index_elements=["key"], set_={"value": both}))
    assert kept(connection) == {"k": "one then two"}


def test_nothing_happens_to_rows_that_are_there(connection):
    rows = [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]
    assert connection.execute(Upsert(installation).on_conflict_do_nothing(), rows).rowcount == 2
    connection.execute(Upsert(installation).on_conflict_do_nothing(), [{"key": "a", "value": "9"}])
    assert kept(connection) == {"a": "1", "b": "2"}


def test_a_null_can_be_set(connection):
    values = {"queue": "score", "lead_id": 1, "silent": True, "batch": "b", "marked_at": NOW}
    insert = Upsert(work_queue).values(values)
    again = insert.on_conflict_do_update(index_elements=["queue", "lead_id"], set_={"batch": None, "marked_at": NOW})
    connection.execute(again)
    connection.execute(again)
    assert connection.execute(sa.select(work_queue.c.batch, work_queue.c.marked_at)).one() == (None, NOW)


def test_an_upsert_is_compiled_once(connection):
    remember(connection, "a", "1")
    before = compiled(connection)
    for number in range(5):
        remember(connection, f"key {number}", f"value {number}")
    assert compiled(connection) == before


def table(*rows: tuple[str, int]) -> sa.CTE:
    columns = sa.column("name", sa.String), sa.column("number", sa.Integer)
    return ConstantRows(*columns, name="constants").rows(rows).cte("them")


def test_constant_rows_are_told_apart_and_compiled_once(connection):
    def numbers(*rows: tuple[str, int]) -> list[int]:
        them = table(*rows)
        return list(connection.execute(sa.select(them.c.number).order_by(them.c.number)).scalars())

    assert numbers(("a", 1), ("b", 2)) == [1, 2]
    before = compiled(connection)
    assert numbers(("a", 1), ("b", 2)) == [1, 2]
    assert compiled(connection) == before
    assert numbers(("a", 1), ("b", 3)) == [1, 3]
    assert numbers(("a", 1)) == [1]
