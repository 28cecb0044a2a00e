"""The state of the e-mail transports, shared by all workers: one that refuses the sender pauses for everybody."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, RowMapping, select, update

from db.tables import transports
from db.work import insert_for


def pause(connection: Connection, name: str, until: datetime, reason: str, now: datetime) -> None:
    """All workers leave a transport alone that refuses the sender."""
    rows = insert_for(connection)(transports).values(name=name, paused_until=until, reason=reason[:500], changed_at=now)
    connection.execute(
        rows.on_conflict_do_update(
            index_elements=["name"],
            set_={column: rows.excluded[column] for column in ("paused_until", "reason", "changed_at")},
        )
    )


def paused(connection: Connection, name: str, now: datetime) -> RowMapping | None:
    """The pause of a transport, when it is paused now."""
    return (
        connection.execute(select(transports).where(transports.c.name == name, transports.c.paused_until > now))
        .mappings()
        .one_or_none()
    )


def resume(connection: Connection, name: str, now: datetime) -> None:
    """The transport works again."""
    connection.execute(
        update(transports).where(transports.c.name == name).values(paused_until=None, reason=None, changed_at=now)
    )
