"""`explain`: why a lead is not in a sequence, not a member of an audience, and not an SQL yet."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from db import sequences
from tasks.explain import explain_lead
from tests.world import DOCUMENTS, START, World

DAY = timedelta(days=1)


def explained(world: World, name: str = "ada", at=None) -> dict:
    return explain_lead(world.context, f"{name}@example.com", world.now, at)


def why_not(world: World, name: str = "ada") -> dict:
    (found,) = explained(world, name)["not_in"]
    return found


def downloads(world: World, name: str = "ada", **options) -> None:
    world.happens(name, "content.white_paper_downloaded", **options)


def test_the_entry_condition_is_told_part_by_part_with_what_holds(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["entry"]["when"] = {
        "all": [
            {"did": {"event": "page.viewed", "at_least": 2, "within": "7 days"}},
            {"any": [{"field": "country", "in": ["DK", "NO"]}, {"score": {"dimension": "interest", "at_least": 40}}]},
            {"not": {"stage": "customer"}},
            {"consent": "nurture"},
        ]
    }
    world = new_world(documents)
    world.lead("ada", country="SE")
    world.happens("ada", "page.viewed")
    world.happens("ada", "page.viewed")
    world.run()
    found = why_not(world)
    assert (found["reason"], found["sequence"]) == ("condition", "papers")
    seen, where, never, consent = found["condition"]["parts"]
    assert (seen["holds"], seen["says"]) == (True, "has done page.viewed, 2 times or more, within 7 days")
    assert [(part["says"], part["holds"], part["now"]) for part in where["parts"]] == [
        ("country is one of DK, NO", False, "SE"),
        ("the interest score is at least 40", False, 2.0),
    ]
    assert (where["holds"], never["holds"], never["parts"][0]["holds"]) == (False, True, False)
    assert (consent["says"], consent["holds"]) == ("has consented to Nurture", True)


@pytest.mark.parametrize("state", ["hold", "drain", "stop"])
def test_a_sequence_that_nobody_enters_says_so(world, state):
    world.lead("ada")
    with world.database.write() as connection:
        sequences.set_state(connection, "papers", state, None, world.now)
    downloads(world)
    world.run()
    assert why_not(world)["reason"] == f"sequence-{state}"


def test_whoever_has_been_in_it_does_not_enter_twice(world):
    world.lead("ada")
    downloads(world)
    world.days(4)
    found = why_not(world)
    assert (found["reason"], found["since"]) == ("no-reentry", START + DAY)


def test_whoever_may_enter_again_is_told_from_when(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["entry"]["reentry"] = {"after": "30 days"}
    world = new_world(documents)
    world.lead("ada")
    downloads(world)
    world.days(6)
    found = why_not(world)
    ended = world.rows("enrollments")[0]["ended_at"]
    assert (found["reason"], found["until"]) == ("reentry-not-yet", ended + 30 * DAY)
    world.now = ended + 31 * DAY
    world.run()
    assert why_not(world)["reason"] == "no-edge"


def test_what_held_already_when_it_was_published_is_no_edge(world):
    world.lead("ada")
    world.happens("ada", "page.viewed")
    world.days(1)
    world.documents["sequences/viewers"] = {
        **world.documents["sequences/papers"],
        "sequence": "viewers",
        "entry": {"when": {"did": "page.viewed"}},
    }
    world.now += DAY
    world.publish()
    world.run()
    found = {each["sequence"]: each["reason"] for each in explained(world)["not_in"]}
    assert found == {"papers": "condition", "viewers": "true-when-published"}


def test_imported_history_enrolls_nobody_and_says_so(world):
    world.lead("ada")
    world.run()
    downloads(world, silent=True)
    world.run()
    assert why_not(world)["reason"] == "imported-history"


def test_while_sales_has_the_lead_nobody_enters(world):
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run()
    downloads(world)
    world.now += timedelta(hours=1)
    world.run("follow-up")
    assert why_not(world)["reason"] == "in-sales-hands"
    world.happens("ada", "sales.rejected")
    world.days(2)
    assert why_not(world)["reason"] == "in-sales-hands-then"


def test_what_has_become_true_since_the_last_run_is_seen_by_the_next(world):
    world.lead("ada")
    world.run()
    downloads(world)
    assert why_not(world)["reason"] == "next-run"
    world.run()
    assert explained(world)["not_in"] == []


def test_the_cool_down_is_that_of_the_reason_and_new_evidence_is_asked_for(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["lifecycle"]["recycle"]["reasons"] = {"no_budget": {"cool_down": "90 days"}}
    documents["lifecycle"]["profiles"]["b2b"]["thresholds"]["only_if"] = {"field": "country", "is": "DK"}
    world = new_world(documents)
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run()
    world.now += timedelta(hours=2)
    rejected_at = world.now
    world.happens("ada", "sales.rejected", reason="no_budget")
    world.days(1)
    missing = explained(world)["missing_to_sql"]
    assert missing["not_before"] == rejected_at + 90 * DAY
    assert (missing["given_back_for"], missing["needs_new_evidence"]) == ("no_budget", True)
    assert (missing["only_if"]["holds"], missing["only_if"]["says"]) == (False, "country is DK")
    assert {way["rule"] for way in missing["ways"]} == {"contact", "second-webinar"}
    world.happens("ada", "page.viewed")
    world.days(1)
    assert explained(world)["missing_to_sql"]["needs_new_evidence"] is False
    world.now = rejected_at + 91 * DAY
    assert explained(world)["missing_to_sql"]["not_before"] is None


def readers(world: World, name: str) -> tuple[bool, str]:
    (found,) = explained(world, name)["audiences"]
    return found["member"], found["reason"]


@pytest.mark.every_database
def test_an_audience_says_why_somebody_is_a_member_or_not(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["audiences"]["audiences"]["readers"]["when"] = {"did": "page.viewed"}
    steps = documents["sequences/papers"]["steps"]
    documents["sequences/papers"]["steps"] = [{"id": "add", "audience": {"add": "readers"}}, *steps]
    world = new_world(documents, profile="b2c")
    for name in ("viewer", "chosen", "nobody", "buyer", "busy", "gone"):
        world.lead(name, ads=True)
    world.lead("private")
    for name in ("viewer", "private", "buyer", "busy", "gone"):
        world.happens(name, "page.viewed")
    downloads(world, "chosen")
    world.happens("buyer", "deal.won")
    world.happens("busy", "demo.requested")
    world.happens("gone", "email.complained")
    world.run()
    assert {name: readers(world, name) for name in ("viewer", "chosen")} == {
        "viewer": (True, "criteria"),
        "chosen": (True, "chosen"),
    }
    assert {name: readers(world, name) for name in ("nobody", "buyer", "busy", "gone", "private")} == {
        "nobody": (False, "criteria-not-met"),
        "buyer": (False, "customer"),
        "busy": (False, "in-sales-hands"),
        "gone": (False, "no-consent"),
        "private": (False, "no-consent"),
    }
    (told,) = explained(world, "viewer")["audiences"]
    assert (told["wanted"], told["criteria"]["holds"], told["platforms"][0]["status"]) == (True, True, "member")
