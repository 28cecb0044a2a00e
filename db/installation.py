"""What this database belongs to: values that are settled once, by whoever comes first."""

from __future__ import annotations

from sqlalchemy import Connection, select

from db.tables import installation
from db.work import insert_for


def value_of(connection: Connection, key: str) -> str | None:
    """The value of a key, None before it is settled."""
    return connection.execute(select(installation.c.value).where(installation.c.key == key)).scalar_one_or_none()


def settle(connection: Connection, key: str, value: str) -> str:
    """Settle a value unless it is settled; returns the one that holds."""
    connection.execute(insert_for(connection)(installation).on_conflict_do_nothing(), {"key": key, "value": value})
    return str(value_of(connection, key))
