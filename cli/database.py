"""`ripen db`: migrations."""

from __future__ import annotations

from cyclopts import App

from cli.output import print_json
from cli.workspace import Home, Json, home_of
from db.engine import Database
from db.migrate import current_revision, head_revision
from db.migrate import upgrade as migrate
from tasks.workspace import settings_of

app = App(name="db", help="Migrations.")


@app.command
def upgrade(*, home: Home = None, json: Json = False) -> int:
    """Bring the database to this code's revision; two may do it at once.

    Example: `ripen db upgrade`
    """
    revision = migrate(settings_of(home_of(home)).database_url)
    _show(revision, json)
    return 0


@app.command
def status(*, home: Home = None, json: Json = False) -> int:
    """The revision that the database has and the one that this code needs; exit code 1 when they differ.

    Example: `ripen db status --json`
    """
    with Database(settings_of(home_of(home)).database_url).read() as connection:
        revision = current_revision(connection)
    _show(revision, json)
    return 0 if revision == head_revision() else 1


def _show(revision: str | None, json: bool) -> None:
    if json:
        print_json({"revision": revision, "head": head_revision()})
    else:
        print(f"revision {revision or 'none'}, this code needs {head_revision()}")
