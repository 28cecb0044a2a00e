"""Publishing while people wait: elapsed waiting counts, nobody goes back, and what an edit wakes is spread."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from nurture.errors import BadInput
from tasks import publish as publishing
from tests.world import DOCUMENTS, START

THANKS = {"id": "thanks", "email": "thanks"}
MORE = {"id": "more", "email": "more"}


def with_steps(*steps):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["steps"] = list(steps)
    return documents


def downloads(world, name="ada", **lead):
    world.lead(name, **lead)
    world.happens(name, "content.white_paper_downloaded")
    world.run("follow-up")


def enrollment(world, name="ada"):
    return world.rows("enrollments", lead_id=world.lead_id(name))[-1]


def edit(world, *steps, **options):
    world.documents["sequences/papers"]["steps"] = list(steps)
    world.publish(**options)


def wait(length, step="pause"):
    return {"id": step, "wait": length}


def test_a_wait_that_becomes_shorter_counts_what_has_passed(new_world):
    world = new_world(with_steps(THANKS, wait("10 days"), MORE))
    downloads(world)
    world.days(3)
    edit(world, THANKS, wait("5 days"), MORE)
    world.days(1)
    assert world.received("ada") == ["thanks"]
    world.days(1)
    assert world.received("ada") == ["thanks", "more"]


def test_a_wait_that_becomes_longer_counts_what_has_passed(new_world):
    world = new_world(with_steps(THANKS, wait("4 days"), MORE))
    downloads(world)
    world.days(3)
    edit(world, THANKS, wait("6 days"), MORE)
    world.days(2)
    assert world.received("ada") == ["thanks"]
    world.days(1)
    assert world.received("ada") == ["thanks", "more"]


def test_a_wait_that_is_over_by_the_edit_ends_now_and_the_next_wait_counts_from_now(new_world):
    world = new_world(with_steps(THANKS, wait("10 days"), wait("2 days", "second"), MORE))
    downloads(world)
    world.run()
    world.days(5)
    edit(world, THANKS, wait("1 day"), wait("2 days", "second"), MORE)
    world.now += timedelta(minutes=10)
    world.run("follow-up")
    assert enrollment(world)["step_id"] == "second"
    assert enrollment(world)["wake_at"] == world.now - timedelta(minutes=10) + timedelta(days=2)


def test_an_edit_that_changes_no_wait_leaves_the_clock_alone(new_world):
    world = new_world(with_steps(THANKS, wait("10 days"), MORE))
    downloads(world)
    world.days(2)
    before = enrollment(world)["wake_at"]
    edit(world, THANKS, wait("10 days"), MORE, {"id": "last", "email": "thanks"})
    assert (enrollment(world)["wake_at"], enrollment(world)["step_id"]) == (before, "pause")


def test_a_wait_for_an_event_that_becomes_a_plain_wait_and_the_reverse(new_world):
    until = {"id": "pause", "wait": {"until": "email.clicked", "timeout": "10 days"}}
    world = new_world(with_steps(THANKS, until, MORE))
    downloads(world)
    world.days(2)
    edit(world, THANKS, wait("4 days"), MORE)
    assert (enrollment(world)["waiting_for"], enrollment(world)["wake_at"]) == ("wake", START + timedelta(days=4))
    world.happens("ada", "email.clicked")
    world.run("follow-up")
    assert world.received("ada") == ["thanks"]
    # The click came while a plain wait was in force; awaited now, it counts at once.
    edit(world, THANKS, until, MORE)
    world.run("follow-up")
    assert world.received("ada") == ["thanks", "more"]


def test_a_step_that_is_moved_before_those_in_flight_never_runs_twice_and_one_that_has_not_run_yet_does(new_world):
    world = new_world(
        with_steps(THANKS, wait("2 days"), MORE, wait("5 days", "long"), {"id": "end", "email": "thanks"})
    )
    downloads(world)
    world.days(3)
    assert (world.received("ada"), enrollment(world)["step_id"]) == (["thanks", "more"], "long")
    # `more` and `pause` have run; they now stand behind the place where ada waits.
    edit(world, THANKS, wait("5 days", "long"), MORE, wait("2 days"), {"id": "end", "email": "thanks"})
    world.days(10)
    assert world.received("ada") == ["thanks", "more", "thanks"]
    assert enrollment(world)["reason"] == "completed"


def test_a_step_added_before_the_place_where_somebody_stands_does_not_run_for_them(new_world):
    world = new_world(with_steps(THANKS, wait("5 days"), MORE))
    downloads(world)
    world.days(1)
    edit(world, THANKS, {"id": "new", "email": "more"}, wait("5 days"), MORE)
    downloads(world, "bo")
    world.days(6)
    assert (world.received("ada"), world.received("bo")) == (["thanks", "more"], ["thanks", "more", "more"])


def test_a_branch_that_somebody_has_taken_is_not_taken_again_when_it_is_moved(new_world):
    way = {"id": "way", "branch": [{"if": {"stage": "mql"}, "steps": [{"id": "inside", "email": "more"}]}]}
    world = new_world(with_steps(THANKS, way, wait("5 days")))
    downloads(world)
    world.days(1)
    edit(world, THANKS, wait("5 days"), way)
    world.days(8)
    assert world.received("ada") == ["thanks", "more"]
    assert enrollment(world)["status"] == "completed"


def test_whoever_is_pinned_stays_on_their_version_also_when_later_ones_are_followed(new_world):
    world = new_world(with_steps(THANKS, wait("5 days"), MORE))
    downloads(world)
    world.days(1)
    edit(world, THANKS, wait("1 day"), pinned=True)
    edit(world, THANKS, wait("2 days"))
    world.days(6)
    assert world.received("ada") == ["thanks", "more"]


def test_each_step_records_the_version_that_it_ran_under(new_world):
    world = new_world(with_steps(THANKS, wait("2 days"), MORE))
    downloads(world)
    world.run()
    edit(world, THANKS, wait("1 day"), MORE)
    world.days(2)
    versions = {row["step_id"]: row["version_id"] for row in world.rows("executed_steps")}
    assert versions["thanks"] < versions["pause"] == versions["more"]


def test_wakes_caused_by_an_edit_are_spread_and_those_who_waited_longest_go_first(new_world, monkeypatch):
    from db import follow

    monkeypatch.setattr(follow, "LEAST_PER_SLOT", 2)
    world = new_world(with_steps(THANKS, wait("30 days"), MORE))
    for name in ("ada", "bo", "cleo", "dan", "eve"):
        downloads(world, name)
        world.now += timedelta(hours=1)
    edit(world, THANKS, MORE)
    sent = []
    for _ in range(4):
        world.run("follow-up")
        sent.append([name for name in ("ada", "bo", "cleo", "dan", "eve") if "more" in world.received(name)])
        world.now += timedelta(minutes=10)
    assert [len(each) for each in sent] == [2, 4, 5, 5]
    assert sent[0] == ["ada", "bo"]


def test_a_plan_says_what_would_happen_to_whom_and_leaves_everything_as_it_is(new_world):
    world = new_world(with_steps(THANKS, wait("10 days"), MORE))
    for name in ("ada", "bo"):
        downloads(world, name)
    world.days(3)
    world.documents["sequences/papers"]["steps"] = [THANKS, wait("2 days"), MORE]
    world.documents["scoring"]["rules"][0]["points"] = 7
    before = {name: world.rows(name) for name in ("enrollments", "publications", "work_queue", "entry_marks")}
    plan = publishing.plan(world.context, world.now, documents=world.documents)
    assert {name: world.rows(name) for name in before} == before
    expected = {
        "sequences/papers: in flight": 2,
        "sequences/papers: waits changed": 2,
        "sequences/papers: go on because of this": 2,
        "scored and staged anew": 2,
    }
    assert plan.leads == expected
    done = publishing.publish(world.context, world.now, documents=world.documents)
    assert (done.leads, done.changes, done.version) == (plan.leads, plan.changes, plan.version)


def test_a_plan_counts_removed_steps_and_those_who_are_eligible_already(new_world):
    world = new_world(with_steps(THANKS, wait("10 days")))
    downloads(world)
    world.lead("bo")
    world.happens("bo", "page.viewed")
    world.run()
    world.documents["sequences/papers"]["steps"] = [THANKS]
    world.documents["sequences/papers"]["entry"] = {"when": {"did": "page.viewed"}}
    plan = publishing.plan(world.context, world.now, documents=world.documents)
    assert plan.leads == {
        "sequences/papers: in flight": 1,
        "sequences/papers: on removed steps": 1,
        "sequences/papers: completed, no step left": 1,
        "sequences/papers: eligible already, do not enter": 1,
    }


@pytest.mark.every_database
def test_a_rollback_makes_an_earlier_version_live_again_and_takes_those_in_flight_along(new_world):
    world = new_world(with_steps(THANKS, wait("3 days"), MORE))
    downloads(world)
    world.days(1)
    first = world.rows("publications")[0]
    edit(world, THANKS, wait("30 days"), {"id": "other", "email": "more"})
    # The clocks go forward on 29 March: ten in the morning is an hour earlier in UTC.
    assert enrollment(world)["wake_at"] == START + timedelta(days=30, hours=-1)
    documents = publishing.documents_of(world.context, first["hash"][:12])
    assert publishing.documents_of(world.context, str(first["id"])) == documents
    publishing.publish(world.context, world.now, documents=documents, note="rollback")
    assert world.rows("publications")[-1]["hash"] == first["hash"]
    world.days(3)
    assert world.received("ada") == ["thanks", "more"]
    with pytest.raises(BadInput, match="--history"):
        publishing.documents_of(world.context, "nothing")


def test_a_held_lead_follows_too_and_goes_on_where_its_new_wait_says(new_world):
    from db import holds

    world = new_world(with_steps(THANKS, wait("10 days"), MORE))
    downloads(world)
    world.days(3)
    with world.database.write() as connection:
        holds.hold_lead(connection, "papers", world.lead_id("ada"), None, world.now)
    world.days(2)
    edit(world, THANKS, wait("4 days"), MORE)
    world.days(1)
    with world.database.write() as connection:
        holds.resume_lead(connection, "papers", world.lead_id("ada"), world.now)
    # Three of four days had passed before the hold.
    assert enrollment(world)["wake_at"] == world.now + timedelta(days=1)


@pytest.mark.every_database
def test_a_pattern_in_an_entry_is_no_changed_entry_when_something_else_is_published(new_world):
    documents = with_steps(THANKS, wait("3 days"))
    documents["sequences/papers"]["entry"] = {"when": {"did": {"event": "activity", "within": "9 days"}}}
    documents["events"]["events"] = dict(reversed(documents["events"]["events"].items()))
    world = new_world(documents)
    world.lead("ada")
    world.happens("ada", "page.viewed")
    world.run("follow-up")
    world.documents["scoring"]["rules"][0]["points"] = 7
    plan = publishing.plan(world.context, world.now, documents=world.documents)
    assert plan.leads == {"scored and staged anew": 1}
