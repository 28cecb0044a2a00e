"""Publishing while people are in the sequences: nobody is stranded, and no edit stops a run."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from tests.world import DOCUMENTS

BUSINESS_HOURS = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "14:00", "to": "17:00"}


def downloads(world, name="ada"):
    world.lead(name)
    world.happens(name, "content.white_paper_downloaded")


def enrollment(world, name="ada"):
    return world.rows("enrollments", lead_id=world.lead_id(name))[-1]


def test_a_step_may_go_while_its_mail_waits_for_its_turn(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["window"] = BUSINESS_HOURS
    world = new_world(documents)
    downloads(world)
    world.run()
    assert enrollment(world)["waiting_for"] == "message"
    world.documents["sequences/papers"]["steps"] = [
        {"id": "one-day", "wait": "1 day"},
        {"id": "more", "email": "more"},
    ]
    world.publish()
    world.now += timedelta(hours=5)
    world.run("follow-up")
    world.days(4)
    assert enrollment(world)["status"] == "completed"


def test_a_step_may_go_and_those_behind_it_wait_for_the_mail_that_is_under_way(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["window"] = BUSINESS_HOURS
    world = new_world(documents)
    downloads(world)
    world.run()
    world.documents["sequences/papers"]["steps"] = documents["sequences/papers"]["steps"][1:]
    world.publish()
    assert (enrollment(world)["step_id"], enrollment(world)["waiting_for"]) == ("three-days", "message")
    world.now += timedelta(hours=5)
    world.run("follow-up")
    assert world.received("ada") == ["thanks"]
    assert enrollment(world)["wake_at"] == world.now + timedelta(days=3)


@pytest.mark.every_database
@pytest.mark.parametrize("pinned", [False, True])
def test_a_sequence_and_its_mails_may_be_deleted_while_somebody_is_in_it(world, pinned):
    downloads(world)
    downloads(world, "bo")
    world.run()
    for key in ("sequences/papers", "emails/more"):
        del world.documents[key]
    world.publish(pinned=pinned)
    world.days(4)
    assert world.received("ada") == ["thanks"]
    expected = ("completed", "completed") if pinned else ("exited", "sequence-removed")
    assert (enrollment(world)["status"], enrollment(world)["reason"]) == expected


@pytest.mark.every_database
def test_a_mail_may_be_deleted_while_it_waits_for_its_turn(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["window"] = BUSINESS_HOURS
    world = new_world(documents)
    downloads(world)
    world.run()
    world.documents["sequences/papers"]["steps"][0]["email"] = "more"
    del world.documents["emails/thanks"]
    world.publish()
    world.now += timedelta(hours=5)
    # A week of lateness, and the nights and the weekend on top.
    world.days(14)
    assert world.reasons("ada") == ["too-late"]
    assert world.received("ada") == ["more"]


def test_another_profile_looks_at_everybody_anew_and_enrolls_nobody_by_itself(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["lifecycle"]["profiles"]["b2c"]["thresholds"] = {"mql": 10}
    documents["sequences/papers"]["profiles"] = ["b2b"]
    documents["sequences/private"] = {
        **deepcopy(DOCUMENTS["sequences/papers"]),
        "sequence": "private",
        "profiles": ["b2c"],
    }
    world = new_world(documents)
    downloads(world)
    world.lead("bo")
    for _ in range(12):
        world.happens("bo", "page.viewed")
    world.run()
    assert world.stage("bo") == "lead"
    world.context.settings.profile = "b2c"
    world.publish()
    world.now += timedelta(minutes=10)
    world.run("follow-up")
    assert world.stage("bo") == "mql"
    world.happens("ada", "page.viewed")
    world.days(4)
    assert world.rows("enrollments", sequence="private") == []
    assert enrollment(world)["reason"] == "sequence-removed"


def test_whoever_is_eligible_already_enters_when_the_author_asks_for_it(world):
    downloads(world)
    world.run()
    world.documents["sequences/second"] = {**deepcopy(DOCUMENTS["sequences/papers"]), "sequence": "second"}
    world.publish(enroll_existing=True)
    world.now += timedelta(minutes=10)
    world.run("follow-up")
    assert [row["lead_id"] for row in world.rows("enrollments", sequence="second")] == [world.lead_id("ada")]


def test_those_who_are_pinned_keep_the_goal_and_the_patterns_of_their_version(new_world):
    documents = deepcopy(DOCUMENTS)
    del documents["sequences/papers"]["goal"]
    documents["sequences/papers"]["exits"] = [{"reason": "on-the-site", "when": {"did": "page.*"}}]
    world = new_world(documents)
    for name in ("ada", "bo"):
        downloads(world, name)
    world.run()
    world.documents["sequences/papers"]["exits"] = [{"reason": "watched", "when": {"did": "video.watched"}}]
    world.publish(pinned=True)
    world.now += timedelta(hours=1)
    world.happens("ada", "page.viewed")
    world.happens("bo", "video.watched")
    world.run("follow-up")
    assert (enrollment(world)["reason"], enrollment(world, "bo")["status"]) == ("on-the-site", "active")
