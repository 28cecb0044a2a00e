"""What several workers, and several processes, share: the day of a domain, the rate, the run's limit, and trouble."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from signal import SIGINT, default_int_handler, pthread_kill, signal
from threading import Barrier, main_thread
from time import monotonic

import pytest
import sqlalchemy as sa

from connectors.email import Abilities, MemoryOutbox, Verdict, build_email_connector
from db import allowances, transports
from db.engine import Database, DatabaseBusy
from db.tables import messages, sending_days
from db.tables import transports as rows_of_transports
from nurture.errors import RetryLater, TransportDown
from tasks.context import Context
from tasks.day import run_flow
from tasks.delivery.worker import Worker
from tests.connectors.email.hostile_smtp import SmtpSink

# What it is about are locks, plans and several connections.
pytestmark = pytest.mark.every_database

SEVERAL = Abilities(connections=4)


def statuses(world) -> dict[str, int]:
    return dict(Counter(row["status"] for row in world.rows("messages")))


def taken(world) -> list[int]:
    return [row["taken"] for row in world.rows("sending_days")]


def expire_leases(world, ended: datetime) -> None:
    with world.database.write() as connection:
        connection.execute(sa.update(messages).where(messages.c.lease_until.is_not(None)).values(lease_until=ended))


# --- Trouble in one worker --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("connections", [1, 4])
def test_whatever_ends_a_worker_its_claims_are_free_again_and_their_share_of_the_day_too(
    world_with, monkeypatch, error, connections
):
    world = world_with(Abilities(connections=connections))
    world.context.settings.email.daily_limit = 10

    def breaks(self, mails):
        raise error("told to break")

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "_may_go", breaks)
        with pytest.raises(error):
            world.run("deliver")
    assert statuses(world) == {"queued": 5}
    assert taken(world) == [0]
    world.run("deliver")
    assert statuses(world) == {"accepted": 5}


def test_who_is_told_to_end_lets_each_worker_finish_its_act_and_claims_nothing_more(world_with, monkeypatch):
    world = world_with(SEVERAL, readers=40)
    world.context.settings.email.daily_limit = 100
    may_go = Worker._may_go

    def told(self, mails):
        if not self.stop.is_set():
            pthread_kill(main_thread().ident, SIGINT)
            assert self.stop.wait(10)
        return may_go(self, mails)

    # Whoever runs the suite in the background has told it to ignore the signal.
    before = signal(SIGINT, default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(Worker, "_may_go", told)
            with pytest.raises(KeyboardInterrupt):
                world.run("deliver")
    finally:
        signal(SIGINT, before)
    sent = len(world.outbox.messages)
    assert 1 <= sent <= 4
    assert (statuses(world), taken(world)) == ({"accepted": sent, "queued": 40 - sent}, [sent])


def test_two_transactions_in_each_others_way_only_make_the_step_run_again(world_with, monkeypatch):
    world = world_with(SEVERAL)
    may_go, busy = Worker._may_go, []

    def collides(self, mails):
        if not busy:
            busy.append(True)
            raise DatabaseBusy("two transactions were in each other's way")
        return may_go(self, mails)

    monkeypatch.setattr(Worker, "_may_go", collides)
    world.run("deliver")
    assert statuses(world) == {"accepted": 5}
    assert len(world.outbox.messages) == 5


@pytest.mark.parametrize(("days_ago", "left"), [(0, [5]), (1, [0, 5])])
def test_what_a_dead_worker_had_claimed_goes_back_to_the_day_it_was_taken_from(world_with, monkeypatch, days_ago, left):
    world = world_with(Abilities())
    world.context.settings.email.daily_limit = 5
    # A lease is by the database's clock: it has to be over by that one, too.
    world.now = datetime.now(UTC).replace(hour=11) - timedelta(days=1)
    with world.database.write() as connection:
        connection.execute(sa.update(messages).values(expires_at=None))
    dies_with_its_claims(world, monkeypatch)
    assert (statuses(world), taken(world)) == ({"claimed": 5}, [5])
    if days_ago:
        with world.database.write() as connection:
            before = world.now.date() - timedelta(days=days_ago)
            assert allowances.left_today(connection, "example.com", before, 5) == 5
            allowances.take(connection, "example.com", before, 5)
    expire_leases(world, world.now - timedelta(days=days_ago))
    assert world.run("deliver").counts["messages_requeued"] == 5
    # Of a day that is over nothing comes back to this one.
    assert taken(world) == left
    assert statuses(world) == ({"queued": 5} if days_ago else {"accepted": 5})


def dies_with_its_claims(world, monkeypatch) -> None:
    def dies(self, claimed):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "_write", dies)
        patch.setattr(Worker, "_release", lambda self: None)
        with pytest.raises(KeyboardInterrupt):
            world.run("deliver")


# --- The transport ----------------------------------------------------------------------------------------------------


def test_what_several_workers_hear_at_once_is_one_refusal(world_with):
    world = world_with(SEVERAL, readers=8)
    world.outbox.misbehave("open", TransportDown("535 the password is not valid"), times=None)
    world.run("deliver")
    [row] = world.rows("transports")
    assert (row["failures"], row["paused_until"] - world.now) == (1, transports.FIRST_PAUSE)
    assert statuses(world) == {"queued": 8}


def test_no_pause_gets_shorter_by_somebody_who_is_asked_to_wait(world):
    with world.database.write() as connection:
        transports.refused(connection, "memory", "535", world.now)
        transports.wait(connection, "memory", 5, world.now)
        assert transports.paused(connection, "memory", world.now)["reason"] == "535"
        transports.wait(connection, "other", 600, world.now)
        transports.wait(connection, "other", 5, world.now)
        assert transports.paused(connection, "other", world.now)["paused_until"] == world.now + timedelta(minutes=10)


@pytest.mark.parametrize("connections", [1, 4])
def test_a_429_in_the_middle_stops_everybody_and_nothing_is_lost_or_counted(world_with, connections):
    world = world_with(Abilities(batch=2, connections=connections), readers=9)
    world.context.settings.email.daily_limit = 20
    world.outbox.misbehave("commit", RetryLater("429", after=60), recipient="reader4@example.com")
    counts = world.run("deliver").counts
    assert counts["transport_asked_to_wait"] == 1
    sent = statuses(world).get("accepted", 0)
    assert (statuses(world)["queued"], taken(world)) == (9 - sent, [sent])
    world.now += timedelta(minutes=2)
    world.run("deliver")
    assert (statuses(world), taken(world)) == ({"accepted": 9}, [9])
    assert sorted(Counter(mail.message_key for mail in world.outbox.messages).values()) == [1] * 9


# --- The run's limit --------------------------------------------------------------------------------------------------


def test_a_limit_that_was_only_asked_for_is_not_reached(world_with):
    world = world_with(SEVERAL)
    world.context.settings.email.limit_per_run = 6
    counts = world.run("deliver").counts
    assert (counts["messages_accepted"], counts.get("limit_reached")) == (5, None)


# --- The rate ---------------------------------------------------------------------------------------------------------


def test_nobody_waits_for_a_rate_when_nothing_is_ready(world_with):
    world = world_with(SEVERAL, readers=2)
    world.context.settings.email.rate_per_second = 2
    waits: list[float] = []
    world.context.wait = waits.append
    world.run("deliver")
    assert (statuses(world), waits) == ({"accepted": 2}, [])


def test_what_finds_no_message_goes_back_to_the_bucket(world_with):
    world = world_with(Abilities(), readers=1)
    world.context.settings.email.rate_per_second = 10
    world.run("deliver")
    assert world.rows("transports")[0]["tokens"] >= 9


def test_a_long_wait_is_taken_in_parts_so_that_who_is_told_to_end_does_so_soon(world_with):
    world = world_with(Abilities(), readers=2)
    world.context.settings.email.rate_per_second = 0.01
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        raise KeyboardInterrupt

    world.context.wait = wait
    with pytest.raises(KeyboardInterrupt):
        world.run("deliver")
    assert waits == [5.0]
    assert statuses(world) == {"accepted": 1, "queued": 1}


def test_a_bucket_stays_within_its_bounds_whatever_the_clock_does(world):
    with world.database.write() as connection:
        assert allowances.draw(connection, "memory", 3, 5.0, world.now)[0] == 3
        far = sa.update(rows_of_transports)
        # The clock has gone back by an hour: it is as if nothing had come in, and no more than a second is lost.
        connection.execute(far.values(tokens_at=datetime.now(UTC) + timedelta(hours=1)))
        granted, wait = allowances.draw(connection, "memory", 3, 5.0, world.now)
        assert granted == 0
        assert 0 < wait <= 0.2
        # Nobody has sent for a day: the bucket holds no more than it holds.
        connection.execute(far.values(tokens_at=datetime.now(UTC) - timedelta(days=1)))
        assert allowances.draw(connection, "memory", 100, 5.0, world.now)[0] == 5
        allowances.pour_back(connection, "memory", 50)
        assert allowances.draw(connection, "memory", 100, 5.0, world.now)[0] == 5


@pytest.mark.parametrize(
    ("zone", "now", "tomorrow"),
    [
        ("UTC", "2026-03-02T23:59:59Z", "2026-03-03T00:00:00Z"),
        ("Pacific/Auckland", "2026-03-02T23:59:59Z", "2026-03-03T11:00:00Z"),
        ("Asia/Kathmandu", "2026-03-02T18:14:59Z", "2026-03-02T18:15:00Z"),
        # The day that begins at one o'clock, the day of 25 hours, and the day of 23.
        ("America/Santiago", "2026-09-05T18:00:00Z", "2026-09-06T04:00:00Z"),
        ("Europe/Copenhagen", "2026-10-24T23:00:00Z", "2026-10-25T23:00:00Z"),
        ("Europe/Copenhagen", "2026-03-28T23:30:00Z", "2026-03-29T22:00:00Z"),
    ],
)
def test_what_the_day_has_no_allowance_for_waits_for_the_next_midnight_where_the_business_is(
    world_with, zone, now, tomorrow
):
    world = world_with(Abilities(), readers=2)
    with world.database.write() as connection:
        connection.execute(sa.update(messages).values(expires_at=None))
    world.context.settings.project.time_zone = zone
    world.context.settings.email.daily_limit = 1
    world.now = datetime.fromisoformat(now)
    world.run("deliver")
    [row] = world.rows("messages", status="queued")
    assert (row["reason"], row["not_before"]) == ("daily-limit", datetime.fromisoformat(tomorrow))
    world.now = row["not_before"]
    world.run("deliver")
    assert (statuses(world), taken(world)) == ({"accepted": 2}, [1, 1])


def test_a_days_count_never_falls_below_nothing(world):
    day = date(2026, 3, 2)
    with world.database.write() as connection:
        assert allowances.left_today(connection, "example.com", day, 10) == 10
        allowances.take(connection, "example.com", day, -3)
        assert allowances.left_today(connection, "example.com", day, 10) == 10


def test_a_refusal_of_a_repeated_act_gives_no_other_day_its_share(world_with):
    world = world_with(Abilities(batch=3, key_lives=timedelta(hours=48)))
    world.context.settings.email.daily_limit = 10
    world.outbox.misbehave("commit", Verdict.UNKNOWN, times=3)
    world.run("deliver")
    with world.database.write() as connection:
        allowances.left_today(connection, "example.com", world.now.date() + timedelta(days=1), 10)
        connection.execute(sa.update(sending_days).where(sending_days.c.taken == 0).values(taken=4))
    world.now += timedelta(days=1)
    world.outbox.misbehave("commit", Verdict.REJECTED, times=3)
    world.run("deliver")
    assert statuses(world) == {"accepted": 2, "rejected": 3}
    assert taken(world) == [5, 4]


# --- Side by side -----------------------------------------------------------------------------------------------------


def beside(world, **email: object) -> Context:
    """Another process's context on the same database."""
    settings = world.context.settings.model_copy(deep=True)
    for name, value in email.items():
        setattr(settings.email, name, value)
    return Context(settings=settings, database=Database(world.context.settings.database_url), email=world.context.email)


def side_by_side(contexts: list[Context], now: datetime) -> list[dict[str, int]]:
    together = Barrier(len(contexts))

    def one(context: Context) -> dict[str, int]:
        together.wait()
        return dict(run_flow(context, "deliver", now).counts)

    try:
        with ThreadPoolExecutor(len(contexts)) as pool:
            return list(pool.map(one, contexts))
    finally:
        for context in contexts:
            context.database.dispose()


def test_two_processes_with_four_workers_each_share_the_day_and_send_each_message_once(world_with):
    world = world_with(SEVERAL, readers=60)
    given = {"daily_limit": 41, "connections": 4}
    counts = side_by_side([beside(world, **given), beside(world, **given)], world.now)
    assert sum(each.get("messages_accepted", 0) for each in counts) == 41
    assert statuses(world) == {"accepted": 41, "queued": 19}
    assert taken(world) == [41]
    assert sorted(Counter(mail.message_key for mail in world.outbox.messages).values()) == [1] * 41


def test_two_processes_share_one_rate(world_with):
    world = world_with(SEVERAL, readers=30)
    given = {"rate_per_second": 20, "connections": 2}
    began = monotonic()
    side_by_side([beside(world, **given), beside(world, **given)], world.now)
    # A full bucket at once, and the last ten as it fills.
    assert monotonic() - began >= 0.45
    assert statuses(world) == {"accepted": 30}


def test_two_processes_with_other_transports_send_each_message_once(world_with):
    world = world_with(Abilities(batch=3, key_lives=timedelta(hours=24), connections=2), readers=40)
    other = beside(world)
    other.email = MemoryOutbox(SEVERAL)
    side_by_side([beside(world), other], world.now)
    assert statuses(world) == {"accepted": 40}
    keys = Counter(mail.message_key for mail in [*world.outbox.messages, *other.email.messages])
    assert sorted(keys.values()) == [1] * 40


@pytest.mark.timeout(120)
def test_four_connections_send_hundreds_of_messages_once_each_and_nobody_is_in_anybodys_way(world_with):
    with SmtpSink() as sink:
        world = world_with(Abilities(), readers=500)
        world.context.email = build_email_connector("smtp", host="127.0.0.1", port=sink.port, security="none")
        world.context.settings.email.daily_limit = 1_000
        assert world.run("deliver").counts["messages_accepted"] == 500
        assert sorted(Counter(sink.keys()).values()) == [1] * 500
        assert taken(world) == [500]


def test_two_processes_repeat_an_act_once(world_with):
    world = world_with(Abilities(batch=3, key_lives=timedelta(hours=24), connections=2))
    world.outbox.misbehave("commit", Verdict.UNKNOWN, times=5)
    world.run("deliver")
    before = len(world.outbox.acts)
    side_by_side([beside(world), beside(world)], world.now + timedelta(minutes=10))
    assert statuses(world) == {"accepted": 5}
    assert sorted(world.outbox.acts[before:]) == sorted(world.outbox.acts[:before])
    assert sorted(Counter(mail.message_key for mail in world.outbox.messages).values()) == [1] * 5
