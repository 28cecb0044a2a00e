"""Inbound events as JSON, signed by the sender; without a secret in `RIPEN_WEBHOOK_SECRET` this door stays shut."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from nurture.errors import BadInput
from nurture.webhook_signatures import is_genuine
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
