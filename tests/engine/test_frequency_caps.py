"""Frequency caps: nobody hears too often from us, nothing is lost by it, and no two workers share a slot."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from itertools import pairwise
from threading import Barrier, Thread

import pytest
import sqlalchemy as sa

from connectors.email import Verdict
from connectors.email.memory import MemoryOutbox
from db import hand_over, messages
from db.engine import Database
from tasks.context import Context, Run
from tasks.day import run_flow
from tasks.deliver import deliver
from tests.world import DOCUMENTS, START

DAY = timedelta(days=1)
DAILY = {"most": 1, "per": "1 day"}


def business(*caps, **priorities):
    """A sequence of one mail for each name, which all begin with a white paper; the number is the priority."""
    documents = deepcopy(DOCUMENTS)
    papers = documents.pop("sequences/papers")
    documents["lifecycle"]["contact"] = {"caps": list(caps)}
    for name, priority in priorities.items():
        documents[f"emails/{name}"] = {**documents["emails/thanks"], "name": name}
        steps = [{"id": "mail", "email": name}]
        documents[f"sequences/{name}"] = {**papers, "sequence": name, "priority": priority, "steps": steps}
    return documents


def downloads(world, *names):
    for name in names or ("ada",):
        world.lead(name)
        world.happens(name, "content.white_paper_downloaded")


def message(world, email, name="ada"):
    [row] = world.rows("messages", email=email, lead_id=world.lead_id(name))
    return row


def held(world, email):
    row = message(world, email)
    return row["status"], row["reason"], row["not_before"]


def test_the_more_urgent_goes_and_the_other_waits_for_its_slot(new_world):
    world = new_world(business(DAILY, low=20, high=80, middle=50))
    downloads(world)
    world.run()
    assert world.received("ada") == ["high"]
    assert held(world, "middle") == ("queued", "frequency-cap", START + DAY)
    world.now = START + DAY - timedelta(minutes=1)
    world.run("follow-up")
    assert world.received("ada") == ["high"]
    world.now = START + DAY
    world.run("follow-up")
    assert [row["email"] for row in world.rows("messages", status="accepted")] == ["high", "middle"]
    world.now += DAY
    world.run("follow-up")
    assert sorted(world.received("ada")) == ["high", "low", "middle"]


@pytest.mark.every_database
def test_each_of_several_caps_counts(new_world):
    names = {f"mail-{number}": 50 + number for number in range(5)}
    world = new_world(business({"most": 3, "per": "7 days"}, DAILY, **names))
    downloads(world)
    sent = []
    for _ in range(11):
        world.run()
        sent.append(len(world.received("ada")))
        world.now += DAY
    assert sent == [1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 5]
    assert {row["status"] for row in world.rows("messages")} == {"accepted"}


def test_a_cap_for_a_topic_holds_only_what_is_about_it(new_world):
    documents = business({"most": 1, "per": "7 days", "topics": ["tips"]}, tips=90, more_tips=80, news=10)
    documents["events"]["topics"]["tips"] = {"label": "Tips"}
    for name in ("tips", "more_tips"):
        documents[f"emails/{name}"]["topic"] = "tips"
    world = new_world(documents)
    downloads(world)
    world.store_consent("ada", "tips")
    world.run()
    assert sorted(world.received("ada")) == ["news", "tips"]
    assert held(world, "more_tips")[:2] == ("queued", "frequency-cap")


def test_transactional_mail_is_neither_held_nor_counted(new_world):
    documents = business(DAILY, receipt=90, news=80, receipt_again=70)
    for name in ("receipt", "receipt_again"):
        documents[f"emails/{name}"]["kind"] = "transactional"
    world = new_world(documents)
    downloads(world)
    world.run()
    assert sorted(world.received("ada")) == ["news", "receipt", "receipt_again"]


@pytest.mark.parametrize("verdict", [Verdict.REJECTED, Verdict.RETRY])
def test_what_the_provider_refuses_gives_its_slot_back(new_world, verdict):
    world = new_world(business(DAILY, high=80, low=20))
    world.outbox.misbehave("commit", verdict)
    downloads(world)
    world.run()
    # In the same run.
    assert world.received("ada") == ["low"]


def test_a_lost_reply_takes_a_slot_until_a_person_says_that_it_never_arrived(new_world):
    world = new_world(business(DAILY, high=80, low=20))
    world.outbox.misbehave("commit", Verdict.UNKNOWN)
    downloads(world)
    world.run()
    world.now += timedelta(hours=1)
    assert held(world, "low") == ("queued", "frequency-cap", START + DAY)
    expires_at = message(world, "low")["expires_at"]
    with world.database.write() as connection:
        messages.resolve(connection, message(world, "high")["id"], "rejected", "the provider has none", world.now)
    assert message(world, "low")["expires_at"] == expires_at - timedelta(hours=23)
    world.run("follow-up")
    assert world.received("ada") == ["low"]


def test_a_second_run_at_the_same_instant_changes_nothing(new_world):
    world = new_world(business(DAILY, high=80, middle=50, low=20))
    downloads(world, "ada", "bo")
    for pause in (timedelta(0), timedelta(minutes=10), DAY):
        world.now += pause
        world.run()
        before = world.rows("messages")
        assert world.run().counts.get("messages_capped") is None
        assert world.rows("messages") == before


def test_a_mail_does_not_come_too_late_because_of_a_cap(new_world):
    documents = business({"most": 1, "per": "10 days"}, high=80, low=20)
    documents["sequences/low"]["steps"][0]["max_lateness"] = "2 days"
    world = new_world(documents)
    downloads(world)
    world.run()
    world.days(11)
    assert sorted(world.received("ada")) == ["high", "low"]


def test_however_often_the_more_urgent_goes_first_a_held_mail_does_not_come_too_late(new_world):
    names = {f"mail-{number}": 90 for number in range(6)}
    documents = business({"most": 1, "per": "25 h"}, low=10, **names)
    documents["sequences/low"]["steps"][0]["max_lateness"] = "24 h"
    world = new_world(documents)
    downloads(world)
    # Runs once a day: each time the slot has been free for almost a day.
    world.days(14)
    assert message(world, "low")["status"] == "accepted"
    assert len(world.received("ada")) == 7


def test_a_mail_comes_too_late_when_the_machine_is_off_after_its_hold(new_world):
    documents = business({"most": 1, "per": "10 days"}, high=80, low=20)
    documents["sequences/low"]["steps"][0]["max_lateness"] = "2 days"
    world = new_world(documents)
    downloads(world)
    world.run()
    assert held(world, "low") == ("queued", "frequency-cap", START + 10 * DAY)
    assert message(world, "low")["expires_at"] == START + 12 * DAY
    # The machine is off for more than what is left.
    world.now = START + 12 * DAY + timedelta(minutes=1)
    world.run()
    assert held(world, "low")[:2] == ("skipped", "too-late")


def test_the_next_wait_counts_from_when_a_held_mail_really_went(new_world):
    documents = business(DAILY, high=80, low=20)
    documents["sequences/low"]["steps"] += [{"id": "two", "wait": "2 days"}, {"id": "after", "email": "more"}]
    world = new_world(documents)
    downloads(world)
    world.run()
    world.days(1)
    assert "low" in world.received("ada")
    world.days(1)
    assert "more" not in world.received("ada")
    world.days(1)
    assert "more" in world.received("ada")


def test_who_unsubscribes_while_a_cap_holds_gets_nothing_more(new_world):
    world = new_world(business(DAILY, high=80, low=20))
    downloads(world)
    world.run()
    world.happens("ada", "email.unsubscribed")
    world.days(1)
    assert held(world, "low")[:2] == ("skipped", "suppressed")


def test_the_number_of_statements_does_not_grow_with_the_number_of_leads(new_world):
    counts = []
    for people in (1, 30):
        world = new_world(business(DAILY, {"most": 2, "per": "7 days"}, high=80, middle=50, low=20))
        downloads(world, *(f"lead{number}" for number in range(people)))
        world.run("enroll")
        world.run("rescore")
        world.run("restage")
        world.run("enroll")
        world.run("advance")
        counted: list[str] = []
        with world.database.write() as connection:
            sa.event.listen(connection, "before_cursor_execute", lambda *a, seen=counted: seen.append(a[2]))
            held_now = world.context.compiled().caps.plan(connection, world.now)
        assert held_now == 2 * people
        counts.append(len(counted))
    assert counts[0] == counts[1]


class MeddlingOutbox(MemoryOutbox):
    """Another run comes by while the first has a message in hand, before its last check."""

    def __init__(self):
        super().__init__()
        self.meddle = None

    def meet(self, moment, mail):
        if moment == "stage" and self.meddle is not None:
            meddle, self.meddle = self.meddle, None
            meddle()
        return super().meet(moment, mail)


def test_a_message_in_hand_goes_back_when_another_run_takes_the_slot(new_world):
    outbox = MeddlingOutbox()
    world = new_world(business(DAILY, high=80), email=outbox)
    downloads(world)

    def another_run():
        # A second sequence is published meanwhile, and its mail is quicker.
        world.documents |= business(DAILY, high=80, other=90)
        world.publish(enroll_existing=True)
        run_flow(world.context, "follow-up", world.now)

    outbox.meddle = another_run
    outcome = world.run("follow-up")
    assert world.received("ada") == ["other"]
    assert held(world, "high") == ("queued", "frequency-cap", START + DAY)
    assert outcome.counts["messages_capped"] == 1
    assert message(world, "high")["expires_at"] == START + 8 * DAY
    world.days(1)
    assert sorted(world.received("ada")) == ["high", "other"]


def worker(world):
    """A context of its own on the same database, as another process has it."""
    database = Database(world.context.settings.database_url)
    return Context(settings=world.context.settings, database=database, email=world.outbox)


def side_by_side(*acts):
    """Do them in threads; what one raises is raised here."""
    problems = []

    def guarded(act):
        try:
            act()
        except BaseException as error:
            problems.append(error)

    threads = [Thread(target=guarded, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def test_two_hand_overs_at_once_take_one_slot(new_world):
    world = new_world(business({"most": 2, "per": "1 day"}, one=50, two=50, three=50))
    downloads(world)
    for flow in ("rescore", "restage", "enroll", "advance"):
        world.run(flow)
    compiled = world.context.compiled()
    lease = timedelta(minutes=5)
    others = [worker(world) for _ in range(3)]
    for number, context in enumerate(others):
        with context.database.write() as connection:
            assert hand_over.claim(connection, f"worker-{number}", world.now, 1, lease)
    together = Barrier(len(others))
    answers = []

    def hand(number, context):
        [mine] = world.rows("messages", owner=f"worker-{number}")
        together.wait()
        with context.database.write() as connection:
            given = {"transport": "memory", "subject": "Hello", "locale": "en"}
            given |= {"caps": compiled.caps, "permissions": compiled.permissions}
            answers.append(hand_over.hand_over(connection, mine["id"], mine["owner"], world.now, lease, **given))

    side_by_side(*(lambda n=number, c=context: hand(n, c) for number, context in enumerate(others)))
    for context in others:
        context.database.dispose()
    assert sorted(answers, key=str) == [None, None, "frequency-cap"]


@pytest.mark.every_database
def test_overlapping_runs_never_exceed_a_cap(new_world):
    names = {f"mail-{number}": 50 + number for number in range(4)}
    world = new_world(business({"most": 2, "per": "1 day"}, **names))
    people = [f"lead{number}" for number in range(12)]
    downloads(world, *people)
    for flow in ("rescore", "restage", "enroll", "advance"):
        world.run(flow)
    others = [worker(world) for _ in range(2)]
    together = Barrier(len(others))

    def run(context):
        together.wait()
        deliver(Run(context, world.now))

    side_by_side(*(lambda c=context: run(c) for context in others))
    for context in others:
        context.database.dispose()
    world.run("follow-up")
    assert {len(world.received(name)) for name in people} == {2}
    world.days(1)
    assert {len(world.received(name)) for name in people} == {4}


def test_after_three_days_off_nobody_gets_a_burst(new_world):
    documents = business(DAILY, {"most": 3, "per": "7 days"}, news=40, tips=50, offer=80)
    for name, wait in (("news", "2 days"), ("tips", "1 day"), ("offer", "3 days")):
        documents[f"sequences/{name}"]["window"] = {"days": ["mon", "tue", "wed", "thu", "fri"]}
        documents[f"emails/{name}-again"] = {**documents["emails/thanks"], "name": f"{name}-again"}
        again = [{"id": "wait", "wait": wait}, {"id": "again", "email": f"{name}-again"}]
        documents[f"sequences/{name}"]["steps"] += again
    world = new_world(documents)
    people = ["ada", "bo"]
    downloads(world, *people)
    world.run()
    world.now += 3 * DAY
    for _ in range(30 * 3):
        world.run("follow-up")
        world.now += timedelta(hours=8)
        if not world.rows("messages", status="queued") and not world.rows("enrollments", status="active"):
            break
    for name in people:
        rows = world.rows("messages", lead_id=world.lead_id(name))
        assert {row["status"] for row in rows} == {"accepted"}
        assert len(rows) == 6
        sent = sorted(row["handed_over_at"] for row in rows)
        assert all(later - earlier >= DAY for earlier, later in pairwise(sent))
        assert all(later - earlier >= 7 * DAY for earlier, later in zip(sent, sent[3:], strict=False))
        assert all(at.weekday() < 5 and 7 <= at.hour < 16 for at in sent)
    assert world.run("audit").notes.get("audit") is None


@pytest.mark.every_database
def test_a_cap_that_is_published_anew_counts_for_what_the_old_one_holds_too(new_world):
    weekly = {"most": 1, "per": "7 days"}
    world = new_world(business(weekly, low=20, high=80))
    downloads(world)
    world.run()
    assert held(world, "low") == ("queued", "frequency-cap", START + 7 * DAY)
    expires_at = message(world, "low")["expires_at"]
    world.now += DAY
    world.documents["lifecycle"]["contact"] = {"caps": [{"most": 1, "per": "3 days"}]}
    plan = world.publish()
    assert plan.leads["lifecycle: held by a cap, looked at again"] == 1
    world.run("follow-up")
    assert held(world, "low") == ("queued", "frequency-cap", START + 3 * DAY)
    assert message(world, "low")["expires_at"] == expires_at - 4 * DAY
    world.documents["lifecycle"]["contact"] = {"caps": []}
    world.publish()
    world.run("follow-up")
    assert sorted(world.received("ada")) == ["high", "low"]
