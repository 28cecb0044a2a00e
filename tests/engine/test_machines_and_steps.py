"""Waits, branches, entries and audiences ask only for what people did."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.answers import clicks, documents, follow_up, judge, send


def steps(*after):
    return [{"id": "thanks", "email": "thanks"}, *after]


def in_papers(**changes):
    made = documents()
    made["sequences/papers"] |= changes
    return made


def test_a_fast_click_wakes_no_wait_and_a_persons_does(new_world):
    wait = {"id": "click", "wait": {"until": "email.clicked", "timeout": "10 days"}}
    world = new_world(in_papers(steps=steps(wait, {"id": "more", "email": "more"})))
    send(world)
    clicks(world, after=timedelta(seconds=1))
    follow_up(world)
    assert world.received("ada") == ["thanks"]
    clicks(world, after=timedelta(hours=1))
    follow_up(world)
    assert world.received("ada") == ["thanks", "more"]
    assert [row["outcome"] for row in world.rows("executed_steps", step_id="click")] == ["event"]


def test_a_verdict_of_human_wakes_a_wait_and_one_of_machine_undoes_no_step(new_world):
    wait = {"id": "click", "wait": {"until": "email.clicked", "timeout": "10 days"}}
    world = new_world(in_papers(steps=steps(wait, {"id": "more", "email": "more"}, {"id": "later", "wait": "9 days"})))
    send(world)
    event_id = clicks(world, after=timedelta(seconds=1))
    follow_up(world)
    judge(world, event_id, "human")
    follow_up(world)
    assert world.received("ada") == ["thanks", "more"]
    judge(world, event_id, "machine")
    follow_up(world)
    assert [row["outcome"] for row in world.rows("executed_steps", step_id="click")] == ["event"]
    assert world.rows("enrollments")[0]["step_id"] == "later"


@pytest.mark.every_database
def test_a_branch_goal_and_exit_ask_only_for_what_people_did(new_world):
    branch = {
        "id": "asks",
        "branch": [{"if": {"did": "email.clicked"}, "steps": [{"id": "yes", "update": {"field": "city", "to": "x"}}]}],
    }
    made = in_papers(
        steps=steps({"id": "day", "wait": "1 day"}, branch, {"id": "week", "wait": "7 days"}),
        goal={"did": "email.opened"},
        exits=[{"reason": "clicked", "when": {"did": "email.clicked"}}],
    )
    world = new_world(made)
    send(world)
    clicks(world, after=timedelta(seconds=1))
    clicks(world, kind="email.opened", after=timedelta(seconds=1))
    world.days(2)
    (enrollment,) = world.rows("enrollments")
    assert (enrollment["status"], enrollment["step_id"]) == ("active", "week")
    assert [row["detail"] for row in world.rows("executed_steps", step_id="asks")] != ["yes"]
    assert world.rows("leads")[0]["city"] is None


def test_entry_reentry_and_audiences_ask_only_for_what_people_did(new_world):
    made = documents()
    made["sequences/clickers"] = {
        **made["sequences/papers"],
        "sequence": "clickers",
        "entry": {"when": {"did": {"event": "email.clicked", "within": "1 day"}}, "reentry": {"after": "2 days"}},
        "steps": [{"id": "nothing", "wait": "1 hour"}],
    }
    made["audiences"]["audiences"]["readers"]["when"] = {"did": "email.clicked"}
    world = new_world(made)
    world.lead("ada", ads=True)
    world.happens("ada", "content.white_paper_downloaded")
    world.run()
    clicks(world, after=timedelta(seconds=1))
    world.days(1, "daily-sync")
    assert world.rows("enrollments", sequence="clickers") == []
    assert world.rows("audience_members") == []
    clicks(world, after=timedelta(hours=1))
    world.days(1, "daily-sync")
    assert len(world.rows("enrollments", sequence="clickers")) == 1
    assert len(world.rows("audience_members")) == 1
    world.days(4, "daily-sync")
    # The third mail would let her in once more if a machine's click counted.
    world.happens("ada", "email.clicked", user_agent="Barracuda Sentinel")
    world.days(1, "daily-sync")
    assert len(world.rows("enrollments", sequence="clickers")) == 1
