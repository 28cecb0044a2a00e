"""The web door: every route in one table behind the same shields; no accounts, no cookies, looking changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import StarletteHTTPException
from fastapi.responses import PlainTextResponse, Response

from connectors.email.webhooks import PROVIDERS
from tasks.safe_errors import without_personal_data
from web import confirming, hooks, operating, preferring, previewing, unsubscribing, visiting
from web.door import Door, open_door
from web.shields import Shields

logger = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]
_NOT_NOW = "This cannot be done right now. Please try again in a minute.\n"


class Route(NamedTuple):
    """One way in: what it does, and what comes of it.

    `shows` changes nothing; `records` stores that somebody was here; `acts` stores what somebody asked for, and that
    holds at once.
    """

    method: str
    path: str
    handler: Handler
    does: Literal["shows", "records", "acts"]


ROUTES = (
    Route("GET", "/health", operating.health, "shows"),
    Route("GET", "/", operating.front_page, "shows"),
    Route("GET", "/report", operating.report, "shows"),
    Route("GET", "/preview", previewing.show_list, "shows"),
    Route("GET", "/preview/{email}", previewing.show_one, "shows"),
    Route("GET", "/c/{token}", visiting.follow, "records"),
    Route("HEAD", "/c/{token}", visiting.follow, "records"),
    Route("GET", "/o/{token}", visiting.pixel, "records"),
    Route("GET", "/v/{token}", visiting.view, "shows"),
    Route("GET", "/u/{token}", unsubscribing.show, "shows"),
    Route("HEAD", "/u/{token}", unsubscribing.show, "shows"),
    Route("POST", "/u/{token}", unsubscribing.act, "acts"),
    Route("GET", "/p/{token}", preferring.show, "shows"),
    Route("HEAD", "/p/{token}", preferring.show, "shows"),
    Route("POST", "/p/{token}", preferring.act, "acts"),
    Route("GET", "/confirm/{token}", confirming.show, "shows"),
    Route("HEAD", "/confirm/{token}", confirming.show, "shows"),
    Route("POST", "/confirm/{token}", confirming.act, "acts"),
    Route("POST", "/hooks/events", hooks.receive_events, "acts"),
    *(Route("POST", f"/hooks/{name}", hooks.reports_of(name), "acts") for name in PROVIDERS),
    # Everybody can have SNS sign messages: a secret of our own may stand behind the address.
    Route("POST", "/hooks/amazon_ses/{secret}", hooks.reports_of("amazon_ses"), "acts"),
)


def create_app(door: Door | None = None) -> FastAPI:
    """The application of a workspace; without a door of its own it opens the one of `RIPEN_HOME`."""
    # Nothing in a request says where it is led to, so no address is put right by a redirect to the host it names.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.door = door or open_door()
    for route in ROUTES:
        app.add_api_route(route.path, _guarded(route), methods=[route.method], response_model=None)
    app.add_middleware(Shields)
    return app


def _guarded(route: Route) -> Handler:
    """Whoever asks is told to come back, so that nobody believes an unsubscribe that was not stored."""

    async def handle(request: Request) -> Response:
        try:
            return await route.handler(request)
        except StarletteHTTPException:
            raise
        except Exception as error:
            logger.error("%s %s failed: %s", route.method, route.path, without_personal_data(error, "the request"))
            return PlainTextResponse(_NOT_NOW, 503, headers={"Retry-After": "60"})

    return handle
