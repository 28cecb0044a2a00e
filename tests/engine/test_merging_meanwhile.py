"""Two leads are one person, while a mail of theirs is in hand, a run writes, or the merge itself is killed."""

from __future__ import annotations

import threading

import pytest

from db import tables
from nurture import failpoints
from tests.engine.whole import clean, two

PAPER = "content.white_paper_downloaded"


def ledger(world, **equal):
    return [(row["email"], row["status"], row["reason"]) for row in world.rows("messages", **equal)]


class Died(BaseException):
    """The process ends here."""


def at_point(point, act):
    """Do something once, when the run passes a point."""
    done = []

    def listener(name):
        if name == point and not done:
            done.append(name)
            act()

    failpoints.listen(listener)


@pytest.fixture(autouse=True)
def nobody_listens():
    yield
    failpoints.listen(None)


@pytest.mark.parametrize("point", ["deliver.claimed", "deliver.rendered", "deliver.staged"])
def test_a_mail_in_preparation_is_prepared_anew_for_the_one_who_stays(world, point):
    two(world)
    world.happens("bo", PAPER)
    at_point(point, lambda: world.merge("ada", "bo"))
    world.run("follow-up")
    world.run("follow-up")
    assert [mail.recipient for mail in world.outbox.messages] == ["ada@example.com"]
    assert ledger(world) == [("thanks", "accepted", None)]
    clean(world)


def test_a_mail_whose_dot_is_being_sent_is_left_to_finish(world):
    two(world)
    world.happens("bo", PAPER)
    at_point("deliver.handing_over", lambda: world.merge("ada", "bo"))
    world.run("follow-up")
    assert [mail.recipient for mail in world.outbox.messages] == ["bo@example.com"]
    assert ledger(world, lead_id=world.lead_id("ada")) == [("thanks", "accepted", None)]
    world.days(5, "follow-up")
    assert world.received("ada") == ["thanks", "more"]
    clean(world)


def test_a_refusal_of_the_other_lead_stops_a_mail_that_is_staged(world):
    two(world)
    world.happens("ada", PAPER)
    world.happens("bo", "email.unsubscribed")
    at_point("deliver.staged", lambda: world.merge("ada", "bo"))
    world.run("follow-up")
    assert world.outbox.messages == []
    assert world.reasons("ada") == ["suppressed"]


@pytest.mark.parametrize("point", ["rescore.committed", "restage.committed", "enroll.committed", "advance.committed"])
def test_a_merge_between_two_steps_of_a_run_leaves_nothing_behind(world, point):
    two(world)
    world.happens("bo", PAPER)
    world.happens("ada", "demo.requested")
    at_point(point, lambda: world.merge("ada", "bo"))
    world.run("follow-up")
    world.run("follow-up")
    bo = world.rows("leads")[1]["id"]
    for table in ("enrollments", "messages", "scores", "work_queue", "entry_marks", "sales_task_leads", "events"):
        assert world.rows(table, lead_id=bo) == [], table
    assert world.stage("ada") == "sql"
    clean(world)


def test_a_crash_of_a_merge_leaves_all_or_nothing(world):
    two(world)
    for name in ("ada", "bo"):
        world.happens(name, PAPER)
    world.run("follow-up")

    def everything():
        return {name: world.rows(name) for name in tables.metadata.tables}

    def die():
        raise Died

    before = everything()
    at_point("merge.before_commit", die)
    with pytest.raises(Died):
        world.merge("ada", "bo")
    assert everything() == before
    at_point("merge.committed", die)
    with pytest.raises(Died):
        world.merge("ada", "bo")
    assert [row["merged_into_id"] for row in world.rows("leads")] == [None, world.lead_id("ada")]
    clean(world)


def test_a_run_that_writes_meanwhile_waits_for_the_merge(world):
    """One that has read before and writes after would leave rows of a lead that is no more."""
    two(world)
    world.happens("bo", PAPER)
    merging, ran = threading.Event(), []

    def run():
        merging.wait()
        ran.append(world.run("follow-up"))

    other = threading.Thread(target=run)
    at_point("merge.before_commit", merging.set)
    other.start()
    world.merge("ada", "bo")
    other.join()
    assert len(ran) == 1
    bo = world.rows("leads")[1]["id"]
    for table in ("enrollments", "messages", "scores", "work_queue", "entry_marks"):
        assert world.rows(table, lead_id=bo) == [], table
    clean(world)
