"""A field that a step sets: its points, stage and entries follow in the same run."""

from __future__ import annotations

from copy import deepcopy

from tests.world import DOCUMENTS


def test_what_a_step_sets_is_acted_on_in_the_same_run_and_before_anything_is_sent(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["scoring"]["fit"] = [{"id": "mill", "points": 200, "when": {"field": "industry", "is": "mills"}}]
    documents["sequences/papers"]["steps"] = [
        {"id": "known", "update": {"field": "industry", "to": "mills"}},
        {"id": "thanks", "email": "thanks"},
    ]
    world = new_world(documents)
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.run("follow-up")
    assert (world.score("ada")["fit"], world.stage("ada")) == (200, "sql")
    assert len(world.rows("sales_tasks")) == 1
    assert world.received("ada") == []
    assert world.rows("work_queue") == []
    assert world.rows("enrollments")[0]["status"] == "goal"
