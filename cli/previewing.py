"""`ripen preview`: an e-mail as it would be sent, from the working tree, for a real lead or a made-up one."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from cli.output import print_json
from cli.workspace import Home, Json, home_of
from tasks.preview import preview_email
from tasks.workspace import open_context


def preview(
    email: str,
    /,
    *,
    lead: Annotated[str | None, Parameter(help="Id, address or identifier of a lead.")] = None,
    locale: str | None = None,
    show: Annotated[bool, Parameter(name="--open", negative="", help="Show the HTML in the browser.")] = False,
    home: Home = None,
    json: Json = False,
) -> int:
    """Render an e-mail of the working tree; exit code 1 when it has problems.

    Example: `ripen preview wp-thanks`, or `ripen preview webinar-thanks --locale da --open`
    """
    folder = home_of(home)
    shown = preview_email(open_context(folder), email, lead, locale)
    if json:
        print_json(shown)
    else:
        print(f"Subject: {shown['subject']}\n\n{shown['text']}\n\n{shown['size']} bytes of HTML")
        for problem in shown["problems"]:
            print(f"problem: {problem}")
    if show:
        page = Path(folder / f"preview-{email}.html")
        page.write_text(shown["html"], encoding="utf-8")
        webbrowser.open(page.as_uri())
    return 1 if shown["problems"] else 0
