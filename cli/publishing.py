"""`ripen publish`: make the working tree's definitions live."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from cli.output import print_json, print_table
from cli.times import instant
from cli.workspace import Home, Json, Now, home_of
from db import definitions
from nurture.errors import BadInput
from tasks import publish as publishing
from tasks.context import Context
from tasks.workspace import open_context


def publish(
    *,
    plan: Annotated[bool, Parameter(negative="", help="Only say what would happen, to whom.")] = False,
    follow: Annotated[bool, Parameter(negative="", help="Those in flight go on in the new version (default).")] = False,
    pin: Annotated[bool, Parameter(negative="", help="Those in flight stay on their version.")] = False,
    enroll_existing: Annotated[bool, Parameter(negative="", help="Enroll those who are eligible already.")] = False,
    rollback: Annotated[
        str | None, Parameter(help="Make an earlier version live again: its id, or the beginning of its hash.")
    ] = None,
    history: Annotated[bool, Parameter(negative="", help="Only list what was published when.")] = False,
    note: str | None = None,
    now: Now = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Make the working tree's definitions live.

    Example: `ripen publish --plan`, then `ripen publish --note "shorter waits"`; back again: `ripen publish --history`,
    then `ripen publish --rollback 3`
    """
    if follow and pin:
        raise BadInput("give --follow or --pin, not both")
    context = open_context(home_of(home))
    if history:
        return _history(context, json)
    documents = publishing.documents_of(context, rollback) if rollback is not None else None
    at = instant(now, context.settings.project.time_zone)
    choices = {"pinned": pin, "enroll_existing": enroll_existing}
    if plan:
        found = publishing.plan(context, at, documents=documents, **choices)
    else:
        note = note or (f"rollback to {rollback}" if rollback is not None else None)
        found = publishing.publish(context, at, note=note, documents=documents, **choices)
    if json:
        print_json({"changes": found.changes, "leads": found.leads, "version": found.version, "published": not plan})
        return 0
    print_table(
        "Would change" if plan else "Published",
        ["definition", "change"],
        [(each["definition"], each["change"]) for each in found.changes] or [("nothing", "the tree is live already")],
    )
    for what, count in found.leads.items():
        print(f"{what}: {count}")
    for each in found.changes:
        if "last_goes_on_at" in each:
            print(f"{each['definition']}: the last of them goes on at {each['last_goes_on_at']:%Y-%m-%d %H:%M} UTC")
    print(f"version {found.version}")
    if rollback is not None and not plan:
        print("The working tree is as it was: publishing it again makes it live again.")
    return 0


def _history(context: Context, json: bool) -> int:
    with context.database.read() as connection:
        rows = definitions.history(connection)
    if json:
        print_json({"publications": rows})
        return 0
    print_table(
        "Publications",
        ["id", "version", "published", "profile", "note"],
        [
            (
                row["id"],
                row["hash"][:12],
                f"{row['published_at']:%Y-%m-%d %H:%M} UTC",
                row["profile"],
                row["note"] or "",
            )
            for row in rows
        ],
    )
    return 0
