"""Fit: points for what a lead is, apart from what it did."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from tests.world import DOCUMENTS, START, World

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def with_scoring(**scoring):
    return {**deepcopy(DOCUMENTS), "scoring": scoring}


def contributions(world: World, name: str) -> dict[tuple[str, str], float]:
    rows = world.rows("score_contributions", lead_id=world.lead_id(name))
    return {(row["rule"], row["kind"]): row["points"] for row in rows}


def test_fit_and_interest_are_kept_apart(new_world):
    world = new_world(
        with_scoring(
            rules=[{"event": "email.clicked", "points": 5}],
            fit=[
                {"id": "near", "when": {"field": "country", "in": ["DK", "SE"]}, "points": 10},
                {"id": "large", "when": {"field": "employees", "at_least": 100}, "points": 7},
                {"id": "no-industry", "when": {"field": "industry", "is_set": False}, "points": -1},
            ],
        )
    )
    world.lead("ada", country="DK", employees=250)
    world.lead("bo", country="US", industry="steel")
    world.happens("ada", "email.clicked")
    world.happens("bo", "email.clicked")
    world.run("rescore")
    assert world.score("ada") == {"interest": 5.0, "fit": 16.0, "total": 21.0}
    assert world.score("bo") == {"interest": 5.0, "fit": 0.0, "total": 5.0}


@pytest.mark.every_database
def test_points_for_a_profile_count_in_the_cap_of_their_group(new_world):
    world = new_world(
        with_scoring(
            rules=[{"event": "email.clicked", "points": 4, "group": "g", "dimension": "fit", "cap": 6}],
            fit=[
                {"id": "near", "when": {"field": "country", "is": "DK"}, "points": 3, "group": "g"},
                {"id": "large", "when": {"field": "employees", "at_least": 100}, "points": 2},
            ],
            groups={"g": {"cap": 7}},
        )
    )
    world.lead("ada", country="DK", employees=250)
    world.happens("ada", "email.clicked")
    world.happens("ada", "email.clicked")
    world.run("rescore")
    # Two clicks' 8 capped to 6, with the country 9, capped by the group to 7; the employees stand outside of it.
    assert contributions(world, "ada") == {
        ("email.clicked", "rule"): 8.0,
        ("email.clicked", "cap"): -2.0,
        ("near", "rule"): 3.0,
        ("large", "rule"): 2.0,
        ("group:g", "group_cap"): -2.0,
    }
    assert world.score("ada") == {"interest": 0.0, "fit": 9.0, "total": 9.0}


@pytest.mark.every_database
@pytest.mark.parametrize("reverse", [False, True])
def test_a_fit_rule_over_a_period_ends_at_the_very_instant_and_touches_nobody_else(new_world, reverse):
    recent = {"did": {"event": "page.viewed", "at_least": 2, "within": "7 days"}}
    rule = {"id": "keen", "when": {"not": recent} if reverse else recent, "points": 5}
    world = new_world(with_scoring(fit=[rule]))
    for name in ("ada", "bo"):
        world.lead(name)
        world.happens(name, "page.viewed", START - DAY)
    world.happens("ada", "page.viewed", START - 3 * DAY)
    world.run("rescore")
    keen, cool = (0, 5) if reverse else (5, 0)
    assert (world.score("ada")["fit"], world.score("bo")["fit"]) == (keen, cool)
    # With the second latest page the second one is gone.
    world.now = START + 4 * DAY - TICK
    assert world.run("rescore").counts["leads_rescored"] == 0
    world.now = START + 4 * DAY
    assert world.run("rescore").counts["leads_rescored"] == 1
    assert world.score("ada")["fit"] == cool


@pytest.mark.every_database
def test_a_fit_rule_about_age_holds_from_the_very_instant(new_world):
    rules = [
        {"id": "old", "when": {"field": "created_at", "older_than": "30 days"}, "points": 3},
        {"id": "new", "when": {"field": "created_at", "newer_than": "10 days"}, "points": 1},
    ]
    world = new_world(with_scoring(fit=rules))
    world.lead("ada")
    for days, points in ((0, 1), (10, 0), (30, 3)):
        if days:
            world.now = START + days * DAY - TICK
            assert world.run("rescore").counts["leads_rescored"] == 0
        world.now = START + days * DAY
        assert world.run("rescore").counts["leads_rescored"] == 1
        assert world.score("ada")["fit"] == points
    world.now += 300 * DAY
    assert world.run("rescore").counts["leads_rescored"] == 0
