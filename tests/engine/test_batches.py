"""Several messages in one act, and acts that are repeated under keys which the provider knows again."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa

from connectors.email import Abilities, MemoryOutbox, Verdict
from db import audit
from db.tables import messages
from nurture.errors import RetryLater, TransportDown
from tasks.delivery.worker import Worker
from tasks.mail import Composer
from tasks.privacy.erase import erase_lead
from tests.world import START

# What it is about are locks, plans and several connections.
pytestmark = pytest.mark.every_database

BATCHES = Abilities(batch=3)
KEYED = Abilities(batch=3, key_lives=timedelta(hours=24))
FIVE = [f"reader{number}" for number in range(5)]


def statuses(world) -> dict[str, int]:
    return dict(Counter(row["status"] for row in world.rows("messages")))


def address_of(world, number: int) -> str:
    return f"{FIVE[number]}@example.com"


def test_messages_leave_in_acts_of_as_many_as_the_provider_takes(world_with):
    world = world_with(BATCHES)
    assert world.run("deliver").counts["messages_accepted"] == 5
    assert [len(act) for act in world.outbox.acts] == [3, 2]
    assert statuses(world) == {"accepted": 5}


def test_one_refused_before_the_act_leaves_the_others_in_it(world_with):
    world = world_with(BATCHES)
    world.outbox.misbehave("stage", Verdict.REJECTED, recipient=address_of(world, 1))
    world.run("deliver")
    assert statuses(world) == {"accepted": 4, "rejected": 1}
    assert len(world.outbox.messages) == 4


def test_one_that_may_not_go_any_more_leaves_the_others_in_their_act(world_with, monkeypatch):
    world = world_with(BATCHES)
    stopped = False

    class Late(Worker):
        def _may_go(self, mails):
            nonlocal stopped
            if not stopped:
                stopped = True
                world.happens(FIVE[1], "email.unsubscribed")
            return super()._may_go(mails)

    monkeypatch.setattr("tasks.delivery.workers.Worker", Late)
    world.run("deliver")
    assert statuses(world) == {"accepted": 4, "skipped": 1}
    assert address_of(world, 1) not in {mail.recipient for mail in world.outbox.messages}
    assert [len(act) for act in world.outbox.acts] == [2, 2]


def test_each_message_of_an_act_has_its_own_verdict(world_with):
    world = world_with(BATCHES)
    world.outbox.misbehave("commit", Verdict.REJECTED, recipient=address_of(world, 0))
    world.outbox.misbehave("commit", Verdict.RETRY, recipient=address_of(world, 1))
    world.outbox.misbehave("commit", Verdict.UNKNOWN, recipient=address_of(world, 2))
    world.run("deliver")
    assert [row["status"] for row in world.rows("messages")] == [
        "rejected",
        "queued",
        "unknown",
        "accepted",
        "accepted",
    ]


@pytest.mark.parametrize("error", [TransportDown("401 the key is not valid"), RetryLater("no answer")])
def test_an_act_of_which_nothing_left_goes_back_and_counts_no_attempt(world_with, error):
    world = world_with(BATCHES)
    world.outbox.misbehave("commit", error)
    world.run("deliver")
    assert statuses(world) == {"queued": 5}
    assert {(row["attempts"], row["handed_over_at"], row["owner"]) for row in world.rows("messages")} == {
        (0, None, None)
    }
    world.now += timedelta(hours=1)
    world.run("deliver")
    assert statuses(world) == {"accepted": 5}
    assert len(world.outbox.messages) == 5


# --- Keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delivered", [True, False])
def test_an_act_whose_reply_was_lost_is_repeated_word_for_word_and_nothing_arrives_twice(world_with, delivered):
    world = world_with(KEYED)
    world.outbox.misbehave("commit", Verdict.UNKNOWN, delivered=delivered, times=3)
    counts = world.run("deliver").counts
    assert (counts["messages_to_repeat"], counts["messages_accepted"]) == (3, 2)
    assert {row["reason"] for row in world.rows("messages", status="handing_over")} == {"reply-lost"}
    first = world.outbox.acts[0]
    world.run("deliver")
    assert statuses(world)["handing_over"] == 3  # not before its pause is over
    # Whatever has changed about the reader or the e-mail, the repetition says what was said.
    world.lead(FIVE[0], company="Somewhere else")
    world.now += timedelta(minutes=10)
    world.run("deliver")
    assert statuses(world) == {"accepted": 5}
    assert world.outbox.acts[-1] == first
    assert sorted(Counter(mail.message_key for mail in world.outbox.messages).values()) == [1] * 5
    assert world.rows("frozen_mails") == []


def test_the_repetition_has_the_very_same_content(world_with):
    world = world_with(KEYED)
    world.outbox.misbehave("commit", Verdict.UNKNOWN, times=3)
    world.run("deliver")
    kept = {row["message_id"]: row["plan"] for row in world.rows("frozen_mails")}
    assert len(kept) == 3
    world.documents["emails/thanks"]["locales"]["en"]["subject"] = "Something else"
    world.publish()
    world.now += timedelta(minutes=10)
    world.run("deliver")
    subjects = {mail.plan.subject for mail in world.outbox.messages}
    assert subjects == {plan["subject"] for plan in kept.values()} | {row["subject"] for row in world.rows("messages")}
    assert not any("Something else" in subject for subject in subjects)


def test_a_worker_that_died_during_an_act_under_keys_has_it_repeated(world_with):
    world = world_with(KEYED)

    def dies(self, receipts):
        raise KeyboardInterrupt

    record, Worker.record = Worker.record, dies
    try:
        with pytest.raises(KeyboardInterrupt):
            world.run("deliver")
    finally:
        Worker.record = record
    # What was only claimed went back at once; what was being handed over did not.
    assert statuses(world) == {"handing_over": 3, "queued": 2}
    expire_leases(world)
    world.now += timedelta(minutes=10)
    assert world.run("deliver").counts["messages_to_repeat"] == 3
    assert statuses(world) == {"accepted": 5}
    assert sorted(Counter(mail.message_key for mail in world.outbox.messages).values()) == [1] * 5


def expire_leases(world):
    with world.database.write() as connection:
        connection.execute(
            sa.update(messages).where(messages.c.lease_until.is_not(None)).values(lease_until=START - timedelta(days=1))
        )


def test_when_the_provider_forgets_the_keys_the_messages_are_unknown(world_with):
    world = world_with(KEYED)
    world.outbox.misbehave("commit", Verdict.UNKNOWN, times=None)
    world.run("deliver")
    world.now += timedelta(hours=23)  # two hours before the end repeating ends
    counts = world.run("deliver").counts
    assert counts["messages_unknown"] == 5
    assert statuses(world) == {"unknown": 5}
    assert world.rows("frozen_mails") == []


def test_another_transport_cannot_repeat_an_act(world_with):
    world = world_with(KEYED)
    world.outbox.misbehave("commit", Verdict.UNKNOWN, times=3)
    world.run("deliver")
    world.context.email = MemoryOutbox()
    world.run("deliver")
    assert statuses(world) == {"accepted": 2, "unknown": 3}


def test_an_act_with_somebody_who_said_stop_is_not_repeated(world_with):
    world = world_with(KEYED)
    world.outbox.misbehave("commit", Verdict.UNKNOWN, times=3)
    world.run("deliver")
    world.happens(FIVE[1], "email.unsubscribed")
    world.now += timedelta(minutes=10)
    world.run("deliver")
    assert statuses(world) == {"accepted": 2, "unknown": 3}
    assert len(world.outbox.acts) == 2


def test_an_act_of_which_somebody_was_erased_is_not_repeated_in_part(world_with):
    world = world_with(KEYED)
    world.outbox.misbehave("commit", Verdict.UNKNOWN, delivered=True, times=3)
    world.run("deliver")
    erase_lead(world.context, f"{FIVE[1]}@example.com", world.now, reason="asked")
    world.now += timedelta(minutes=10)
    world.run("deliver")
    # One was erased while it was on its way; the two others of its act stay in doubt.
    assert len(world.outbox.acts) == 2
    assert statuses(world)["unknown"] >= 2
    assert world.rows("frozen_mails") == []


def test_repeating_goes_on_while_the_transport_is_away_and_loses_nothing(world_with):
    world = world_with(KEYED)
    world.outbox.misbehave("commit", Verdict.UNKNOWN, delivered=True, times=3)
    world.run("deliver")
    world.now += timedelta(minutes=10)
    world.outbox.misbehave("open", RetryLater("no answer"))
    world.run("deliver")
    assert statuses(world) == {"accepted": 2, "handing_over": 3}
    world.now += timedelta(minutes=10)
    world.run("deliver")
    assert statuses(world) == {"accepted": 5}
    assert len(world.outbox.messages) == 5


def test_the_audit_holds_while_acts_wait_to_be_repeated(world_with):
    world = world_with(KEYED)
    world.outbox.misbehave("commit", Verdict.UNKNOWN, times=3)
    world.run("deliver")
    with world.database.write() as connection:
        assert audit.run_checks(connection, world.now, repair=False) == []


# --- Asking the provider ----------------------------------------------------------------------------------------------


def test_what_the_provider_finds_under_a_key_is_settled_and_the_rest_stays_unknown(world_with):
    world = world_with(Abilities(), finds=True)
    world.outbox.misbehave("commit", Verdict.UNKNOWN, delivered=True)
    world.outbox.misbehave("commit", Verdict.UNKNOWN)
    world.run("deliver")
    assert statuses(world) == {"unknown": 2, "accepted": 3}
    world.run("deliver")
    assert statuses(world)["unknown"] == 2  # its search lags behind
    world.now += timedelta(minutes=10)
    assert world.run("deliver").counts["messages_found"] == 1
    assert statuses(world) == {"unknown": 1, "accepted": 4}


@pytest.mark.parametrize("part", ["draft", "finish"])
def test_a_fault_of_ours_in_one_message_holds_that_one_and_says_where(world_with, monkeypatch, part):
    world = world_with(BATCHES)
    poisoned = world.lead_id(FIVE[1])
    works = getattr(Composer, part)

    def breaks(self, given, *more):
        row = given.row if part == "finish" else given
        if row["lead_id"] == poisoned:
            raise AttributeError("ada@example.com has no such thing")
        return works(self, given, *more)

    with monkeypatch.context() as patch:
        patch.setattr(Composer, part, breaks)
        assert world.run("deliver").counts["messages_accepted"] == 4
    [held] = world.rows("messages", status="queued")
    assert (held["lead_id"], held["reason"]) == (poisoned, "cannot-render")
    assert held["detail"].startswith("unexpected AttributeError at ")
    assert "ada@example.com" not in held["detail"]
    world.now += timedelta(days=1)
    world.run("deliver")
    assert statuses(world) == {"accepted": 5}
