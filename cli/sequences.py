"""`ripen sequences`: what is live, who is in it, and the operator's verbs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from cli.output import print_json, print_table
from cli.times import instant
from cli.workspace import Home, Json, Now, home_of
from db import entries, holds, sequences
from nurture.errors import BadInput
from tasks.context import Context
from tasks.explain import find
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
        reasons = sequences.reasons(connection)
    rows = [
        {
            "sequence": name,
            "title": sequence.title,
            "state": states.get(name, "on"),
            "reason": reasons.get(name),
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
            ["sequence", "state", "reason", "active", "goal", "completed", "exited"],
            [
                tuple(row[key] for key in ("sequence", "state", "reason", "active", "goal", "completed", "exited"))
                for row in rows
            ],
        )
    return 0


Lead = Annotated[
    str | None, Parameter(help="Only this lead, not the sequence: an id, an address or any known identifier.")
]
Until = Annotated[str | None, Parameter(help="With --lead: go on by itself at this instant, ISO 8601.")]


@app.command
def hold(
    name: str,
    /,
    *,
    reason: str | None = None,
    lead: Lead = None,
    until: Until = None,
    now: Now = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Stop the clocks of a sequence: nobody enters, nobody moves, nothing is sent. With --lead, of one lead in it.

    Example: `ripen sequences hold white-paper-nurture --reason "new prices"`, or
    `ripen sequences hold white-paper-nurture --lead ada@example.com --until 2026-05-01T08:00`
    """
    if lead is None:
        if until is not None:
            raise BadInput("--until goes with --lead; a sequence is held until `ripen sequences resume`")
        return _set(name, "hold", reason, now, home_of(home), json)
    return _one(name, "hold", lead, until, now, home_of(home), json)


@app.command
def resume(name: str, /, *, lead: Lead = None, now: Now = None, home: Home = None, json: Json = False) -> int:
    """Let a sequence run again. With --lead, one lead in it, whatever held it.

    Example: `ripen sequences resume white-paper-nurture`, or
    `ripen sequences resume white-paper-nurture --lead ada@example.com`
    """
    if lead is None:
        return _set(name, "on", None, now, home_of(home), json)
    return _one(name, "resume", lead, None, now, home_of(home), json)


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


def _set(name: str, state: str, reason: str | None, now: str | None, home: Path, json: bool) -> int:
    context = open_context(home)
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


def _one(name: str, verb: str, lead: str, until: str | None, now: str | None, home: Path, json: bool) -> int:
    context = open_context(home)
    zone = context.settings.project.time_zone
    at = instant(now, zone)
    with context.database.write() as connection:
        lead_id = find(connection, lead, context.settings)
        if name in sequences.held(connection):
            raise BadInput(f"the whole sequence `{name}` is on hold; first `ripen sequences resume {name}`")
        if verb == "hold":
            done = holds.hold_lead(connection, name, lead_id, instant(until, zone) if until else None, at)
        else:
            done = holds.resume_lead(connection, name, lead_id, at)
    if not done:
        _require(context, name)
        state = "in the sequence and not yet on hold" if verb == "hold" else "on a hold that can be lifted"
        raise BadInput(f"lead {lead_id} is not {state} in `{name}`; see `ripen explain {lead_id}`")
    if json:
        print_json({"sequence": name, "lead": lead_id, "state": "hold" if verb == "hold" else "on"})
    else:
        print(f"{name}: lead {lead_id} {'is on hold' if verb == 'hold' else 'goes on'}")
    return 0


def _require(context: Context, name: str) -> None:
    known = context.compiled().bundle.sequences
    if name not in known:
        raise BadInput(f"there is no live sequence `{name}`; there are: {', '.join(known)}")
