"""`ripen check` as a command."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from cli.check import check
from cli.workspace import Home, Json, home_of


def check_command(
    *,
    output: Annotated[Literal["text", "json", "github"], Parameter(name="--format")] = "text",
    home: Home = None,
    json: Json = False,
) -> int:
    """Lint all definitions and e-mails; every error names file, line, column and remedy.

    Example: `ripen check`, or in a pull request `ripen check --format github`
    """
    return check(home_of(home), output, json)
