"""Goal and exits: the standard ones need not be written, and all are looked at before every step."""

from __future__ import annotations

from copy import deepcopy

import pytest

from tests.world import DOCUMENTS


def world_of(new_world, **changes):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"] |= {"exits": [], **changes}
    for name in ("meeting.booked", "demo.booked"):
        documents["events"]["events"][name] = {"label": name, "channel": "website", "direction": "inbound"}
    world = new_world(documents)
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.run("follow-up")
    return world


def enrollment(world):
    return world.rows("enrollments")[-1]


ENDS = [
    ("email.replied", {}, "replied"),
    ("meeting.booked", {}, "meeting-booked"),
    ("demo.booked", {}, "meeting-booked"),
    ("email.bounced", {"kind": "hard"}, "hard-bounce"),
    ("email.complained", {}, "complained"),
    ("deal.won", {}, "became-customer"),
]


@pytest.mark.parametrize(("event", "properties", "reason"), ENDS)
def test_what_makes_going_on_rude_or_harmful_ends_every_sequence(new_world, event, properties, reason):
    world = world_of(new_world, goal=None)
    world.days(1)
    world.happens("ada", event, **properties)
    world.run("follow-up")
    assert (enrollment(world)["status"], enrollment(world)["reason"]) == ("exited", reason)
    world.days(9)
    assert world.received("ada") == ["thanks"]


@pytest.mark.parametrize(
    ("event", "properties"), [("email.bounced", {"kind": "soft"}), ("page.viewed", {}), ("email.replied", {})]
)
def test_a_soft_bounce_a_visit_and_a_reply_that_the_author_stays_after_end_nothing(new_world, event, properties):
    world = world_of(new_world, stay_after=["replied"])
    world.days(1)
    world.happens("ada", event, **properties)
    world.days(2)
    assert world.received("ada") == ["thanks", "more"]


def test_an_exit_of_the_author_takes_the_place_of_the_standard_one_of_its_name(new_world):
    exits = [{"reason": "replied", "when": {"did": {"event": "email.replied", "at_least": 2}}}]
    world = world_of(new_world, exits=exits)
    world.happens("ada", "email.replied")
    world.run("follow-up")
    assert enrollment(world)["status"] == "active"
    world.happens("ada", "email.replied")
    world.run("follow-up")
    assert enrollment(world)["reason"] == "replied"


@pytest.mark.every_database
def test_a_customer_who_enters_a_sequence_for_customers_stays_in_it(new_world):
    world = world_of(new_world, goal=None, entry={"when": {"stage": "customer"}})
    world.happens("ada", "deal.won")
    world.days(2)
    assert (enrollment(world)["status"], enrollment(world)["sequence"]) == ("active", "papers")


def test_the_goal_comes_before_the_exits_and_both_before_the_step_that_is_due(new_world):
    world = world_of(new_world, goal={"did": "video.watched"})
    world.days(2)
    world.happens("ada", "email.replied")
    world.happens("ada", "video.watched")
    world.days(1)
    assert (enrollment(world)["status"], world.received("ada")) == ("goal", ["thanks"])
