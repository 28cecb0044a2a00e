"""`ripen sequences`: what is live, who is in it, and the operator's verbs."""

from __future__ import annotations

from cyclopts import App

from cli.output import print_json, print_table
from cli.times import instant
from cli.workspace import Home, Json, Now, home_of
from db import entries, sequences
from nurture.errors import BadInput
from tasks.context import Context
from tasks.workspace import open_context

app = App(name="sequences", help="The sequences and their state.")


@app.default
def listing(*, home: Home = None, json: Json = False) -> int:
    """Every live sequence with its state and its people.

    Example: `ripen sequences --json`
    """
    context = open_context(home_of(home))
    compiled = context.compiled()
    with context.database.read() as connection:
        states, people = sequences.states(connection), entries.counts_by_sequence(connection)
    rows = [
        {
            "sequence": name,
            "title": sequence.title,
            "state": states.get(name, "on"),
            "version": compiled.version(f"sequences/{name}"),
            **{status: people.get(name, {}).get(status, 0) for status in ("active", "goal", "completed", "exited")},
        }
        for name, sequence in compiled.bundle.sequences.items()
    ]
    if json:
        print_json({"sequences": rows})
    else:
        print_table(
            "Sequences",
            ["sequence", "state", "active", "goal", "completed", "exited"],
            [
                (row["sequence"], row["state"], row["active"], row["goal"], row["completed"], row["exited"])
                for row in rows
            ],
        )
    return 0


@app.command
def hold(name: str, /, *, reason: str | None = None, now: Now = None, home: Home = None, json: Json = False) -> int:
    """Stop the clocks of a sequence: nobody enters, nobody moves, nothing is sent.

    Example: `ripen sequences hold white-paper-nurture --reason "new prices"`
    """
    return _set(name, "hold", reason, now, home_of(home), json)


@app.command
def resume(name: str, /, *, now: Now = None, home: Home = None, json: Json = False) -> int:
    """Let a sequence run again.

    Example: `ripen sequences resume white-paper-nurture`
    """
    return _set(name, "on", None, now, home_of(home), json)


@app.command
def drain(name: str, /, *, reason: str | None = None, now: Now = None, home: Home = None, json: Json = False) -> int:
    """Let nobody enter any more; those inside go on.

    Example: `ripen sequences drain webinar-follow-up`
    """
    return _set(name, "drain", reason, now, home_of(home), json)


@app.command
def stop(name: str, /, *, reason: str | None = None, now: Now = None, home: Home = None, json: Json = False) -> int:
    """Let everybody leave, with that reason.

    Example: `ripen sequences stop quiet-leads`
    """
    return _set(name, "stop", reason, now, home_of(home), json)


def _set(name: str, state: str, reason: str | None, now: str | None, home: object, json: bool) -> int:
    context = open_context(home)  # type: ignore[arg-type]
    _require(context, name)
    at = instant(now, context.settings.project.time_zone)
    left = 0
    with context.database.write() as connection:
        sequences.set_state(connection, name, state, reason, at)
        if state == "stop":
            left = entries.stop_all(connection, name, "sequence-stopped", at)
    if json:
        print_json({"sequence": name, "state": state, "left": left})
    else:
        print(f"{name}: {state}" + (f", {left} left" if state == "stop" else ""))
    return 0


def _require(context: Context, name: str) -> None:
    known = context.compiled().bundle.sequences
    if name not in known:
        raise BadInput(f"there is no live sequence `{name}`; there are: {', '.join(known)}")
