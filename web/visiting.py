"""Links and pixel of a mail: the visit is stored, and the visitor goes where the link leads; no more comes of it."""

from __future__ import annotations

import base64
import ipaddress
import re
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from tasks.browser_view import browser_view
from tasks.visits import Visitor, Visits
from web.door import Door, door_of

_UNKNOWN = "There is nothing here.\n"
_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
# A mail brings its own style and pictures; it runs nothing, leads nowhere by itself, and is nobody at our address.
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox allow-popups allow-popups-to-escape-sandbox "
    "allow-top-navigation-by-user-activation"
)
# The letters of which the older standard of host names makes others; browsers know better.
_TWO_NAMES = frozenset("\u00df\u03c2\u200c\u200d")
_PREFETCH = (("purpose", "prefetch"), ("sec-purpose", "prefetch"), ("x-moz", "prefetch"), ("x-purpose", "preview"))


async def follow(request: Request) -> Response:
    """Lead on to the stored address of the link; nothing in the request chooses it."""
    token, visitor = str(request.path_params["token"]), _visitor(request)
    url = await run_in_threadpool(lambda: _visits(door_of(request)).click(token, visitor))
    if url is not None:
        return RedirectResponse(_with_plain_host(url), 302)
    if await run_in_threadpool(lambda: _visits(door_of(request)).trap(token, visitor)):
        return Response(status_code=204)
    return PlainTextResponse(_UNKNOWN, 404)


async def pixel(request: Request) -> Response:
    """The same picture for every token, known or not."""
    token, visitor = str(request.path_params["token"]), _visitor(request)
    await run_in_threadpool(lambda: _visits(door_of(request)).open(token, visitor))
    return Response(_PIXEL, media_type="image/gif", headers={"Cross-Origin-Resource-Policy": "cross-origin"})


async def view(request: Request) -> Response:
    """The mail as a page."""
    door = door_of(request)
    token = str(request.path_params["token"])
    html = await run_in_threadpool(_page, door, token)
    if html is None:
        return PlainTextResponse(_UNKNOWN, 404)
    return HTMLResponse(html, headers={"Content-Security-Policy": _MAIL_POLICY})


def _with_plain_host(url: str) -> str:
    """The address with its host in ASCII, as DNS knows it; the response escapes the rest."""
    try:
        host = urlsplit(url).hostname or ""
        if host.isascii() or _TWO_NAMES.intersection(host):
            return url
        plain = host.encode("idna").decode()
    except ValueError:
        return url
    found = re.search(re.escape(host), url, re.IGNORECASE)
    return url if found is None else url[: found.start()] + plain + url[found.end() :]


def _page(door: Door, token: str) -> str | None:
    return browser_view(door.database, door.settings, token, catalogue=door.catalogue.get(), now=door.clock())


def _visits(door: Door) -> Visits:
    return Visits(door.database, door.catalogue.get(), door.secret, door.clock())


def _visitor(request: Request) -> Visitor:
    headers = request.headers
    return Visitor(
        user_agent=headers.get("user-agent", ""),
        network=_network(request.client.host if request.client else ""),
        method=request.method,
        prefetch=any(word in headers.get(name, "").lower() for name, word in _PREFETCH),
    )


def _network(address: str) -> str:
    """The address without what tells a single visitor from its neighbours: /24, or /48 for IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    # As a socket for both kinds names an address of the old one.
    found = getattr(found, "ipv4_mapped", None) or found
    length = 24 if found.version == 4 else 48
    return str(ipaddress.ip_network((found, length), strict=False))
