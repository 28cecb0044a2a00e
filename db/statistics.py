"""What PostgreSQL knows of how many rows there are: after a jump it is told, or it plans for a few and meets thousands.

Its own housekeeping comes by once a minute; a queue is filled and emptied in less.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table, text

# Fewer rows are quick, whatever the plan.
A_JUMP = 1_000


def refresh(connection: Connection, rows: int, *tables: Table) -> None:
    """Look anew at tables of which so many rows have just been written, unless somebody else does so right now."""
    if connection.dialect.name == "postgresql" and rows >= A_JUMP:
        # Skipped, not waited for: it is only about speed, and nobody may wait for each other because of it.
        connection.execute(text(f"ANALYZE (SKIP_LOCKED) {', '.join(table.name for table in tables)}"))
