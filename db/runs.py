"""Runs: what each did, and the settings that belong to this database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from db import work
from db.tables import installation, runs


def start(connection: Connection, flow: str, now: datetime) -> int:
    """Note that a run begins; returns its id."""
    return int(
        connection.execute(insert(runs).values(flow=flow, now=now, status="running").returning(runs.c.id)).scalar_one()
    )


def finish(connection: Connection, run_id: int, counts: Mapping[str, Any], publication_id: int | None) -> None:
    """Note what a run did."""
    connection.execute(
        update(runs)
        .where(runs.c.id == run_id)
        .values(status="done", counts=dict(counts), publication_id=publication_id)
    )


def fail(connection: Connection, run_id: int, counts: Mapping[str, Any], error: str) -> None:
    """Note that a run stopped, and by which kind of error."""
    connection.execute(
        update(runs).where(runs.c.id == run_id).values(status="failed", counts=dict(counts), error=error)
    )


def recent(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The last runs, newest first."""
    return [dict(row._mapping) for row in connection.execute(select(runs).order_by(runs.c.id.desc()).limit(limit))]


def setting(connection: Connection, key: str) -> str | None:
    """What this database remembers under a key."""
    return connection.execute(select(installation.c.value).where(installation.c.key == key)).scalar()


def remember(connection: Connection, key: str, value: str) -> None:
    """Keep a value with the database."""
    rows = work.insert_for(connection)(installation).values(key=key, value=value)
    connection.execute(rows.on_conflict_do_update(index_elements=["key"], set_={"value": rows.excluded.value}))
