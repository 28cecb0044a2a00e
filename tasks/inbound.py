"""Events that somebody sends us: read by their usual names and stored at once; the unusable become dead letters."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson

from db.engine import Database
from db.intake import IntakeCounts, store
from nurture.definitions.catalogue import Catalogue
from nurture.errors import BadInput
from nurture.records import Origin, Record, Refused
from tasks.mappers import mapper_for

SOURCE = "webhook"
_MAX_EVENTS = 10_000


def events_of(body: bytes) -> list[Any]:
    """The events of a JSON body: a list, an object with `events`, or one event; raises BadInput for anything else."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadInput("the body is not JSON in UTF-8") from None
    if isinstance(data, dict):
        data = data.get("events", [data])
    if not isinstance(data, list):
        raise BadInput("send an event, a list of events, or an object with the list `events`")
    if len(data) > _MAX_EVENTS:
        raise BadInput(f"send at most {_MAX_EVENTS:,} events at once")
    return data


def take_in(
    database: Database, events: Iterable[Any], *, catalogue: Catalogue, secret: bytes, now: datetime
) -> IntakeCounts:
    """Store events in one transaction; each is applied or kept as a dead letter with its reason, never lost."""
    mapper = mapper_for(None, "events", catalogue, file=SOURCE, columns=None)
    records: list[Record] = []
    for number, event in enumerate(events, 1):
        place = f"item {number}"
        if isinstance(event, dict):
            # The source is part of the record, so that a dead letter that goes in later is still the same event.
            records += mapper.read({"source": SOURCE, **event}, now, number, place)
        else:
            raw = Origin(place, orjson.dumps(event), number)
            records.append(Refused("event", "not-an-object", "an event is a JSON object", raw))
    with database.write() as connection:
        return store(
            connection,
            records,
            source=SOURCE,
            now=now,
            silent=False,
            catalogue=catalogue,
            secret=secret,
            context={"kind": "events"},
        )
