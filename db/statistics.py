"""What PostgreSQL knows of how many rows there are: after a jump it is told, or it plans for a few and meets thousands.

Its own housekeeping comes by once a minute; a queue is filled and emptied in less.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table, bindparam, text

# Fewer rows are quick, whatever the plan.
A_JUMP = 1_000
# A table that has grown by less than this share looks as it did.
_MORE = 0.1


def refresh(connection: Connection, rows: int, *tables: Table) -> None:
    """Look anew at tables of which so many rows have just been written, unless somebody else does so right now."""
    if connection.dialect.name == "postgresql" and rows >= A_JUMP and tables:
        # Skipped, not waited for: it is only about speed, and nobody may wait for each other because of it.
        connection.execute(text(f"ANALYZE (SKIP_LOCKED) {', '.join(table.name for table in tables)}"))


def grown(connection: Connection, rows: int, *tables: Table) -> None:
    """The same for tables that are not queues: only those that were small, for what so many rows have been written."""
    if connection.dialect.name != "postgresql" or rows < A_JUMP:
        return
    known = connection.execute(_KNOWN, {"tables": [table.name for table in tables], "rows": rows / _MORE}).scalars()
    small = set(known)
    refresh(connection, rows, *(table for table in tables if table.name in small))


_KNOWN = text(
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname IN :tables AND reltuples < :rows"
    " AND relnamespace = current_schema()::regnamespace"
).bindparams(bindparam("tables", expanding=True))
