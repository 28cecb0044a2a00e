"""What ends the doubt about an act, whoever comes first: evidence, a person, the repetition, a late worker."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa

from connectors.email import Abilities, MemoryOutbox, Verdict
from db import audit, frozen_mails, hand_over, sequences
from db import messages as ledger
from db.tables import messages
from nurture.errors import RetryLater, TransportDown
from nurture.records import EventRecord
from tasks.delivery.worker import Worker
from tests.world import START

# What it is about are locks, plans and several connections.
pytestmark = pytest.mark.every_database

KEYED = Abilities(batch=3, key_lives=timedelta(hours=24))


def statuses(world) -> dict[str, int]:
    return dict(Counter(row["status"] for row in world.rows("messages")))


@pytest.fixture
def parked(world_with):
    """A world with one act of three whose reply was lost, though it had arrived."""
    world = world_with(KEYED)
    world.outbox.misbehave("commit", Verdict.UNKNOWN, delivered=True, times=3)
    world.run("deliver")
    assert statuses(world) == {"handing_over": 3, "accepted": 2}
    return world


def heard_of(world, message: int, kind: str = "email.delivered") -> None:
    [row] = world.rows("messages", id=message)
    world.store(
        [EventRecord("provider", f"{kind}:{message}", kind, world.now, message_id=message, lead_id=row["lead_id"])]
    )


def expire_leases(world) -> None:
    with world.database.write() as connection:
        connection.execute(
            sa.update(messages).where(messages.c.lease_until.is_not(None)).values(lease_until=START - timedelta(days=1))
        )


def dies_before_recording(world, monkeypatch) -> None:
    def dies(self, receipts):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "record", dies)
        with pytest.raises(KeyboardInterrupt):
            world.run("deliver")


def repetition(world) -> dict[str, int]:
    world.now += timedelta(minutes=10)
    world.run("deliver")
    return statuses(world)


def test_what_was_heard_of_while_it_waits_to_be_repeated_is_settled_and_never_repeated(parked):
    first = parked.rows("messages", status="handing_over")[0]["id"]
    heard_of(parked, first)
    assert [row["id"] for row in parked.rows("messages", status="handing_over")] == [first + 1, first + 2]
    assert first not in {row["message_id"] for row in parked.rows("frozen_mails")}
    # In part it would be another act: the rest is in doubt until something is heard of it, too.
    assert repetition(parked) == {"accepted": 3, "unknown": 2}
    assert len(parked.outbox.acts) == 2
    assert parked.rows("frozen_mails") == []
    heard_of(parked, first + 1, "email.clicked")
    assert statuses(parked) == {"accepted": 4, "unknown": 1}


def test_what_a_person_settles_while_it_waits_to_be_repeated_is_not_repeated(parked):
    first = parked.rows("messages", status="handing_over")[0]["id"]
    with parked.database.write() as connection:
        assert ledger.resolve(connection, first, "failed", "the provider's log", parked.now) == 1
    assert repetition(parked) == {"accepted": 2, "failed": 1, "unknown": 2}
    assert len(parked.outbox.acts) == 2


def test_an_act_of_which_something_is_heard_at_the_last_moment_is_not_claimed_in_part(parked):
    with parked.database.read() as connection:
        [act] = frozen_mails.due_acts(connection, parked.now + timedelta(minutes=10), 10)
    heard_of(parked, parked.rows("messages", status="handing_over")[0]["id"])
    with parked.database.write() as connection:
        assert frozen_mails.claim_act(connection, act, "late", hand_over.lease_end(timedelta(minutes=5))) == []
    assert {row["owner"] for row in parked.rows("messages", status="handing_over")} == {None}


def test_what_was_heard_before_anybody_knew_of_the_doubt_settles_it(world_with, monkeypatch):
    world = world_with(Abilities())

    dies_before_recording(world, monkeypatch)
    [row] = world.rows("messages", status="handing_over")
    heard_of(world, row["id"])
    expire_leases(world)
    assert world.run("deliver").counts["messages_unknown"] == 1
    assert statuses(world) == {"accepted": 5}


def test_a_worker_that_comes_late_with_a_yes_settles_what_waits_to_be_repeated(world_with, monkeypatch):
    world = world_with(KEYED, readers=3)
    record = Worker.record

    def late(self, receipts):
        expire_leases(world)
        with world.database.write() as connection:
            assert hand_over.recover(connection, world.now, "memory")["messages_to_repeat"] == 3
        record(self, receipts)

    monkeypatch.setattr(Worker, "record", late)
    world.run("deliver")
    assert statuses(world) == {"accepted": 3}
    assert world.rows("frozen_mails") == []
    assert {row["provider_id"] is None for row in world.rows("messages")} == {False}


def test_a_worker_that_comes_late_with_another_doubt_leaves_the_repetition_alone(world_with, monkeypatch):
    world = world_with(KEYED, readers=3)
    world.outbox.misbehave("commit", RetryLater("no answer"))
    nothing_left = Worker._nothing_left

    def late(self, mails, error):
        expire_leases(world)
        with world.database.write() as connection:
            hand_over.recover(connection, world.now, "memory")
        return nothing_left(self, mails, error)

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "_nothing_left", late)
        world.run("deliver")
    assert statuses(world) == {"handing_over": 3}
    assert len(world.rows("frozen_mails")) == 3
    assert repetition(world) == {"accepted": 3}


def test_an_act_is_not_repeated_to_an_address_that_its_reader_has_left(world_with):
    world = world_with(KEYED)
    world.outbox.misbehave("commit", Verdict.UNKNOWN, times=3)
    world.run("deliver")
    move(world, 1)
    assert repetition(world) == {"accepted": 2, "unknown": 3}
    assert len(world.outbox.acts) == 2


def move(world, number: int) -> None:
    leads = sa.table("leads", sa.column("email"))
    with world.database.write() as connection:
        moved = connection.execute(
            sa.update(leads).where(leads.c.email == f"reader{number}@example.com").values(email="moved@example.com")
        )
        assert moved.rowcount == 1


def test_a_message_is_written_anew_when_its_reader_has_another_address_since(world_with, monkeypatch):
    world = world_with(Abilities(), readers=2)
    may_go, moved = Worker._may_go, []

    def late(self, mails):
        if not moved:
            moved.append(move(world, 0))
        return may_go(self, mails)

    monkeypatch.setattr(Worker, "_may_go", late)
    world.run("deliver")
    assert statuses(world) == {"accepted": 2}
    assert sorted(mail.recipient for mail in world.outbox.messages) == ["moved@example.com", "reader1@example.com"]


def test_an_act_is_given_up_when_the_settings_allow_no_such_batch_any_more(parked):
    smaller = MemoryOutbox(Abilities(batch=2, key_lives=timedelta(hours=24)))
    smaller.messages = parked.outbox.messages
    parked.context.email = smaller
    assert repetition(parked) == {"accepted": 2, "unknown": 3}
    assert smaller.acts == []


def test_what_another_transport_leaves_unknown_is_not_kept_word_for_word(world_with, monkeypatch):
    world = world_with(KEYED, readers=3)

    dies_before_recording(world, monkeypatch)
    expire_leases(world)
    world.context.email = MemoryOutbox()
    world.run("deliver")
    assert statuses(world) == {"unknown": 3}
    assert world.rows("frozen_mails") == []


def test_trouble_while_an_act_is_staged_again_sends_nothing_and_counts_nothing(world_with, monkeypatch):
    world = world_with(KEYED)
    may_go, done = Worker._may_go, []

    def late(self, mails):
        if not done:
            done.append(world.happens("reader1", "email.unsubscribed"))
            going = may_go(self, mails)
            world.outbox.misbehave("stage", TransportDown("401 the key is not valid"))
            return going
        return may_go(self, mails)

    monkeypatch.setattr(Worker, "_may_go", late)
    assert world.run("deliver").counts["transport_paused"] == 1
    assert statuses(world) == {"skipped": 1, "queued": 4}
    assert {row["attempts"] for row in world.rows("messages")} == {0}
    assert world.rows("frozen_mails") == []
    world.now += timedelta(hours=1)
    world.run("deliver")
    assert statuses(world) == {"skipped": 1, "accepted": 4}


def test_those_that_stay_unknown_for_ever_keep_nobody_from_being_asked_about(world_with):
    world = world_with(Abilities(), finds=True)
    world.outbox.misbehave("commit", Verdict.UNKNOWN, times=5)
    world.run("deliver")
    later, asked = world.now + timedelta(hours=1), set()
    with world.database.read() as connection:
        for turn in range(3):
            asked |= {id_ for id_, _ in ledger.unknown_of(connection, "memory", before=later, limit=2, turn=turn)}
    assert len(asked) == 5


def test_an_act_of_a_sequence_on_hold_waits_until_it_goes_on(world_with):
    world = world_with(KEYED)
    world.outbox.misbehave("commit", Verdict.UNKNOWN, times=3)
    world.run("deliver")
    with world.database.write() as connection:
        sequences.set_state(connection, "papers", "hold", None, world.now)
    assert repetition(world) == {"accepted": 2, "handing_over": 3}
    with world.database.write() as connection:
        assert audit.run_checks(connection, world.now, repair=False) == []
        sequences.set_state(connection, "papers", "on", None, world.now)
    assert repetition(world) == {"accepted": 5}
    assert len(world.outbox.messages) == 5


def test_an_act_of_a_sequence_that_was_stopped_is_given_up(parked):
    with parked.database.write() as connection:
        sequences.set_state(connection, "papers", "stop", None, parked.now)
    assert repetition(parked) == {"accepted": 2, "unknown": 3}
    assert len(parked.outbox.acts) == 2


def test_an_act_of_which_two_have_become_one_person_is_given_up(parked):
    parked.merge("reader0", "reader1")
    assert repetition(parked).get("handing_over", 0) == 0
    assert len(parked.outbox.acts) == 2
    assert parked.rows("frozen_mails") == []


@pytest.mark.parametrize("abilities", [Abilities(batch=3), KEYED])
def test_one_refused_while_an_act_is_staged_again_leaves_the_others_in_it(world_with, monkeypatch, abilities):
    world = world_with(abilities, readers=3)
    may_go, done = Worker._may_go, []

    def late(self, mails):
        if not done:
            done.append(world.happens("reader1", "email.unsubscribed"))
            going = may_go(self, mails)
            world.outbox.misbehave("stage", Verdict.REJECTED, recipient="reader0@example.com")
            return going
        return may_go(self, mails)

    monkeypatch.setattr(Worker, "_may_go", late)
    world.run("deliver")
    assert [row["status"] for row in world.rows("messages")] == ["rejected", "skipped", "accepted"]
    assert [mail.recipient for mail in world.outbox.messages] == ["reader2@example.com"]
    assert world.rows("frozen_mails") == []
