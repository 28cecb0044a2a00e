"""`ripen publish`: make the working tree's definitions live."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from cli.output import print_json, print_table
from cli.times import instant
from cli.workspace import Home, Json, Now, home_of
from nurture.errors import BadInput
from tasks import publish as publishing
from tasks.workspace import open_context


def publish(
    *,
    plan: Annotated[bool, Parameter(negative="", help="Only say what would happen, to whom.")] = False,
    follow: Annotated[bool, Parameter(negative="", help="Those in flight go on in the new version (default).")] = False,
    pin: Annotated[bool, Parameter(negative="", help="Those in flight stay on their version.")] = False,
    enroll_existing: Annotated[bool, Parameter(negative="", help="Enroll those who are eligible already.")] = False,
    note: str | None = None,
    now: Now = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Make the working tree's definitions live.

    Example: `ripen publish --plan`, then `ripen publish --note "shorter waits"`
    """
    if follow and pin:
        raise BadInput("give --follow or --pin, not both")
    context = open_context(home_of(home))
    if plan:
        found = publishing.plan(context)
    else:
        at = instant(now, context.settings.project.time_zone)
        found = publishing.publish(context, at, note=note, pinned=pin, enroll_existing=enroll_existing)
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
    print(f"version {found.version}")
    return 0
