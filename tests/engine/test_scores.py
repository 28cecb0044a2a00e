"""Scores: what a salesperson can add up by hand."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest
from sqlalchemy import event

from db import judgements
from tasks.definition_files import load_tree
from tasks.explain import explain_lead
from tests.house.project import ROOT
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


@pytest.mark.every_database
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


def test_a_rescore_without_news_touches_nobody(world):
    world.lead("ada")
    world.happens("ada", "email.clicked")
    assert world.run("rescore").counts["leads_rescored"] == 1
    assert world.run("rescore").counts["leads_rescored"] == 0


@pytest.mark.every_database
def test_a_type_that_is_derived_no_longer_is_paid_no_longer_and_explained_as_it_was(new_world):
    documents = with_scoring(rules=[{"event": "page.pricing_visited", "points": 20}])
    documents["events"]["events"]["page.pricing_visited"] = {
        "label": "Prices",
        "channel": "website",
        "direction": "inbound",
    }
    derived = {"page.pricing_visited": {"from": "page.viewed", "where": {"url": {"contains": "/pricing"}}}}
    documents["events"]["derived"] = derived
    world = new_world(documents)
    world.lead("ada")
    world.happens("ada", "page.viewed", url="https://example.com/pricing")
    for points in (20, 0, 20):
        world.run("rescore")
        assert world.score("ada")["total"] == points
        world.now += timedelta(days=1)
        world.documents["events"]["derived"] = {} if points else derived
        world.publish()
    world.run("rescore")
    for days, points in enumerate((20, 0, 20, 0)):
        facts = explain_lead(world.context, "ada@example.com", world.now, START + timedelta(days=days))
        assert facts["score"]["total"] == points


DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


@pytest.mark.every_database
def test_a_cap_per_day_counts_within_its_groups_cap_per_week(new_world):
    world = new_world(
        with_scoring(
            rules=[{"event": "page.viewed", "points": 2, "cap": {"points": 3, "per": "day"}, "group": "web"}],
            groups={"web": {"cap": {"points": 5, "per": "week"}}},
        )
    )
    world.lead("ada")
    # A Sunday's last instant, and Monday, Tuesday and Wednesday of the week after it, twice each.
    sunday = START.replace(hour=0) - TICK
    world.now += 3 * DAY
    for at in (sunday, sunday, *(START - TICK * each + day * DAY for day in range(3) for each in range(2))):
        world.happens("ada", "page.viewed", at)
    world.run("rescore")
    # 3 for Sunday; 9 for the three days of the next week, capped to 5.
    assert contributions(world, "ada") == {
        ("page.viewed", "rule"): 16.0,
        ("page.viewed", "cap"): -4.0,
        ("group:web", "group_cap"): -4.0,
    }
    assert world.score("ada")["total"] == 8


def test_a_score_is_kept_unrounded(new_world):
    world = new_world(with_scoring(rules=[{"event": "page.viewed", "points": 1, "decay": {"linear": "3 days"}}]))
    world.lead("ada")
    world.happens("ada", "page.viewed", START - DAY)
    world.run("rescore")
    assert world.score("ada")["total"] == pytest.approx(2 / 3, abs=1e-12)


def test_what_is_shipped_has_no_floor_so_that_a_score_may_be_negative(new_world):
    scoring = load_tree(ROOT / "templates")["scoring.yaml"]
    assert "\nfloor:" not in scoring
    world = new_world(with_scoring(rules=[{"event": "email.unsubscribed", "points": -5}]))
    world.lead("ada")
    world.happens("ada", "email.unsubscribed")
    world.run("rescore")
    assert world.score("ada")["total"] == -5


def test_a_removed_rule_takes_its_points_with_it(world):
    world.lead("ada")
    world.happens("ada", "email.clicked")
    world.happens("ada", "page.viewed")
    world.run()
    world.documents["scoring"]["rules"] = [{"event": "page.viewed", "points": 1}]
    world.publish()
    world.run()
    assert contributions(world, "ada") == {("page.viewed", "rule"): 1.0}
    assert world.score("ada")["total"] == 1


def test_an_open_that_was_inferred_from_a_click_is_kept_and_not_paid(new_world):
    rules = [{"event": "email.opened", "points": 1}, {"event": "email.clicked", "points": 5}]
    world = new_world(with_scoring(rules=rules))
    world.lead("ada")
    world.happens("ada", "email.clicked")
    for said in (True, "true", "Yes", 1):
        world.happens("ada", "email.opened", inferred=said)
    world.run("rescore")
    assert contributions(world, "ada") == {("email.clicked", "rule"): 5.0}
    assert len(world.rows("events", type="email.opened")) == 4
    # One that a pixel saw is paid, and only that one is named.
    world.happens("ada", "email.opened", inferred=False)
    world.happens("ada", "email.opened", event_id="seen")
    world.run("rescore")
    parts = explain_lead(world.context, "ada@example.com", world.now)["score"]["contributions"]
    assert {part["rule"]: (part["points"], len(part["events"])) for part in parts} == {
        "email.opened": (2.0, 2),
        "email.clicked": (5.0, 1),
    }


def test_a_corrected_machine_flag_corrects_the_score(world):
    world.lead("ada")
    world.happens("ada", "email.clicked")
    [doubtful] = world.rows("events")
    for verdict, points in (("machine", 0), ("human", 5)):
        with world.database.write() as connection:
            judgements.judge(connection, doubtful["id"], verdict, None, world.now)
        world.run("rescore")
        assert world.score("ada")["total"] == points


@pytest.mark.every_database
def test_criteria_may_ask_for_interest_for_fit_or_for_both(new_world):
    documents = with_scoring(
        rules=[{"event": "email.clicked", "points": 10}],
        fit=[{"id": "near", "when": {"field": "country", "is": "DK"}, "points": 10}],
    )
    for name, needed in (("by-interest", ["interest"]), ("by-fit", ["fit"]), ("by-both", ["interest", "fit"])):
        asks = [{"score": {"dimension": dimension, "at_least": 10}} for dimension in needed]
        documents["sequences/" + name] = {
            **documents["sequences/papers"],
            "sequence": name,
            "entry": {"when": {"all": asks}},
        }
    world = new_world(documents)
    world.lead("ada", country="DK")
    world.lead("bo")
    world.happens("bo", "email.clicked")
    world.lead("cy", country="DK")
    world.happens("cy", "email.clicked")
    world.run()
    entered = {name: set() for name in ("ada", "bo", "cy")}
    for name, sequences in entered.items():
        sequences |= {row["sequence"] for row in world.rows("enrollments", lead_id=world.lead_id(name))}
    assert entered == {"ada": {"by-fit"}, "bo": {"by-interest"}, "cy": {"by-interest", "by-fit", "by-both"}}


def test_an_earlier_instant_is_computed_from_what_had_happened_by_then(new_world):
    world = new_world(with_scoring(rules=[{"event": "page.viewed", "points": 8, "decay": {"half_life": "10 days"}}]))
    world.lead("ada")
    world.happens("ada", "page.viewed")
    world.now += 20 * DAY
    world.happens("ada", "page.viewed")
    # Known only now, and it belongs to that time.
    world.happens("ada", "page.viewed", START + 10 * DAY)
    world.run("rescore")
    for at, points in ((START, 8), (START + 10 * DAY - TICK, 4), (START + 10 * DAY, 12), (world.now, 14)):
        facts = explain_lead(world.context, "ada@example.com", world.now, at)
        assert facts["score"]["total"] == pytest.approx(points, abs=1e-4)


@pytest.mark.every_database
def test_a_rescore_takes_as_many_statements_for_many_leads_as_for_one(new_world):
    recent = {"did": {"event": "page.viewed", "within": "7 days"}}
    documents = with_scoring(
        rules=[{"event": "page.viewed", "points": 2, "cap": 5, "group": "g", "decay": {"half_life": "3 days"}}],
        fit=[{"id": "keen", "when": recent, "points": 1}, {"id": "in", "when": recent, "points": 1, "group": "f"}],
        groups={"g": {"cap": 4}, "f": {"cap": 3}},
        floor=0,
    )
    documents["sequences/papers"]["exits"].append({"reason": "cold", "when": {"account_score": {"below": -1}}})
    counts = []
    for people in (2, 60):
        world = new_world(documents)
        for number in range(people):
            world.lead(f"lead{number}", company=f"Company {number % 7}")
            world.happens(f"lead{number}", "page.viewed")
        seen: list[str] = []
        event.listen(world.database.engine, "before_cursor_execute", lambda *call, seen=seen: seen.append(call[2]))
        world.run("rescore")
        counts.append(len(seen))
    assert counts[0] == counts[1]
