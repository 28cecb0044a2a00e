"""Bring a database to the revision of this code; two processes may do it at once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from db.engine import Database
from nurture.errors import SchemaMismatch

_FOLDER = Path(__file__).resolve().parent.parent / "migrations"
# Any number, as long as every Ripen uses the same one.
_LOCK = 7_269_706_5


def upgrade(url: str, revision: str = "head") -> str:
    """Migrate to a revision and return the revision that the database has now."""
    database = Database(url)
    try:
        with database.write() as connection:
            if database.dialect == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            _refuse_unknown(connection)
            command.upgrade(_config(connection), revision)
            return current_revision(connection) or ""
    finally:
        database.dispose()


def downgrade(url: str, revision: str) -> None:
    """Go back to a revision; `base` empties the database."""
    database = Database(url)
    try:
        with database.write() as connection:
            command.downgrade(_config(connection), revision)
    finally:
        database.dispose()


def head_revision() -> str:
    """The revision that this code needs."""
    return str(ScriptDirectory(str(_FOLDER)).get_current_head())


def current_revision(connection: Connection) -> str | None:
    """The revision that the database has, None when it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def require_head(database: Database) -> None:
    """Raise SchemaMismatch unless the database has exactly the revision that this code needs."""
    with database.read() as connection:
        have = current_revision(connection)
        head = head_revision()
        if have == head:
            return
        _refuse_unknown(connection)
    raise SchemaMismatch(
        f"the database is at revision {have or 'none'} and this code needs {head}; run `ripen db upgrade`"
    )


def _refuse_unknown(connection: Connection) -> None:
    have = current_revision(connection)
    known = {script.revision for script in ScriptDirectory(str(_FOLDER)).walk_revisions()}
    if have is not None and have not in known:
        raise SchemaMismatch(
            f"the database is at revision {have}, which this code does not know: it was made by a newer "
            "Ripen; update Ripen, or restore the database from before"
        )


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    return config
