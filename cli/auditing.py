"""`ripen audit`: every invariant."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from cli.output import print_json, print_table, say
from cli.times import instant
from cli.workspace import Home, Json, Now, home_of
from db.audit import CHECKS
from tasks.audit import Examined, examine, judged_at
from tasks.workspace import open_context


def audit(
    *,
    repair: Annotated[bool, Parameter(negative="", help="Mend what can safely be mended, and look again.")] = False,
    now: Now = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Check every invariant of the database, as of its last run; exit code 1 when one is, or stays, broken.

    Example: `ripen audit`, or `ripen audit --repair`
    """
    context = open_context(home_of(home))
    at = instant(now, context.settings.project.time_zone)
    found = examine(context, judged_at(context, at) if now is None else at, repair=repair)
    if json:
        checks = [check.name for check in CHECKS]
        print_json({"at": found.at, "breaches": found.breaches, "broken": len(found.broken), "checks": checks})
    else:
        _show(found)
    return 1 if found.broken else 0


def _show(found: Examined) -> None:
    if not found.breaches:
        print(f"All {len(CHECKS)} invariants hold, as of {found.at:%Y-%m-%d %H:%M} UTC.")
        return
    print_table(
        "Broken" if found.broken else "Mended",
        ["check", "should hold", "rows", "examples", "mended", "left"],
        [
            (
                each["check"],
                each["says"],
                each["rows"],
                ", ".join(map(str, each["examples"])),
                "; ".join(f"{done['rows']} {done['what']}" for done in each["mended"]),
                each["left"],
            )
            for each in found.breaches
        ],
    )
    for each in found.broken:
        say(f"{each['check']}: {each['remedy']}")
    if any(each["repairable"] for each in found.broken) and not any(each["mended"] for each in found.breaches):
        say("`ripen audit --repair` mends what is safe to mend.")
