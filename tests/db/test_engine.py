"""Errors of the database: named, and without anybody's data."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from db import tables
from db.engine import Database, DatabaseFailed


def test_an_error_of_the_database_does_not_quote_the_value(database_url):
    database = Database(database_url)
    # SQLite takes anything for a number, so the value offends there as a key that is taken twice.
    number = sa.cast(sa.literal("ada@example.com"), sa.Integer)
    statement = (
        sa.select(number)
        if database.dialect == "postgresql"
        else sa.insert(tables.installation).values([{"key": "ada@example.com", "value": "x"}] * 2)
    )

    def run():
        with database.write() as connection:
            connection.execute(statement)

    with pytest.raises(DatabaseFailed) as caught:
        run()
    assert "ada" not in str(caught.value)
    database.dispose()
