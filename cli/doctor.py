"""`ripen doctor`: settings, connections and versions, each with its remedy."""

from __future__ import annotations

from cli.output import print_json, print_table
from cli.workspace import Home, Json, home_of
from tasks.doctor import examine


def doctor(*, home: Home = None, json: Json = False) -> int:
    """Look at the workspace from outside; exit code 1 when something needs mending.

    Example: `ripen doctor`
    """
    checks = examine(home_of(home))
    if json:
        print_json({"checks": checks})
    else:
        print_table(
            "Doctor",
            ["check", "", "remedy or detail"],
            [(each["name"], "ok" if each["ok"] else "MEND", each["remedy"]) for each in checks],
        )
    return 0 if all(each["ok"] for each in checks) else 1
