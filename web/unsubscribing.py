"""The unsubscribe link of every marketing mail: looking changes nothing, posting stops the mails at once."""

from __future__ import annotations

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from tasks.unsubscribe import unsubscribe
from web.door import Door, door_of
from web.rendering import language_of, page

# What a mail program posts (RFC 8058), and our own button with it.
FIELD, VALUE = "List-Unsubscribe", "One-Click"


async def show(request: Request) -> Response:
    """Ask whether to stop; the same page for every token, known or not, so that nobody learns anything from it."""
    return page(
        "unsubscribe.html",
        language=language_of(request),
        project=door_of(request).settings.project.name,
        field=FIELD,
        value=VALUE,
    )


async def act(request: Request) -> Response:
    """Stop; the same answer for every token. A body that does not ask for it changes nothing."""
    form = await request.form(max_files=0, max_fields=10)
    language = language_of(request)
    project = door_of(request).settings.project.name
    if form.get(FIELD) != VALUE:
        return page("unsubscribe.html", 400, language=language, project=project, field=FIELD, value=VALUE)
    await run_in_threadpool(_stop, door_of(request), str(request.path_params["token"]))
    return page("unsubscribed.html", language=language, project=project)


def _stop(door: Door, token: str) -> None:
    unsubscribe(door.database, token, catalogue=door.catalogue.get(), secret=door.secret, now=door.clock())
