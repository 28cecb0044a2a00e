"""Holds that follow each other, overlap or meet an edit: a clock stands still for just as long as anything held it."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from db import holds, sequences
from tests.world import DOCUMENTS, START

THANKS = {"id": "thanks", "email": "thanks"}
MORE = {"id": "more", "email": "more"}
CLICK = {"id": "click", "wait": {"until": "email.clicked", "timeout": "10 days"}}


def with_steps(*steps, **changes):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"] |= {"steps": list(steps), **changes}
    return documents


def wait(length):
    return {"id": "pause", "wait": length}


def downloads(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.run("follow-up")


def enrollment(world):
    return world.rows("enrollments")[-1]


def edit(world, *steps, **changes):
    world.documents["sequences/papers"] |= {"steps": list(steps), **changes}
    world.publish()


def set_state(world, state):
    with world.database.write() as connection:
        sequences.set_state(connection, "papers", state, None, world.now)


def hold(world, until=None):
    with world.database.write() as connection:
        assert holds.hold_lead(connection, "papers", world.lead_id("ada"), until, world.now)


def resume(world):
    with world.database.write() as connection:
        assert holds.resume_lead(connection, "papers", world.lead_id("ada"), world.now)


def passes(world, **time):
    world.now += timedelta(**time)


def test_a_wait_made_shorter_during_a_hold_ends_with_the_hold_and_not_later(new_world):
    world = new_world(with_steps(THANKS, wait("10 days"), MORE))
    downloads(world)
    world.days(3)
    set_state(world, "hold")
    world.days(5)
    edit(world, THANKS, wait("2 days"), MORE)
    world.days(4)
    set_state(world, "on")
    passes(world, minutes=10)
    world.run("follow-up")
    assert world.received("ada") == ["thanks", "more"]


@pytest.mark.every_database
def test_a_step_removed_during_a_hold_lets_its_people_go_on_with_the_end_of_the_hold(new_world):
    world = new_world(with_steps(THANKS, wait("10 days"), MORE))
    downloads(world)
    set_state(world, "hold")
    world.days(5)
    edit(world, THANKS, MORE)
    world.days(5)
    set_state(world, "on")
    passes(world, minutes=10)
    world.run("follow-up")
    assert world.received("ada") == ["thanks", "more"]


def test_a_wait_of_a_held_lead_that_an_edit_ends_counts_from_when_its_clock_stopped(new_world):
    world = new_world(with_steps(THANKS, wait("10 days"), {"id": "second", "wait": "2 days"}, MORE))
    downloads(world)
    world.days(3)
    hold(world)
    edit(world, THANKS, wait("1 day"), {"id": "second", "wait": "2 days"}, MORE)
    world.days(4)
    resume(world)
    resumed_at = world.now
    passes(world, minutes=10)
    world.run("follow-up")
    assert (enrollment(world)["step_id"], enrollment(world)["wake_at"]) == ("second", resumed_at + timedelta(days=2))


def test_two_holds_without_a_run_between_them_leave_the_timeout_as_it_was(new_world):
    for again in ("sequence", "lead"):
        world = new_world(with_steps(THANKS, CLICK, MORE))
        downloads(world)
        set_state(world, "hold")
        passes(world, days=1)
        set_state(world, "on")
        passes(world, minutes=1)
        set_state(world, "hold") if again == "sequence" else hold(world)
        passes(world, days=1)
        set_state(world, "on") if again == "sequence" else resume(world)
        world.run("follow-up")
        assert (enrollment(world)["waiting_for"], enrollment(world)["wake_at"]) == (
            "event",
            START + timedelta(days=12),
        )


def test_a_hold_that_was_over_before_the_whole_sequence_was_held_ended_at_its_stated_time(new_world):
    world = new_world(with_steps(THANKS, wait("10 days"), MORE))
    downloads(world)
    hold(world, until=world.now + timedelta(days=1))
    passes(world, days=2)
    set_state(world, "hold")
    passes(world, days=3)
    set_state(world, "on")
    world.run("follow-up")
    # One day of its own, three of the sequence's.
    assert enrollment(world)["wake_at"] == START + timedelta(days=14)


def test_a_mail_does_not_gain_time_twice_when_two_holds_overlap(new_world):
    closed = {"days": ["sat"], "from": "08:00", "to": "17:00"}
    world = new_world(with_steps({**THANKS, "max_lateness": "6 days"}, window=closed))
    downloads(world)
    expires_at = world.rows("messages")[0]["expires_at"]
    hold(world)
    passes(world, days=1)
    set_state(world, "hold")
    passes(world, days=2)
    set_state(world, "on")
    passes(world, days=1)
    resume(world)
    assert world.rows("messages")[0]["expires_at"] == expires_at + timedelta(days=4)


def test_a_mail_on_its_way_keeps_the_window_of_its_version_also_when_everybody_has_followed_to_another(new_world):
    mornings = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "09:00"}
    world = new_world(with_steps(THANKS, wait("3 days"), MORE, window=mornings))
    downloads(world)
    assert world.rows("messages")[0]["reason"] == "quiet-hours"
    edit(world, THANKS, wait("4 days"), MORE)
    # The whole morning went by without a run.
    passes(world, days=1, hours=5)
    world.run("follow-up")
    assert world.received("ada") == []
    passes(world, hours=17, minutes=30)
    world.run("follow-up")
    assert world.received("ada") == ["thanks"]


def test_a_reply_that_no_run_has_looked_at_pauses_the_colleagues_also_after_a_hold_of_the_sequence(new_world):
    world = new_world(with_steps(THANKS, wait("3 days"), MORE))
    for name in ("ada", "bo"):
        world.lead(name, company="Acme")
        world.happens(name, "content.white_paper_downloaded")
    world.run("follow-up")
    set_state(world, "hold")
    passes(world, hours=1)
    world.happens("bo", "email.replied")
    passes(world, minutes=1)
    set_state(world, "on")
    passes(world, minutes=10)
    world.run("follow-up")
    ada = world.rows("enrollments", lead_id=world.lead_id("ada"))[0]
    assert (ada["waiting_for"], ada["reason"]) == ("hold", "colleague-replied")


def test_a_timeout_that_ends_between_a_hold_and_the_next_run_ends_at_its_time_and_not_with_the_hold(new_world):
    world = new_world(with_steps(THANKS, CLICK, wait("2 days"), MORE))
    downloads(world)
    hold(world)
    passes(world, days=1)
    resume(world)
    passes(world, days=10, hours=1)
    world.run("follow-up")
    assert enrollment(world)["step_id"] == "pause"
    assert enrollment(world)["waiting_since"] == START + timedelta(days=11)


def test_what_follows_an_event_of_a_hold_counts_from_the_run_that_reacts(new_world):
    world = new_world(with_steps(THANKS, CLICK, wait("2 days"), MORE))
    downloads(world)
    hold(world)
    passes(world, days=1)
    world.happens("ada", "email.clicked")
    resume(world)
    passes(world, minutes=10)
    world.run("follow-up")
    assert enrollment(world)["waiting_since"] == world.now


def test_an_event_of_an_earlier_hold_that_is_told_late_counts_after_any_number_of_holds(new_world):
    world = new_world(with_steps(THANKS, CLICK, MORE))
    downloads(world)
    hold(world)
    passes(world, days=1)
    clicked_at = world.now
    passes(world, days=1)
    resume(world)
    passes(world, hours=1)
    hold(world)
    passes(world, hours=1)
    resume(world)
    world.happens("ada", "email.clicked", clicked_at)
    world.run("follow-up")
    assert world.received("ada") == ["thanks", "more"]


@pytest.mark.parametrize("on_hold", [False, True])
def test_what_follows_an_event_that_only_an_edit_asks_for_counts_from_the_run_that_reacts(new_world, on_hold):
    viewed = {"id": "click", "wait": {"until": "page.viewed", "timeout": "10 days"}}
    world = new_world(with_steps(THANKS, CLICK, wait("2 days"), MORE))
    downloads(world)
    if on_hold:
        set_state(world, "hold")
    passes(world, hours=1)
    world.happens("ada", "page.viewed")
    world.run("follow-up")
    edit(world, THANKS, viewed, wait("2 days"), MORE)
    passes(world, hours=1)
    if on_hold:
        set_state(world, "on")
        passes(world, minutes=10)
    world.run("follow-up")
    assert (enrollment(world)["step_id"], enrollment(world)["waiting_since"]) == ("pause", world.now)
