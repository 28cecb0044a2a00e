"""Events that lie ahead of a run, history that was imported, and what each may set off."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from tests.world import DOCUMENTS, START


def test_an_event_that_is_received_during_a_run_is_acted_on_by_the_next_one(world):
    world.lead("ada")
    world.run("follow-up")
    # Its source's clock is three minutes ahead of the run, or the run is that old already.
    world.happens("ada", "demo.requested", world.now + timedelta(minutes=3))
    world.run("follow-up")
    assert world.rows("sales_tasks") == []
    world.now += timedelta(minutes=10)
    world.run("follow-up")
    assert (world.stage("ada"), len(world.rows("sales_tasks"))) == ("sql", 1)
    assert world.score("ada")["total"] == 50


@pytest.mark.every_database
def test_imported_history_enrolls_nobody_when_time_lets_others_enter_in_the_same_run(new_world):
    documents = deepcopy(DOCUMENTS)
    quiet = {"not": {"did": {"event": "page.viewed", "within": "30 days"}}}
    documents["sequences/papers"]["entry"] = {"when": {"all": [{"did": "page.viewed"}, quiet]}}
    world = new_world(documents)
    world.lead("bo")
    world.happens("bo", "page.viewed")
    world.run()
    world.now += timedelta(days=31)
    world.lead("ada")
    world.run("follow-up")
    world.happens("ada", "page.viewed", START - timedelta(days=60), silent=True)
    world.run()
    assert [row["lead_id"] for row in world.rows("enrollments")] == [world.lead_id("bo")]


def test_a_request_after_imported_history_opens_a_task_although_the_lead_is_an_sql_already(world):
    world.lead("ada")
    world.run()
    world.happens("ada", "demo.requested", START - timedelta(days=9), silent=True)
    world.run()
    assert (world.stage("ada"), world.rows("sales_tasks")) == ("sql", [])
    world.days(1)
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    world.run("follow-up")
    assert [(row["status"], row["reason"]) for row in world.rows("sales_tasks")] == [("open", "demo.requested")]
    world.days(2)
    assert len(world.rows("sales_tasks")) == 1


def test_an_imported_request_opens_no_task_because_something_new_came_with_it(world):
    world.lead("ada")
    world.run()
    world.happens("ada", "demo.requested", START - timedelta(days=9), silent=True)
    world.happens("ada", "page.viewed")
    world.run()
    assert (world.stage("ada"), world.rows("sales_tasks")) == ("sql", [])
