"""`ripen init`: a new workspace; and `--home` for all other commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from cli.output import print_json
from tasks.workspace import default_home, init_workspace

Home = Annotated[
    Path | None, Parameter(name="--home", help="The workspace; default: RIPEN_HOME, else the current folder.")
]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON object on stdout.")]
Now = Annotated[str | None, Parameter(name="--now", help="The run's instant, ISO 8601; default: the clock.")]


_NEXT = (
    "ripen check",
    "ripen import leads samples/leads.csv --mapping signup_list --enroll --now 2026-01-05T08:00",
    "ripen import events samples/events.csv --enroll --now 2026-01-05T11:00",
    "ripen run daily-sync --now 2026-01-05T12:00",
    "ripen explain ada@example.com",
)


def home_of(given: Path | None) -> Path:
    """The workspace that a command works in."""
    return given.expanduser().absolute() if given else default_home()


def init(folder: Path, /, *, json: Json = False) -> int:
    """Lay out a new workspace: settings, the shipped templates, a watched inbox and sample events.

    Example: `ripen init acme`
    """
    home = home_of(folder)
    made = init_workspace(home)
    if json:
        print_json({"home": str(home), "made": made})
    else:
        print(f"A new workspace lies in {home}:")
        for name in made:
            print(f"  {name}")
        print("Next, in that folder:")
        for command in _NEXT:
            print(f"  {command}")
    return 0
