"""The preference page: what a reader wants to hear about, shown and set by who holds the link of one of our mails."""

from __future__ import annotations

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from tasks.preferences import Preferences, set_preferences, shown
from web.door import Door, door_of
from web.rendering import language_of, page

# Each topic that the form showed, and each that is switched on: what was not shown stays as it is.
_ASKED, _WANTED = "shown", "wanted"


async def show(request: Request) -> Response:
    """The switches as they are; looking changes nothing. A token that is none of ours gets the page that says so."""
    door, token = door_of(request), str(request.path_params["token"])
    found = await run_in_threadpool(_shown, door, token)
    return _form(request, found)


async def act(request: Request) -> Response:
    """Set what was chosen; it holds from the answer on."""
    door, token = door_of(request), str(request.path_params["token"])
    form = await request.form(max_files=0, max_fields=200)
    asked = [str(each) for each in form.getlist(_ASKED)]
    wanted = {str(each) for each in form.getlist(_WANTED)}
    if not asked:
        return _form(request, await run_in_threadpool(_shown, door, token), status=400)
    await run_in_threadpool(_set, door, token, {topic: topic in wanted for topic in asked})
    return _form(request, await run_in_threadpool(_shown, door, token), saved=True)


def _shown(door: Door, token: str) -> Preferences | None:
    return shown(door.database, token, catalogue=door.catalogue.get(), secret=door.secret)


def _set(door: Door, token: str, chosen: dict[str, bool]) -> bool:
    return set_preferences(
        door.database, token, chosen, catalogue=door.catalogue.get(), secret=door.secret, now=door.clock()
    )


def _form(request: Request, found: Preferences | None, *, saved: bool = False, status: int = 200) -> Response:
    return page(
        "preferences.html",
        404 if found is None else status,
        language=language_of(request),
        project=door_of(request).settings.project.name,
        preferences=found,
        saved=saved and found is not None,
        asked=_ASKED,
        wanted=_WANTED,
    )
