"""`ripen suppressions`: addresses that get nothing, and a person's own stops and lifts; each says why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from cli.output import print_json, print_table, say
from cli.times import instant
from cli.workspace import Home, Json, Now, home_of
from db import suppressions
from db.suppressions import Stop
from nurture.errors import BadInput, RefusedRow
from nurture.keys import email_hash
from nurture.normalise import email
from nurture.stops import CHANNELS
from tasks.context import Context
from tasks.workspace import open_context

app = App(name="suppressions", help="Addresses that get nothing, and why.")
_SHOWN = ("scope", "reason", "since", "lifted_at", "lifted_because")
Scope = Annotated[
    str, Parameter(help="`all`, `channel:email`, `channel:ads`, `channel:phone`, or `topic:` and its name.")
]
Because = Annotated[str, Parameter(help="Why, in a few words that name nobody; it is kept.")]


@app.default
def listing(
    *,
    address: Annotated[str | None, Parameter(help="Only this address, also what was lifted.")] = None,
    limit: Annotated[int, Parameter(help="How many rows.")] = 50,
    home: Home = None,
    json: Json = False,
) -> int:
    """Active suppressions, newest first, and how many there are by reason; the addresses themselves are not kept.

    Example: `ripen suppressions --address ada@example.com`
    """
    context = open_context(home_of(home))
    with context.database.read() as connection:
        if address is not None:
            rows = [_shown(row) for row in suppressions.of_address(connection, _hash(context, address))]
        else:
            rows = [dict(row) for row in suppressions.listing(connection, limit=limit)]
        counts = suppressions.counts(connection)
    if json:
        print_json({"suppressions": rows, "counts": counts})
        return 0
    columns = list(_SHOWN) if address is not None else ["id", "lead_id", "scope", "reason", "since"]
    title = "Suppressions: " + (", ".join(f"{count} {name}" for name, count in counts.items()) or "none")
    print_table(title, columns, [tuple(row[name] for name in columns) for row in rows])
    return 0


@app.command
def add(
    address: str,
    /,
    *,
    scope: Scope = "all",
    reason: Literal["operator", "imported"] = "operator",
    now: Now = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Stop an address by hand; it holds from now on, also for who comes with that address later.

    Example: `ripen suppressions add ada@example.com --scope channel:email`
    """
    context = open_context(home_of(home))
    _known_scope(context, scope)
    at = instant(now, context.settings.project.time_zone)
    hash_ = _hash(context, address)
    with context.database.write() as connection:
        suppressions.lock_address(connection, hash_)
        new = suppressions.suppress(connection, [Stop(hash_, scope, reason, at)])
    if json:
        print_json({"scope": scope, "reason": reason, "new": bool(new)})
    else:
        print(f"suppressed, {scope}" if new else f"it was suppressed already, {scope}")
    return 0


@app.command
def lift(
    address: str,
    /,
    *,
    reason: Because,
    scope: Annotated[str | None, Parameter(help="Only this scope; without it all of them.")] = None,
    now: Now = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Let an address be written to again; a complaint, or an erasure, only the person itself lifts, by opting in anew.

    What the person has withdrawn stays withdrawn: marketing needs a new consent besides. Exit code 1 when something
    stays that cannot be lifted by hand, or nothing was there to lift.

    Example: `ripen suppressions lift ada@example.com --reason "mailbox works again, asked by phone"`
    """
    context = open_context(home_of(home))
    if not reason.strip():
        raise BadInput("--reason says why it is lifted, and is kept; give a few words")
    at = instant(now, context.settings.project.time_zone)
    with context.database.write() as connection:
        gone, stay = suppressions.lift_by_operator(connection, _hash(context, address), scope, reason.strip(), at)
    if json:
        print_json({"lifted": [_shown(row) for row in gone], "stay": [_shown(row) for row in stay]})
    else:
        print(f"lifted: {_words(gone)}")
        if stay:
            say(f"ripen: {_words(stay)} stays: only the person itself lifts it, by a new double opt-in")
    return 0 if gone and not stay else 1


def _hash(context: Context, address: str) -> str:
    try:
        identity = email(address).identity
    except RefusedRow as error:
        raise BadInput(f"this is no e-mail address: {error}") from None
    return email_hash(context.settings.secret_bytes(), identity)


def _known_scope(context: Context, scope: str) -> None:
    topics = context.compiled().bundle.catalogue.topics
    known = ["all", *(f"channel:{name}" for name in CHANNELS), *(f"topic:{name}" for name in topics)]
    if scope not in known:
        raise BadInput(f"there is no scope `{scope}`; choose one of {', '.join(known)}")


def _shown(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _SHOWN}


def _words(rows: Iterable[Mapping[Any, Any]]) -> str:
    return ", ".join(f"{row['reason']} ({row['scope']})" for row in rows) or "nothing"
