"""`ripen audit`: every invariant."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from cli.output import print_json, print_table
from cli.times import instant
from cli.workspace import Home, Json, Now, home_of
from db.audit import CHECKS, run_checks
from tasks.workspace import open_context


def audit(
    *,
    repair: Annotated[bool, Parameter(negative="", help="Mend what can safely be mended.")] = False,
    now: Now = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Check every invariant of the database; exit code 1 when one is broken.

    Example: `ripen audit`, or `ripen audit --repair`
    """
    context = open_context(home_of(home))
    at = instant(now, context.settings.project.time_zone)
    if repair:
        with context.database.write() as connection:
            breaches = run_checks(connection, at, repair=True)
    else:
        with context.database.read() as connection:
            breaches = run_checks(connection, at, repair=False)
    if json:
        print_json({"breaches": breaches, "checks": [check.name for check in CHECKS]})
    elif breaches:
        print_table(
            "Broken",
            ["check", "should hold", "rows", "examples", "mended"],
            [(each["check"], each["says"], each["rows"], each["examples"], each["repaired"]) for each in breaches],
        )
    else:
        print(f"All {len(CHECKS)} invariants hold.")
    broken = [each for each in breaches if not each["repaired"]]
    return 1 if broken else 0
