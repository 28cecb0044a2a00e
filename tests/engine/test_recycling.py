"""Sales gives a lead back: backward with a reason, a cool-down, and new evidence before it is an SQL again."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from nurture.keys import event_tiebreak
from tests.world import DOCUMENTS, START

HOUR = timedelta(hours=1)


def rejected(world, name="ada", reason="not-now"):
    """A lead that asked for a demo at the start and was given back an hour later, with ten days of cool-down."""
    world.lead(name)
    world.happens(name, "demo.requested")
    world.run("follow-up")
    world.now += HOUR
    world.happens(name, "sales.rejected", reason=reason)
    world.run("follow-up")
    assert world.stage(name) != "sql"


def sql_again(world, name="ada"):
    moves = world.rows("stage_transitions", lead_id=world.lead_id(name), to_stage="sql")
    return [move["effective_at"] for move in moves[1:]]


@pytest.mark.parametrize("runs_at", [[1, 3, 5, 9, 10, 11], [11], [2, 25]])
def test_what_came_during_the_cool_down_counts_at_its_end_whenever_a_run_looks(world, runs_at):
    rejected(world)
    world.happens("ada", "demo.requested", START + timedelta(days=3))
    for day in runs_at:
        world.now = START + timedelta(days=day, hours=2)
        world.run("follow-up")
    assert sql_again(world) == [START + HOUR + timedelta(days=10)]
    assert [task["status"] for task in world.rows("sales_tasks")] == ["rejected", "open"]


def test_a_second_no_during_the_cool_down_does_not_take_the_next_chance_away(world):
    rejected(world)
    world.happens("ada", "demo.requested", START + timedelta(days=3))
    world.happens("ada", "sales.rejected", START + timedelta(days=4), reason="not-now")
    world.now = START + timedelta(days=11)
    world.run("follow-up")
    assert world.stage("ada") == "sql"


def test_the_stage_falls_only_by_a_rejection_and_what_was_reached_stays_on_record(world):
    rejected(world)
    moves = [(row["from_stage"], row["to_stage"], row["cause"]) for row in world.rows("stage_transitions")]
    assert moves == [("lead", "sql", "event"), ("sql", "mql", "recycle")]
    back = world.rows("stage_transitions")[-1]
    assert (back["reason"], back["cool_until"]) == ("not-now", START + HOUR + timedelta(days=10))
    assert back["event_id"] == world.rows("events", type="sales.rejected")[0]["id"]


def test_of_two_events_at_the_instant_of_the_rejection_only_the_one_placed_after_it_is_new(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["lifecycle"]["recycle"] = {"cool_down": "0 minutes"}
    ids = sorted((f"request-{number}" for number in range(9)), key=lambda each: event_tiebreak("test", each))
    for rejection, later in ((ids[4], ids[8]), (ids[4], ids[0])):
        world = new_world(documents)
        world.lead("ada")
        world.happens("ada", "demo.requested", START - HOUR)
        world.run("follow-up")
        world.happens("ada", "sales.rejected", START, event_id=rejection)
        world.happens("ada", "demo.requested", START, event_id=later)
        world.run("follow-up")
        assert world.stage("ada") == ("sql" if later == ids[8] else "mql")


def test_a_request_from_before_the_rejection_that_comes_late_is_no_new_evidence(world):
    rejected(world)
    world.happens("ada", "demo.requested", START - HOUR)
    world.happens("ada", "demo.requested", START + HOUR / 2)
    world.now += timedelta(days=20)
    world.run("follow-up")
    assert world.stage("ada") == "mql"


def test_a_no_about_somebody_who_is_no_sql_moves_nobody(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded", START - HOUR)
    world.happens("ada", "sales.rejected", reason="not-now")
    world.run("follow-up")
    assert [row["to_stage"] for row in world.rows("stage_transitions")] == ["mql"]
    world.now += HOUR
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    assert world.stage("ada") == "sql"


def test_whom_a_rejection_made_a_lead_is_an_mql_by_points_only_after_something_new(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["lifecycle"]["recycle"] = {"to": "lead", "cool_down": "10 days"}
    world = new_world(documents)
    rejected(world)
    assert world.score("ada")["total"] == 50
    world.days(15)
    assert world.stage("ada") == "lead"
    world.happens("ada", "page.viewed")
    world.run("follow-up")
    assert world.stage("ada") == "mql"


@pytest.mark.every_database
def test_only_what_is_worth_points_is_new_evidence(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["scoring"]["rules"] = [
        {"event": "demo.requested", "points": 150},
        {"event": "video.watched", "points": 5, "where": {"percent": {"at_least": 50}}},
    ]
    world = new_world(documents)
    rejected(world)
    world.happens("ada", "video.watched", percent=10)
    world.days(12)
    assert world.stage("ada") == "mql"
    world.happens("ada", "video.watched", percent=60)
    world.run("follow-up")
    assert world.stage("ada") == "sql"


def test_whom_only_imported_history_brings_back_is_given_to_nobody(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["scoring"]["rules"] = [{"event": "demo.requested", "points": 150}, {"event": "page.viewed", "points": 1}]
    world = new_world(documents)
    rejected(world)
    world.happens("ada", "page.viewed", START + timedelta(hours=2), silent=True)
    world.days(12)
    assert world.stage("ada") == "sql"
    assert [task["status"] for task in world.rows("sales_tasks")] == ["rejected"]
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    assert [task["status"] for task in world.rows("sales_tasks")] == ["rejected", "open"]


def test_of_two_conversions_for_one_event_the_earlier_in_the_file_is_the_cause(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["lifecycle"]["conversions"] = [
        {"id": "zeta", "to": "sql", "from": ["lead"], "on": ["demo.requested"]},
        {"id": "alpha", "to": "sql", "on": ["demo.requested"]},
    ]
    world = new_world(documents)
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    assert world.rows("stage_transitions")[0]["rule"] == "zeta"


def test_an_edit_of_the_lifecycle_looks_at_everybody_again_and_moves_them_only_forward(world):
    world.lead("ada")
    world.lead("bo")
    world.happens("ada", "content.white_paper_downloaded", START - HOUR)
    world.happens("bo", "page.viewed", START - HOUR)
    world.run("follow-up")
    assert (world.stage("ada"), world.stage("bo")) == ("mql", "lead")
    world.documents["lifecycle"]["conversions"][0]["on"] = ["page.viewed"]
    world.now += HOUR
    world.publish()
    world.run("follow-up")
    assert (world.stage("ada"), world.stage("bo")) == ("mql", "mql")


@pytest.mark.every_database
def test_thresholds_are_those_of_the_profile_and_hold_only_with_their_condition(new_world):
    documents = deepcopy(DOCUMENTS)
    profiles = documents["lifecycle"]["profiles"]
    profiles["b2b"]["thresholds"] = {"mql": 5, "only_if": {"field": "industry", "is": "steel"}}
    profiles["b2c"]["thresholds"] = {"mql": 6}
    for profile, expected in (("b2b", ["mql", "lead"]), ("b2c", ["lead", "lead"])):
        world = new_world(documents, profile=profile)
        world.lead("ada", industry="steel")
        world.lead("bo", industry="paper")
        for name in ("ada", "bo"):
            world.happens(name, "email.clicked")
        world.run("follow-up")
        assert [world.stage("ada"), world.stage("bo")] == expected
