"""The connection to the database: SQLite (WAL, embedded default) or PostgreSQL, by URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, OperationalError
from sqlalchemy.util import LRUCache

from db.types import json_text_of
from nurture.errors import BadSetting, OutsideFailed, RipenError

_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 30000",
    "PRAGMA cache_size = -65536",
    # What is sorted on the way, the audit's million paths among it, would be all of the memory; it is no slower so.
    "PRAGMA temp_store = FILE",
)


# More than one publication and its versions have; with SQLAlchemy's usual 500 each run would compile most of them anew.
_STATEMENTS = 5_000


class _StatementCache(LRUCache[Any, Any]):
    """Compiled statements by kind of database: who opens several of one kind in a process compiles each only once."""

    def get(self, key: Any, default: Any = None) -> Any:
        """What was compiled for a database of this kind."""
        return super().get(_of_kind(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_of_kind(key), value)


def _of_kind(key: Any) -> Any:
    """SQLAlchemy's key begins with the dialect object, of which each engine has its own."""
    dialect, *rest = key
    return (dialect.name, *rest)


_CACHE = _StatementCache(_STATEMENTS)

__all__ = ["Connection", "Database", "DatabaseBusy", "DatabaseFailed"]


class Database:
    """One database; hands out short transactions and keeps bound values out of error texts."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _create_engine(url)
        self.dialect = self.engine.dialect.name

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; on SQLite it takes the write lock at once, so that it cannot fail half-way."""
        with _without_personal_data(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with _without_personal_data(), self.engine.connect() as connection:
            connection.execution_options(ripen_reads=True)
            with connection.begin():
                yield connection

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    def __repr__(self) -> str:
        return f"Database({self.engine.url.render_as_string(hide_password=True)})"


def _create_engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadSetting(
            "database_url is not a database URL; write sqlite:///ripen.db or postgresql+psycopg://user@host/name"
        ) from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    if parsed.drivername != "postgresql+psycopg":
        raise BadSetting(f"database_url names `{parsed.drivername}`; Ripen runs on sqlite and postgresql+psycopg")
    return sa.create_engine(
        parsed,
        hide_parameters=True,
        pool_pre_ping=True,
        json_serializer=json_text_of,
        json_deserializer=orjson.loads,
        execution_options={"preserve_rowcount": True, "compiled_cache": _CACHE},
    )


def _sqlite(url: sa.URL) -> Engine:
    synchronous = str(url.query.get("synchronous", "full")).upper()
    if synchronous not in ("FULL", "NORMAL"):
        raise BadSetting("database_url: `synchronous` is full (survives a power cut) or normal (survives a crash)")
    url = url.difference_update_query(["synchronous"])
    if url.database and url.database != ":memory:":
        folder = Path(url.database).absolute().parent
        if not folder.is_dir():
            raise BadSetting(f"the folder of the database, {folder}, does not exist")
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        json_serializer=json_text_of,
        json_deserializer=orjson.loads,
        execution_options={"preserve_rowcount": True, "compiled_cache": _CACHE},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (*_SQLITE_PRAGMAS, f"PRAGMA synchronous = {synchronous}"):
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("ripen_reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def _without_personal_data() -> Iterator[None]:
    """PostgreSQL names the offending values in its DETAIL line; they must not reach a log or Prefect."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error, RipenError):
            raise
        original = error.orig
        kind = type(original).__name__
        if getattr(original, "sqlstate", None) in _IN_EACH_OTHERS_WAY:
            raise DatabaseBusy(f"two transactions were in each other's way: {kind}") from None
        diagnosis = getattr(original, "diag", None)
        constraint = getattr(diagnosis, "constraint_name", None)
        if isinstance(error, OperationalError):
            primary = getattr(diagnosis, "message_primary", None) or str(original).splitlines()[0][:200]
            raise DatabaseFailed(f"the database does not answer as it should: {kind}: {primary}") from None
        if constraint:
            what = f" on {constraint}"
        elif isinstance(error, DataError):
            # The message quotes the value.
            what = f", code {getattr(original, 'sqlstate', None) or 'unknown'}"
        else:
            what = f": {str(original).splitlines()[0][:200]}"
        text = kind + what
        raise DatabaseFailed(f"the database refused a statement: {text}") from None


# Deadlock and failed serialisation: PostgreSQL has rolled one of the two back.
_IN_EACH_OTHERS_WAY = ("40P01", "40001")


class DatabaseFailed(OutsideFailed):
    """The database refused a statement or is out of reach."""


class DatabaseBusy(DatabaseFailed):
    """Two transactions were in each other's way and this one was rolled back; do it again."""
