"""What holds a message or a wait, and that nothing is lost by it."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

from connectors.email import Verdict
from connectors.email.memory import MemoryOutbox
from db import sequences
from nurture.errors import RetryLater, TransportDown
from tests.world import DOCUMENTS, START


def downloads(world, name="ada", **lead):
    world.lead(name, **lead)
    world.happens(name, "content.white_paper_downloaded")


def enrollment(world, name="ada"):
    return world.rows("enrollments", lead_id=world.lead_id(name))[-1]


def set_state(world, state):
    with world.database.write() as connection:
        sequences.set_state(connection, "papers", state, None, world.now)


def test_a_wait_for_a_window_ends_when_it_opens_where_the_lead_lives(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["steps"] = [
        {"id": "morning", "wait": {"window": {"days": ["mon", "tue"], "from": "09:00", "to": "11:00"}}},
        {"id": "thanks", "email": "thanks"},
        {"id": "one-day", "wait": "1 day"},
        {"id": "more", "email": "more"},
    ]
    world = new_world(documents)
    downloads(world, "ada", country="DK")
    downloads(world, "bo", time_zone="America/New_York")
    downloads(world, "cleo", time_zone="Asia/Tokyo")
    world.run("follow-up")
    # Ten in Copenhagen, four in New York, and six in the evening in Tokyo.
    assert (world.received("ada"), world.received("bo"), world.received("cleo")) == (["thanks"], [], [])
    assert enrollment(world, "bo")["wake_at"] == START.replace(hour=14)
    assert enrollment(world, "cleo")["wake_at"] == START.replace(day=3, hour=0)
    world.now += timedelta(hours=6)
    world.run("follow-up")
    assert (world.received("bo"), world.received("cleo")) == (["thanks"], [])
    # The machine was off while it was open in Tokyo.
    world.now = START + timedelta(days=2)
    world.run("follow-up")
    assert world.received("cleo") == []
    world.now = START.replace(day=9, hour=1)
    world.run("follow-up")
    assert world.received("cleo") == ["thanks"]
    assert enrollment(world, "cleo")["wake_at"] == world.now + timedelta(days=1)


def test_after_a_hold_as_much_of_each_wait_is_left_as_before(world):
    downloads(world)
    world.days(1)
    set_state(world, "hold")
    world.days(10)
    set_state(world, "on")
    world.run()
    world.days(2)
    assert world.received("ada") == ["thanks"]
    world.days(1)
    assert world.received("ada") == ["thanks", "more"]


def test_a_mail_does_not_come_too_late_because_of_a_hold(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["window"] = {"days": ["tue"], "from": "08:00", "to": "17:00"}
    world = new_world(documents)
    downloads(world)
    world.run()
    set_state(world, "hold")
    world.days(14)
    set_state(world, "on")
    world.run()
    assert (world.received("ada"), world.reasons("ada")) == ([], ["quiet-hours"])
    world.days(1)
    assert world.received("ada") == ["thanks"]


class HoldingOutbox(MemoryOutbox):
    """The operator holds the sequence after the message has been claimed."""

    def meet(self, moment, mail):
        if moment == "stage":
            set_state(self.world, "hold")
        return super().meet(moment, mail)


def test_a_hold_also_stops_what_a_worker_has_in_hand(new_world):
    outbox = HoldingOutbox()
    outbox.world = world = new_world(email=outbox)
    downloads(world)
    world.run()
    assert outbox.messages == []
    assert [row["status"] for row in world.rows("messages")] == ["queued"]


def test_a_temporary_refusal_after_days_in_the_queue_is_tried_again(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["window"] = {"days": ["fri"], "from": "08:00", "to": "17:00"}
    world = new_world(documents)
    downloads(world)
    world.run()
    world.outbox.misbehave("stage", Verdict.RETRY)
    world.days(4)
    assert world.rows("messages")[0]["status"] == "queued"
    world.now += timedelta(minutes=10)
    world.run("follow-up")
    assert world.received("ada") == ["thanks"]


def test_a_mail_that_is_refused_for_days_is_given_up_and_the_sequence_goes_on(world):
    world.outbox.misbehave("stage", Verdict.RETRY, times=10)
    downloads(world)
    for _ in range(7 * 12):
        world.run("follow-up")
        world.now += timedelta(hours=1)
    assert world.rows("messages")[0]["status"] == "failed"
    world.days(4)
    assert world.received("ada") == ["more"]


def test_a_transport_that_refuses_or_is_away_stops_no_hand_over_to_sales(world):
    downloads(world)
    world.lead("bo")
    world.happens("bo", "demo.requested")
    world.outbox.misbehave("open", TransportDown("wrong password"))
    outcome = world.run("follow-up")
    assert (outcome.counts["transport_paused"], outcome.counts["tasks_told"]) == (1, 1)
    world.now += timedelta(minutes=40)
    world.outbox.misbehave("open", RetryLater("no answer"))
    assert world.run("follow-up").counts["transport_away"] == 1
    world.now += timedelta(minutes=10)
    world.run("follow-up")
    assert world.received("ada") == ["thanks"]


def test_the_audit_blames_nobody_for_an_unsubscribe_that_was_heard_of_too_late(world):
    downloads(world)
    world.run()
    world.now += timedelta(hours=1)
    world.happens("ada", "email.unsubscribed", START - timedelta(minutes=10))
    assert world.run("audit").notes.get("audit") is None
