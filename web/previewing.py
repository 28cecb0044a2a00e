"""The e-mails of the working tree, for the operator: shown on the machine itself, and nothing is sent or stored."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from nurture.errors import BadInput
from tasks.context import Context
from tasks.email_transport import email_connector
from tasks.preview import preview_all, preview_locales
from tasks.preview_page import list_page, policy, preview_page
from web.door import Door, door_of, is_from_this_machine

_HEADERS = {"Content-Security-Policy": f"{policy(on_door=True)}; frame-ancestors 'none'"}
_LONGEST = 300
_Page = Callable[[Door, Request], str]


async def show_list(request: Request) -> Response:
    """Every e-mail with its subject and how many problems it has."""
    return await _answered(request, _list_of)


async def show_one(request: Request) -> Response:
    """One e-mail in all its languages, `?locale=` first, for `?lead=` or a made-up reader."""
    return await _answered(request, _page_of)


async def _answered(request: Request, page_of: _Page) -> Response:
    if not is_from_this_machine(request):
        return PlainTextResponse("Nothing to see here.", 404)
    try:
        page = await run_in_threadpool(page_of, door_of(request), request)
    except BadInput as error:
        return PlainTextResponse(f"{error}\n", 404)
    return HTMLResponse(page, headers=_HEADERS)


def _list_of(door: Door, request: Request) -> str:
    now = door.clock()
    return list_page(preview_all(_context(door), now), door.settings.project, now)


def _page_of(door: Door, request: Request) -> str:
    now, asked = door.clock(), request.query_params
    lead, locale = (asked.get(name, "").strip()[:_LONGEST] for name in ("lead", "locale"))
    name = str(request.path_params["email"])
    previews = preview_locales(_context(door), name, now=now, lead=lead or None, locale=locale or None)
    return preview_page(previews, door.settings.project, now, lead=lead, on_door=True)


def _context(door: Door) -> Context:
    return Context(settings=door.settings, database=door.database, email=email_connector(door.settings))
