"""The link of a double opt-in: looking changes nothing, the button confirms."""

from __future__ import annotations

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from tasks.confirm import confirm
from web.door import Door, door_of
from web.rendering import language_of, page

FIELD, VALUE = "confirm", "yes"


async def show(request: Request) -> Response:
    """Ask; the same page for every token, known or not."""
    return _page(request, "confirm.html")


async def act(request: Request) -> Response:
    """Confirm what is pending; a link that is too old, or none of ours, gets the answer that says what to do."""
    form = await request.form(max_files=0, max_fields=10)
    if form.get(FIELD) != VALUE:
        return _page(request, "confirm.html", 400)
    done = await run_in_threadpool(_confirm, door_of(request), str(request.path_params["token"]))
    return _page(request, "confirmed.html" if done else "not_confirmed.html", 200 if done else 410)


def _confirm(door: Door, token: str) -> bool:
    return confirm(door.database, token, catalogue=door.catalogue.get(), secret=door.secret, now=door.clock())


def _page(request: Request, name: str, status: int = 200) -> Response:
    return page(
        name,
        status,
        language=language_of(request),
        project=door_of(request).settings.project.name,
        field=FIELD,
        value=VALUE,
    )
