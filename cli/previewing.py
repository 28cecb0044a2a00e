"""`ripen preview`: an e-mail as it would be sent, from the working tree, for a real lead or a made-up one."""

from __future__ import annotations

import os
import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from cli.output import print_json, say
from cli.preview_text import print_preview
from cli.times import instant
from cli.workspace import Home, Json, Now, home_of
from nurture.errors import BadInput
from tasks.preview import preview_locales
from tasks.preview_page import preview_page
from tasks.workspace import open_context


def preview(
    email: str,
    /,
    *,
    lead: Annotated[str | None, Parameter(help="Id, address or identifier of a lead; default: a made-up one.")] = None,
    locale: Annotated[str | None, Parameter(help="A language, such as da; default: the reader's.")] = None,
    show: Annotated[bool, Parameter(name="--open", negative="", help="Show it as a page in the browser.")] = False,
    out: Annotated[Path | None, Parameter(name="--out", help="Write the page to this file.")] = None,
    now: Now = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Render an e-mail of the working tree; exit code 1 when something has to be mended before it can be sent.

    Example: `ripen preview wp-thanks`, `ripen preview wp-thanks --lead ada@example.com --open`,
    or `ripen preview webinar-thanks --locale da --out webinar-thanks.html`
    """
    context = open_context(home_of(home))
    at = instant(now, context.settings.project.time_zone)
    previews = preview_locales(context, email, now=at, lead=lead, locale=locale)
    if json:
        print_json(previews[0].facts)
    else:
        print_preview(previews[0].facts)
    if out is not None or show:
        page = preview_page(previews, context.settings.project, at)
        if out is not None:
            _write(out, page)
            say(f"The page is in {out}")
        if show:
            _open(email, page)
    return 1 if previews[0].has_errors else 0


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"the page cannot be written to {path}: {error.strerror}; choose another file") from None


def _open(email: str, page: str) -> None:
    """A page for a lead holds its data: the file can be read by its owner alone."""
    handle, name = tempfile.mkstemp(prefix=f"ripen-preview-{email}-", suffix=".html")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(page)
    say(f"The page is in {name}")
    try:
        webbrowser.open(Path(name).as_uri())
    except webbrowser.Error:
        say("No browser could be started; open the file yourself.")
