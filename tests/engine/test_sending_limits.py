"""How fast and how much may be sent, and what happens when the provider asks us to wait or refuses us."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa

from connectors.email import build_email_connector
from db import transports as sending
from db.tables import transports
from nurture.errors import RetryLater, TransportDown
from tests.connectors.email.hostile_smtp import Order, SmtpSink


def readers(world, number: int, first: int = 0) -> None:
    for each in range(first, first + number):
        world.lead(f"reader{each}")
        world.happens(f"reader{each}", "content.white_paper_downloaded")
    for part in ("rescore", "restage", "enroll", "advance"):
        world.run(part)


def statuses(world) -> dict[str, int]:
    return dict(Counter(row["status"] for row in world.rows("messages")))


def test_a_provider_that_asks_to_wait_is_left_alone_by_everybody_until_then(new_world):
    world = new_world()
    readers(world, 3)
    world.outbox.misbehave("commit", RetryLater("429 too many requests", after=600))
    assert world.run("deliver").counts["transport_asked_to_wait"] == 1
    assert statuses(world) == {"queued": 3}
    assert {row["attempts"] for row in world.rows("messages")} == {0}
    world.now += timedelta(minutes=9)
    assert world.run("deliver").counts == {"transport_asked_to_wait": 1}
    world.now += timedelta(minutes=2)
    world.run("deliver")
    assert statuses(world) == {"accepted": 3}


def test_nobody_waits_longer_than_an_hour(new_world):
    world = new_world()
    readers(world, 1)
    world.outbox.misbehave("commit", RetryLater("429", after=10**9))
    world.run("deliver")
    world.now += timedelta(minutes=61)
    world.run("deliver")
    assert statuses(world) == {"accepted": 1}


def test_revoked_credentials_cost_one_message_a_look_and_no_message_anything(new_world):
    world = new_world()
    readers(world, 5)
    tried = []
    world.outbox.misbehave("stage", TransportDown("535 the password is not valid"), times=3)
    for pause in (30, 60, 120):
        outcome = world.run("deliver")
        tried.append(outcome.counts.get("transport_paused"))
        assert statuses(world) == {"queued": 5}
        world.now += timedelta(minutes=pause - 1)
        assert world.run("deliver").counts == {"transport_paused": 1}
        world.now += timedelta(minutes=2)
    assert tried == [1, 1, 1]
    assert {row["attempts"] for row in world.rows("messages")} == {0}
    # The new password works without a restart.
    world.run("deliver")
    assert statuses(world) == {"accepted": 5}
    [row] = world.rows("transports")
    assert (row["failures"], row["paused_until"]) == (0, None)


def test_what_several_workers_meet_at_once_is_one_refusal_and_outlasts_a_request_to_wait(new_world):
    world = new_world()
    with world.database.write() as connection:
        assert [sending.refused(connection, "smtp", "535", world.now) for _ in range(4)] == [1, 1, 1, 1]
        sending.wait(connection, "smtp", 60, world.now)
    [row] = world.rows("transports")
    assert (row["failures"], row["reason"], row["paused_until"]) == (1, "535", world.now + timedelta(minutes=30))


def test_a_day_has_its_allowance_and_what_is_beyond_it_waits_for_the_next_without_being_late(new_world):
    world = new_world()
    world.context.settings.email.daily_limit = 3
    readers(world, 8)
    world.run("deliver")
    assert statuses(world) == {"accepted": 3, "queued": 5}
    assert {row["reason"] for row in world.rows("messages", status="queued")} == {"daily-limit"}
    world.run("deliver")
    assert statuses(world) == {"accepted": 3, "queued": 5}
    for expected in (6, 8):
        world.now += timedelta(days=1)
        world.run("deliver")
        assert statuses(world)["accepted"] == expected
    assert [row["taken"] for row in world.rows("sending_days")] == [3, 3, 2]


def test_a_new_domain_is_ramped_up_day_by_day(new_world):
    world = new_world()
    email = world.context.settings.email
    email.ramp_up_from, email.ramp_up_first_day, email.ramp_up_growth = world.now.date(), 2, 2.0
    email.daily_limit = 5
    readers(world, 12)
    sent = []
    for _ in range(4):
        before = statuses(world).get("accepted", 0)
        world.run("deliver")
        sent.append(statuses(world)["accepted"] - before)
        world.now += timedelta(days=1)
    assert sent == [2, 4, 5, 1]


def test_what_is_not_sent_after_all_gives_its_share_of_the_day_back(new_world):
    world = new_world()
    world.context.settings.email.daily_limit = 3
    readers(world, 3)
    world.outbox.misbehave("stage", TransportDown("535"))
    world.run("deliver")
    assert [row["taken"] for row in world.rows("sending_days")] == [0]


@pytest.mark.every_database
def test_workers_send_no_faster_than_the_rate(new_world):
    world = new_world()
    world.context.settings.email.rate_per_second = 4
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        with world.database.write() as connection:
            connection.execute(sa.update(transports).values(tokens=transports.c.tokens + 1))

    world.context.wait = wait
    readers(world, 7)
    world.run("deliver")
    assert statuses(world) == {"accepted": 7}
    # Four at once, and then each had to wait for at most a quarter of a second.
    assert 3 <= len(waits) <= 5
    assert all(0 < seconds <= 0.25 for seconds in waits)


@pytest.mark.parametrize("connections", [1, 4])
def test_several_connections_send_each_message_once(new_world, connections):
    with SmtpSink() as sink:
        smtp = build_email_connector("smtp", host="127.0.0.1", port=sink.port, security="none")
        world = new_world(email=smtp)
        world.context.settings.email.connections = connections
        readers(world, 30)
        assert world.run("deliver").counts["messages_accepted"] == 30
        assert statuses(world) == {"accepted": 30}
        assert sorted(Counter(sink.keys()).values()) == [1] * 30


def test_the_limit_of_a_run_holds_for_all_workers_together(new_world):
    world = new_world()
    world.context.settings.email.limit_per_run = 4
    readers(world, 6)
    counts = world.run("deliver").counts
    assert (counts["messages_accepted"], counts["limit_reached"]) == (4, 1)


@pytest.mark.parametrize(
    ("reply", "stopped"),
    [
        ("550 5.1.1 no such user here", True),
        ("550 user unknown", True),
        ("552 5.2.2 mailbox full", False),
        ("554 5.7.1 blocked for spam", False),
    ],
)
def test_a_server_that_says_that_the_mailbox_does_not_exist_stops_the_address(new_world, reply, stopped):
    with SmtpSink() as sink:
        smtp = build_email_connector("smtp", host="127.0.0.1", port=sink.port, security="none")
        world = new_world(email=smtp)
        readers(world, 1)
        sink.order(Order("rcpt", reply))
        world.run("deliver")
        assert statuses(world) == {"rejected": 1}
        assert [row["reason"] for row in world.rows("suppressions")] == (["hard_bounce"] if stopped else [])
