"""Whatever stops somebody, in whatever order it and a hand-over do their statements: what commits first is seen."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from itertools import count

import pytest

from db import hand_over, suppressions
from db.engine import Database
from db.intake import store
from db.suppressions import Stop
from nurture.keys import email_hash
from nurture.records import Consent, EventRecord, Identity, LeadRecord
from tests.interleavings import Actor, Stage, interleavings
from tests.world import DOCUMENTS, SECRET

# What it is about are locks, plans and several connections.
pytestmark = pytest.mark.every_database

PEOPLE = 45
SECRET_BYTES = SECRET.encode()
LEASE = timedelta(minutes=5)
FACTS = {
    "an unsubscribe": ("email.unsubscribed", {}),
    "an unsubscribe from the topic": ("email.unsubscribed", {"topic": "nurture"}),
    "a complaint": ("email.complained", {}),
    "a hard bounce": ("email.bounced", {"kind": "hard"}),
    "a preference": ("email.preferences_set", {"topics": {"nurture": False}}),
    "a provider that delivers no more": ("email.rejected", {"suppressed": True}),
}


@pytest.fixture
def ready(new_world):
    """People whose first mail is in the hands of a worker."""
    world = new_world(deepcopy(DOCUMENTS))
    allows = (Consent("granted", "consent", "test", topic="nurture"),)
    records = []
    for number in range(PEOPLE):
        identity = Identity("email", f"lead{number}@example.com")
        records += [
            LeadRecord((identity,), {"email": identity.value, "name": f"Lead {number}"}, {}, allows),
            EventRecord("test", f"paper-{number}", "content.white_paper_downloaded", world.now, (identity,)),
        ]
    world.store(records)
    for part in ("rescore", "restage", "enroll", "advance"):
        world.run(part)
    with world.database.write() as connection:
        assert len(hand_over.claim(connection, "worker", world.now, PEOPLE, LEASE)) == PEOPLE
    databases = {name: Database(world.database.url) for name in ("sender", "stopper")}
    stage = Stage(databases)
    yield world, stage
    stage.close()


def the_hand_over(world, database, message_id):
    compiled = world.context.compiled()

    def act():
        with database.write() as connection:
            given = {"transport": "memory", "subject": "Hello", "locale": "en"}
            given |= {"caps": compiled.caps, "permissions": compiled.permissions}
            return hand_over.hand_over(connection, message_id, "worker", world.now, LEASE, **given)

    return act


def the_stop(world, database, name, how):
    catalogue = world.context.compiled().bundle.catalogue
    identity = Identity("email", f"{name}@example.com")

    def by_hand(connection):
        hash_ = email_hash(SECRET_BYTES, f"{name}@example.com")
        suppressions.lock_address(connection, hash_)
        suppressions.suppress(connection, [Stop(hash_, "channel:email", "operator", world.now)])

    def as_record(connection):
        kind, properties = FACTS.get(how, ("", {}))
        record = EventRecord("test", f"{how} of {name}", kind, world.now, (identity,), properties)
        if not kind:
            record = LeadRecord((identity,), consents=(Consent("withdrawn", "consent", "test", topic="nurture"),))
        options = {"source": "test", "silent": False, "catalogue": catalogue, "secret": SECRET_BYTES}
        store(connection, [record], now=world.now, **options)

    def act():
        with database.write() as connection:
            (by_hand if how == "a stop by hand" else as_record)(connection)

    return act


class FromItsLock:
    """What intake reads before it locks its leads touches nothing that a hand-over does, and is one step."""

    def __init__(self):
        self.seen = 0

    def __call__(self, statement):
        locks = "FOR NO KEY UPDATE" in statement
        self.seen += locks or bool(self.seen)
        return bool(self.seen)


@pytest.mark.parametrize("how", [*FACTS, "a withdrawn consent", "a stop by hand"])
def test_whichever_commits_second_sees_the_first_in_every_interleaving(ready, how):
    world, stage = ready
    numbers = count()
    played = []

    def actors():
        name = f"lead{next(numbers)}"
        [message] = world.rows("messages", lead_id=world.lead_id(name))
        played.append((name, message["id"]))
        # On SQLite nobody begins before the other is over.
        every = how == "a stop by hand" or stage.dialect == "sqlite"
        steps = (lambda statement: True) if every else FromItsLock()
        return [
            Actor("sender", the_hand_over(world, stage.databases["sender"], message["id"])),
            Actor("stopper", the_stop(world, stage.databases["stopper"], name, how), steps),
        ]

    orders = set()
    for trace in interleavings(stage, actors):
        name, message_id = played[-1]
        [message] = world.rows("messages", id=message_id)
        stopped_first = trace.place("stopper", "COMMIT") < trace.place("sender", "COMMIT")
        refused = trace.results["sender"]
        # Whoever commits second has seen the first: there is no third way.
        assert (refused in ("suppressed", "unsubscribed")) is stopped_first, trace.steps
        assert message["status"] == ("skipped" if stopped_first else "handing_over")
        active = {row["email_hash"] for row in world.rows("suppressions")}
        assert how == "a withdrawn consent" or email_hash(SECRET_BYTES, f"{name}@example.com") in active
        orders.add((tuple(who for who, _ in trace.steps), stopped_first))
    # Each interleaving was another one, and both ends were reached.
    assert len(orders) == len(played)
    assert {first for _, first in orders} == {True, False}
    assert len(played) >= 9
