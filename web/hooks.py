"""What others tell us, each with its proof: events as JSON, and the reports of the e-mail providers.

Without a secret the door of that sender stays shut.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from connectors.email.webhooks import WebhookReader
from connectors.email.webhooks.sns import confirm_subscription
from nurture.errors import BadInput
from nurture.webhook_signatures import is_genuine
from tasks.feedback import take_in_feedback
from tasks.inbound import events_of, take_in
from web.door import Door, door_of

# One answer for a missing, wrong, old or malformed signature, and for a door without a secret.
_NOT_GENUINE = {"error": "the signature is missing or wrong"}


async def receive_events(request: Request) -> Response:
    """Answer only after the commit: every event is then stored, known already, or a dead letter with its reason."""
    door = door_of(request)
    body = await request.body()
    if not is_genuine(door.webhook_secrets, request.headers, body, door.clock()):
        return JSONResponse(_NOT_GENUINE, 401)
    try:
        answer = await run_in_threadpool(_store, door, body)
    except BadInput as error:
        return JSONResponse({"error": str(error)}, 400)
    return JSONResponse(answer)


def _store(door: Door, body: bytes) -> dict[str, Any]:
    counts = take_in(
        door.database, events_of(body), catalogue=door.catalogue.get(), secret=door.secret, now=door.clock()
    )
    refused = [{"item": each.origin.place, "reason": each.reason, "message": each.message} for each in counts.refusals]
    return {"stored": counts.events_created, "duplicates": counts.duplicates, "refused": refused}


def reports_of(provider: str) -> Callable[[Request], Awaitable[Response]]:
    """The way in for one provider's webhooks; answers 200 only after the commit, and 401 for whatever is not proven."""

    async def receive_reports(request: Request) -> Response:
        door = door_of(request)
        body = await request.body()
        reader = door.webhook_readers.get(provider)
        answer = await run_in_threadpool(_take_in_reports, door, reader, request, body)
        return JSONResponse(_NOT_GENUINE, 401) if answer is None else JSONResponse(answer)

    return receive_reports


def _take_in_reports(door: Door, reader: WebhookReader | None, request: Request, body: bytes) -> dict[str, int] | None:
    now = door.clock()
    if reader is None or not reader.is_genuine(request.headers, body, now, request.url.path):
        return None
    found = reader.read(request.headers, body, now)
    counts = take_in_feedback(
        door.database, reader.name, found, catalogue=door.catalogue.get(), secret=door.secret, now=now
    )
    if found.confirm_url is not None:
        confirm_subscription(found.confirm_url)
    return counts
