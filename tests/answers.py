"""What comes back of a mail, for tests of who opened and clicked."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from typing import Any

from db import judgements
from tests.world import DOCUMENTS

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
DELIVERED = {"label": "Delivered", "channel": "email", "direction": "push"}


def documents(machines: Any = None, **events: Any) -> dict[str, Any]:
    """Documents of a business that is told of deliveries, pays for opens, and knows these rules for machines."""
    made = deepcopy(DOCUMENTS)
    made["events"]["events"]["email.delivered"] = DELIVERED
    made["scoring"]["rules"].append({"event": "email.opened", "points": 1})
    if machines is not None:
        made["events"]["machines"] = machines
    return made


def send(world, name="ada"):
    world.lead(name)
    world.happens(name, "content.white_paper_downloaded")
    world.run()
    assert world.received(name) == ["thanks"]


def key_of(world, name="ada"):
    return world.rows("messages", lead_id=world.lead_id(name))[-1]["key"]


def clicks(world, name="ada", *, kind="email.clicked", after=timedelta(hours=1), **properties):
    """An answer to the lead's last mail; returns its id."""
    properties = {"message_key": key_of(world, name), "user_agent": BROWSER, **properties}
    run, world.now = world.now, world.now + after
    world.happens(name, kind, **properties)
    world.now = run
    return world.rows("events")[-1]["id"]


def follow_up(world):
    world.now += timedelta(hours=2)
    return world.run("follow-up")


def verdicts(world, kind="email.clicked"):
    return [(row["machine"], row["machine_by"]) for row in world.rows("events", type=kind)]


def judge(world, event_id, verdict, reason=None):
    with world.database.write() as connection:
        return judgements.judge(connection, event_id, verdict, reason, world.now)
