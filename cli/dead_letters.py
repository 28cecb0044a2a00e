"""`ripen letters` as commands."""

from __future__ import annotations

from cyclopts import App

from cli.letters import letters_command, replay_command
from cli.times import instant
from cli.workspace import Home, Json, Now, home_of
from tasks.live_catalogue import LiveCatalogue
from tasks.workspace import open_context

app = App(name="letters", help="Dead letters: what could not be used, with its reason and its raw content.")


@app.default
def listing(*, home: Home = None, json: Json = False) -> int:
    """The letters that wait for a person or for their time.

    Example: `ripen letters`
    """
    return letters_command(json, database=open_context(home_of(home)).database)


@app.command
def replay(*ids: int, now: Now = None, home: Home = None, json: Json = False) -> int:
    """Try letters again after a fix, all that wait when none is named; exit code 1 when some are refused again.

    Example: `ripen letters replay`, or `ripen letters replay 12 13`
    """
    folder = home_of(home)
    context = open_context(folder)
    return replay_command(
        folder,
        ids,
        instant(now, context.settings.project.time_zone),
        json,
        database=context.database,
        catalogue=LiveCatalogue(context.database, context.settings).get(),
        secret=context.settings.secret_bytes(),
    )
