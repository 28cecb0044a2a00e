"""Entry is on the edge whatever stands in its way, and goals are looked at before every single step."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from db import sequences
from tests.world import DOCUMENTS

THANKS = {"id": "thanks", "email": "thanks"}
PAPER = {"id": "paper", "update": {"field": "industry", "to": "paper"}}


def with_sequence(**changes):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"] |= changes
    return documents


def downloads(world, name="ada", *, silent=False):
    world.lead(name)
    world.run("follow-up")
    world.now += timedelta(minutes=1)
    world.happens(name, "content.white_paper_downloaded", silent=silent)
    world.run("follow-up")


def set_state(world, state):
    with world.database.write() as connection:
        sequences.set_state(connection, "papers", state, None, world.now)


def test_a_goal_that_a_step_has_just_fulfilled_comes_before_the_next_step(new_world):
    world = new_world(with_sequence(goal={"field": "industry", "is": "paper"}, steps=[PAPER, THANKS]))
    downloads(world)
    assert world.received("ada") == []
    assert world.rows("enrollments")[0]["reason"] == "goal"
    assert [row["step_id"] for row in world.rows("executed_steps")] == ["paper"]


@pytest.mark.every_database
def test_what_a_step_changed_is_looked_at_in_the_same_run_also_when_no_mail_follows(new_world):
    documents = with_sequence(steps=[PAPER, {"id": "pause", "wait": "3 days"}])
    documents["sequences/printers"] = {
        **documents["sequences/papers"],
        "sequence": "printers",
        "entry": {"when": {"field": "industry", "is": "paper"}},
        "steps": [THANKS],
    }
    world = new_world(documents)
    downloads(world)
    assert world.received("ada") == ["thanks"]
    before = {name: world.rows(name) for name in ("enrollments", "messages", "work_queue")}
    world.run("follow-up")
    assert {name: world.rows(name) for name in before} == before


def test_a_condition_that_ended_by_time_and_is_true_again_is_an_edge_also_for_who_was_passed_by_before(new_world):
    world = new_world(with_sequence(entry={"when": {"did": {"event": "page.viewed", "within": "3 days"}}}))
    world.lead("ada")
    world.days(1, "daily-sync")
    world.happens("ada", "page.viewed", silent=True)
    world.days(1, "daily-sync")
    assert world.rows("enrollments") == []
    world.days(5, "daily-sync")
    world.happens("ada", "page.viewed")
    world.run("follow-up")
    assert len(world.rows("enrollments")) == 1


@pytest.mark.parametrize("state", ["drain", "stop"])
def test_an_edge_while_nobody_may_enter_has_passed_and_nothing_else_brings_it_back(world, state):
    set_state(world, state)
    downloads(world)
    world.days(2)
    set_state(world, "on")
    world.happens("ada", "page.viewed")
    world.days(2)
    assert world.rows("enrollments") == []


def test_who_qualifies_during_a_hold_enters_in_the_first_run_after_it_and_imported_history_does_not(world):
    set_state(world, "hold")
    world.now += timedelta(hours=1)
    downloads(world, "ada")
    downloads(world, "bo", silent=True)
    world.days(2)
    assert world.rows("enrollments") == []
    set_state(world, "on")
    world.now += timedelta(minutes=10)
    world.run("follow-up")
    assert [row["lead_id"] for row in world.rows("enrollments")] == [world.lead_id("ada")]
    assert world.rows("enrollments")[0]["entered_at"] == world.now


def test_who_ceases_to_qualify_during_a_hold_does_not_enter_after_it(new_world):
    world = new_world(with_sequence(entry={"when": {"did": {"event": "page.viewed", "within": "3 days"}}}))
    set_state(world, "hold")
    world.lead("ada")
    world.happens("ada", "page.viewed")
    world.days(5)
    set_state(world, "on")
    world.days(1)
    assert world.rows("enrollments") == []
