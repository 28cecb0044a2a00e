"""`ripen messages`: the ledger, and settling what is unknown by evidence."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from cli.output import print_json, print_table
from cli.times import instant
from cli.workspace import Home, Json, Now, home_of
from db import messages
from nurture.errors import BadInput
from tasks.workspace import open_context

app = App(name="messages", help="The message ledger.")
_SHOWN = (
    "id",
    "status",
    "reason",
    "sequence",
    "step_id",
    "email",
    "lead_id",
    "queued_at",
    "not_before",
    "settled_at",
    "transport",
    "provider_id",
    "response",
    "detail",
)


@app.default
def listing(
    *,
    status: str | None = None,
    limit: Annotated[int, Parameter(help="How many rows.")] = 50,
    home: Home = None,
    json: Json = False,
) -> int:
    """Rows of the ledger, newest first, and how many there are of each kind.

    Example: `ripen messages --status unknown`
    """
    if status is not None and status not in messages.STATUSES:
        raise BadInput(f"there is no status `{status}`; choose one of {', '.join(messages.STATUSES)}")
    context = open_context(home_of(home))
    with context.database.read() as connection:
        rows = messages.listing(connection, status=status, limit=limit)
        counts = messages.counts(connection)
    if json:
        print_json({"messages": [{key: row[key] for key in _SHOWN} for row in rows], "counts": counts})
        return 0
    print_table(
        "Messages: " + (", ".join(f"{count} {name}" for name, count in counts.items()) or "none"),
        ["id", "status", "reason", "sequence", "step", "lead", "queued", "settled"],
        [
            (
                row["id"],
                row["status"],
                row["reason"],
                row["sequence"],
                row["step_id"],
                row["lead_id"],
                row["queued_at"],
                row["settled_at"],
            )
            for row in rows
        ],
    )
    return 0


@app.command
def resolve(
    message_id: int,
    verdict: Literal["accepted", "failed"],
    /,
    *,
    evidence: str = "resolved by hand",
    now: Now = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Settle an unknown message by evidence, such as the provider's log; it is never sent again.

    Example: `ripen messages resolve 812 accepted --evidence "provider log 4711"`
    """
    context = open_context(home_of(home))
    at = instant(now, context.settings.project.time_zone)
    with context.database.write() as connection:
        if not messages.resolve(connection, message_id, verdict, evidence, at):
            raise BadInput(f"message {message_id} is not unknown; see `ripen messages --status unknown`")
    if json:
        print_json({"message": message_id, "status": verdict})
    else:
        print(f"message {message_id} is {verdict}")
    return 0
