"""Scores: what a salesperson can add up by hand."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from tests.world import DOCUMENTS, START, World


def with_scoring(**scoring):
    return {**deepcopy(DOCUMENTS), "scoring": scoring}


def contributions(world: World, name: str) -> dict[tuple[str, str], float]:
    rows = world.rows("score_contributions", lead_id=world.lead_id(name))
    return {(row["rule"], row["kind"]): row["points"] for row in rows}


def test_points_add_up_and_keep_their_origin(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.happens("ada", "email.clicked")
    world.happens("ada", "email.clicked")
    world.run("rescore")
    assert world.score("ada") == {"interest": 20.0, "fit": 0.0, "total": 20.0}
    assert contributions(world, "ada") == {
        ("content.white_paper_downloaded", "rule"): 10.0,
        ("email.clicked", "rule"): 10.0,
    }


def test_a_machine_click_is_kept_and_worth_nothing(world):
    world.lead("ada")
    world.happens("ada", "email.clicked", machine=True)
    world.run("rescore")
    assert world.score("ada")["total"] == 0
    assert len(world.rows("events")) == 1


def test_a_duplicate_event_changes_nothing(world):
    world.lead("ada")
    world.happens("ada", "email.clicked", event_id="the-same")
    world.happens("ada", "email.clicked", event_id="the-same")
    world.run("rescore")
    assert world.score("ada")["total"] == 5


def test_a_late_event_corrects_the_score(world):
    world.lead("ada")
    world.happens("ada", "email.clicked")
    world.run()
    world.happens("ada", "content.white_paper_downloaded", START - timedelta(days=20))
    world.run()
    assert world.score("ada")["total"] == 15


def test_points_halve_with_their_half_life(new_world):
    rule = {"event": "email.clicked", "points": 8, "decay": {"half_life": "10 days"}}
    world = new_world(with_scoring(rules=[rule]))
    world.lead("ada")
    world.happens("ada", "email.clicked")
    world.days(10)
    assert world.score("ada")["total"] == pytest.approx(4.0)
    world.days(10)
    assert world.score("ada")["total"] == pytest.approx(2.0)


def test_points_fade_in_a_straight_line_to_nothing(new_world):
    rule = {"event": "email.clicked", "points": 8, "decay": {"linear": "4 days"}}
    world = new_world(with_scoring(rules=[rule]))
    world.lead("ada")
    world.happens("ada", "email.clicked")
    world.days(1)
    assert world.score("ada")["total"] == pytest.approx(6.0)
    world.days(9)
    assert world.score("ada")["total"] == pytest.approx(0.0)


def test_a_cap_takes_away_visibly_so_that_the_contributions_still_add_up(new_world):
    rule = {"event": "page.viewed", "points": 1, "cap": {"points": 3, "per": "day"}}
    world = new_world(with_scoring(rules=[rule]))
    world.lead("ada")
    for minute in range(5):
        world.happens("ada", "page.viewed", START - timedelta(minutes=minute))
        world.happens("ada", "page.viewed", START - timedelta(days=1, minutes=minute))
    world.run("rescore")
    assert world.score("ada")["total"] == 6
    assert contributions(world, "ada") == {("page.viewed", "rule"): 10.0, ("page.viewed", "cap"): -4.0}


def test_caps_follow_the_order_decay_rule_group_sum_floor(new_world):
    world = new_world(
        with_scoring(
            rules=[
                {"event": "page.viewed", "points": 2, "cap": 5, "group": "web"},
                {"event": "email.clicked", "points": 4, "group": "web"},
                {"event": "email.unsubscribed", "points": -50},
            ],
            groups={"web": {"cap": 7}},
            floor=-20,
        )
    )
    world.lead("ada")
    for minute in range(4):
        world.happens("ada", "page.viewed", START - timedelta(minutes=minute))
    world.happens("ada", "email.clicked")
    world.happens("ada", "email.unsubscribed")
    world.run("rescore")
    # 8 pages' points capped to 5, with the click 9, capped by the group to 7, less 50, raised to the floor.
    assert contributions(world, "ada") == {
        ("page.viewed", "rule"): 8.0,
        ("page.viewed", "cap"): -3.0,
        ("email.clicked", "rule"): 4.0,
        ("group:web", "group_cap"): -2.0,
        ("email.unsubscribed", "rule"): -50.0,
        ("floor:interest", "floor"): 23.0,
    }
    assert world.score("ada")["total"] == -20


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


def test_properties_decide_whether_a_rule_counts(new_world):
    rule = {"event": "video.watched", "points": 9, "where": {"percent": {"at_least": 50}}}
    world = new_world(with_scoring(rules=[rule, {"id": "any-video", "event": "video.watched", "points": 1}]))
    world.lead("ada")
    world.happens("ada", "video.watched", percent=49.9)
    world.happens("ada", "video.watched", percent=50)
    world.happens("ada", "video.watched", percent="most of it")
    world.run("rescore")
    assert world.score("ada")["total"] == 12


def test_editing_a_rule_rescores_history(world):
    world.lead("ada")
    world.happens("ada", "email.clicked")
    world.run()
    world.documents["scoring"]["rules"][0]["points"] = 7
    world.publish()
    world.run()
    assert world.score("ada")["total"] == 7


def test_derived_types_come_from_raw_page_views(new_world):
    documents = with_scoring(
        rules=[{"event": "page.pricing_visited", "points": 20}, {"event": "page.multiple_visited", "points": 10}]
    )
    for name in ("page.pricing_visited", "page.multiple_visited"):
        documents["events"]["events"][name] = {"label": name, "channel": "website", "direction": "inbound"}
    documents["events"]["derived"] = {
        "page.pricing_visited": {"from": "page.viewed", "where": {"url": {"contains": "/pricing"}}},
        "page.multiple_visited": {"from": "page.viewed", "at_least": 3, "visit_gap": "30 minutes"},
    }
    world = new_world(documents)
    world.lead("ada")
    for minutes in (120, 110, 5):
        world.happens("ada", "page.viewed", START - timedelta(minutes=minutes), url="https://example.com/a")
    world.run("rescore")
    assert world.score("ada")["total"] == 0
    # One more page between makes a visit of three, and arrives late.
    world.happens("ada", "page.viewed", START - timedelta(minutes=100), url="https://example.com/pricing?x=1")
    world.run("rescore")
    assert world.score("ada")["total"] == 30
    world.run("rescore")
    assert world.score("ada")["total"] == 30


def test_an_account_adds_up_its_people(world):
    world.lead("ada", company="Acme ApS")
    world.lead("bo", company="ACME")
    world.happens("ada", "email.clicked")
    world.happens("bo", "content.white_paper_downloaded")
    world.run("rescore")
    assert [row["total"] for row in world.rows("accounts")] == [15.0]


def test_a_rescore_without_news_touches_nobody(world):
    world.lead("ada")
    world.happens("ada", "email.clicked")
    assert world.run("rescore").counts["leads_rescored"] == 1
    assert world.run("rescore").counts["leads_rescored"] == 0


def test_points_of_ages_ago_have_faded_to_nothing_and_stop_no_run(new_world):
    rule = {"event": "page.viewed", "points": 8, "decay": {"half_life": "1 hour"}}
    world = new_world(with_scoring(rules=[rule]))
    world.lead("ada")
    world.happens("ada", "page.viewed", START - timedelta(days=90))
    world.run("rescore")
    assert world.score("ada")["total"] == pytest.approx(0, abs=1e-9)
