"""`ripen merge`: two leads are one person."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from cli.output import print_counts, print_json
from cli.times import instant
from cli.workspace import Home, Json, Now, home_of
from tasks.merge import merge_leads
from tasks.workspace import open_context

_SHOWN = {
    "events_moved": "events moved",
    "duplicates": "facts that both had, counted once",
    "consents_changed": "topics whose stricter consent counts",
    "suppressed": "stops that now hold for both addresses",
    "stage": "stage",
    "tasks_cancelled": "sales tasks cancelled",
    "enrollments_ended": "enrollments ended",
    "messages_skipped": "messages not sent again",
    "memberships_removed": "audience memberships to be taken back",
}


def merge_command(
    stays: str,
    goes: str,
    /,
    *,
    dry_run: Annotated[bool, Parameter(negative="", help="Only say what would happen.")] = False,
    now: Now = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Make one lead of two: the first one stays with its id and address, the second one becomes part of it.

    Each is an id, an e-mail address or any known identifier; every old one goes on to find the person. It cannot be
    undone.

    Example: `ripen merge ada@example.com 12 --dry-run`, then `ripen merge ada@example.com 12`
    """
    context = open_context(home_of(home))
    at = instant(now, context.settings.project.time_zone)
    report = merge_leads(context, stays, goes, at, dry_run=dry_run)
    if json:
        print_json(report.as_json())
        return 0
    found = report.as_json()
    one, other = (f"{id_} ({report.names[id_] or 'no name'})" for id_ in (report.lead, report.merged))
    print(f"Lead {other} {'would become' if dry_run else 'is now'} part of lead {one}.")
    print_counts("Merge", {words: found[name] for name, words in _SHOWN.items()})
    if not dry_run:
        print("The next follow-up acts on it.")
    return 0
