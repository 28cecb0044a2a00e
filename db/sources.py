"""Sources: how far each has been read, and which files are in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from db.tables import intake_files, source_cursors
from db.work import insert_for


def cursor(connection: Connection, source: str) -> str | None:
    """Where the next reading of a source starts; None is the beginning."""
    return connection.execute(select(source_cursors.c.cursor).where(source_cursors.c.source == source)).scalar()


def move(connection: Connection, source: str, seen: str | None, new: str | None, now: datetime) -> bool:
    """Move a cursor in the transaction of the rows it covers; False when another run has moved it meanwhile."""
    insert_ = insert_for(connection)(source_cursors).values(source=source, cursor=None, moved_at=now)
    connection.execute(insert_.on_conflict_do_nothing())
    table = source_cursors
    moved = connection.execute(
        update(table)
        .where(table.c.source == source, table.c.cursor.is_not_distinct_from(seen))
        .values(cursor=new, moved_at=now, not_before=None)
    )
    return moved.rowcount == 1


def wait_until(connection: Connection, source: str, instant: datetime, now: datetime) -> None:
    """Leave a source alone until an instant, because it asked for that."""
    insert_ = insert_for(connection)(source_cursors).values(source=source, moved_at=now, not_before=instant)
    connection.execute(insert_.on_conflict_do_update(index_elements=["source"], set_={"not_before": instant}))


def asked_to_wait(connection: Connection, source: str, now: datetime) -> bool:
    """Whether a source has asked to be left alone for longer than until now."""
    until = connection.execute(select(source_cursors.c.not_before).where(source_cursors.c.source == source)).scalar()
    return until is not None and until > now


# --- Files ------------------------------------------------------------------------------------------------------------


def file(connection: Connection, digest: str) -> RowMapping | None:
    """What is known of a file by its digest."""
    return connection.execute(select(intake_files).where(intake_files.c.digest == digest)).mappings().first()


def begin_file(connection: Connection, digest: str, source: str, name: str, now: datetime) -> None:
    """Note that a file is being read; one that was begun before goes on where it stopped."""
    insert_ = insert_for(connection)(intake_files).values(
        digest=digest, source=source, name=name, status="reading", started_at=now
    )
    again = {"status": "reading", "ended_at": None}
    connection.execute(insert_.on_conflict_do_update(index_elements=["digest"], set_=again))


def advance_file(connection: Connection, digest: str, seen: int, rows_done: int, counts: Mapping[str, Any]) -> bool:
    """Note in the transaction of the rows how many are in; False when another process reads the same file."""
    moved = connection.execute(
        update(intake_files)
        .where(intake_files.c.digest == digest, intake_files.c.rows_done == seen, intake_files.c.status == "reading")
        .values(rows_done=rows_done, counts=dict(counts))
    )
    return moved.rowcount == 1


def end_file(connection: Connection, digest: str, now: datetime) -> None:
    """Note that every row of a file was used or refused."""
    connection.execute(update(intake_files).where(intake_files.c.digest == digest).values(status="done", ended_at=now))


def refuse_file(connection: Connection, digest: str, source: str, name: str, message: str, now: datetime) -> None:
    """Note that a file could not be read as a whole, and why."""
    values = {"status": "refused", "counts": {"message": message}, "ended_at": now}
    insert_ = insert_for(connection)(intake_files).values(
        digest=digest, source=source, name=name, started_at=now, **values
    )
    connection.execute(insert_.on_conflict_do_update(index_elements=["digest"], set_=values))


def refused_files(connection: Connection) -> list[RowMapping]:
    """Files that could not be read as a whole."""
    rows = select(intake_files).where(intake_files.c.status == "refused").order_by(intake_files.c.started_at)
    return list(connection.execute(rows).mappings())
