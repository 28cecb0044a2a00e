"""Points that fade: what they are worth, and that a lead is looked at when that changes anything, not before."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from tasks.explain import explain_lead
from tests.world import DOCUMENTS, START, World

DAY = timedelta(days=1)
PAGE = "page.viewed"
FADES = {"half_life": "30 days"}


def with_scoring(*rules, **scoring):
    return {**deepcopy(DOCUMENTS), "scoring": {"rules": list(rules), **scoring}}


def page(points, decay=FADES, **more):
    return {"event": PAGE, "points": points, "decay": decay, **more}


def leaving(documents, name, when):
    """The same with a sequence for whoever viewed a page, left when that holds."""
    papers = deepcopy(DOCUMENTS["sequences/papers"])
    papers |= {"sequence": name, "entry": {"when": {"did": PAGE}}, "exits": [{"reason": "cold", "when": when}]}
    papers["steps"] = [{"id": "wait", "wait": "400 days"}]
    return {**documents, f"sequences/{name}": papers}


def worth(world: World, name: str) -> float:
    """What a salesperson is told today."""
    return explain_lead(world.context, f"{name}@example.com", world.now)["score"]["total"]


def looks(world: World, days: int) -> list[int]:
    """On which of the next days anybody is looked at."""
    found = []
    for day in range(1, days + 1):
        world.now += DAY
        if world.run("rescore").counts["leads_rescored"]:
            found.append(day)
    return found


def test_points_halve_with_their_half_life(new_world):
    world = new_world(with_scoring(page(8, {"half_life": "10 days"})))
    world.lead("ada")
    world.happens("ada", PAGE)
    for days, points in ((0, 8.0), (10, 4.0), (10, 2.0)):
        world.days(days)
        world.run()
        assert worth(world, "ada") == pytest.approx(points)


def test_points_fade_in_a_straight_line_to_nothing(new_world):
    world = new_world(with_scoring(page(8, {"linear": "4 days"})))
    world.lead("ada")
    world.happens("ada", PAGE)
    world.run()
    for days, points in ((1, 6.0), (9, 0.0)):
        world.days(days)
        assert worth(world, "ada") == pytest.approx(points)


def test_each_event_fades_before_caps_are_looked_at(new_world):
    world = new_world(with_scoring(page(8, {"half_life": "1 day"}, cap=10)))
    world.lead("ada")
    world.happens("ada", PAGE, START - DAY)
    world.happens("ada", PAGE, START)
    world.run("rescore")
    assert world.score("ada")["total"] == pytest.approx(10)
    world.now += DAY
    world.run("rescore")
    # 2 and 4, not half of what the cap let through.
    assert world.score("ada")["total"] == pytest.approx(6)


def test_points_of_ages_ago_have_faded_to_nothing_and_stop_no_run(new_world):
    world = new_world(with_scoring(page(8, {"half_life": "1 hour"})))
    world.lead("ada")
    world.happens("ada", PAGE, START - timedelta(days=90))
    world.run("rescore")
    assert world.score("ada")["total"] == pytest.approx(0, abs=1e-9)


def test_decay_overnight_does_not_demote_an_mql(new_world):
    world = new_world(with_scoring(page(45, {"half_life": "1 day"})))
    world.lead("ada")
    world.happens("ada", PAGE)
    world.run()
    assert world.stage("ada") == "mql"
    world.days(3)
    assert world.score("ada")["total"] < 40
    assert world.stage("ada") == "mql"


@pytest.mark.parametrize("decay", [{"linear": "3 days"}, {"half_life": "2 hours"}])
def test_points_with_nothing_left_to_fade_are_looked_at_no_more(new_world, decay):
    world = new_world(with_scoring(page(10, decay)))
    world.lead("ada")
    world.happens("ada", PAGE)
    world.run("rescore")
    assert 1 <= len(looks(world, 10)) <= 3
    assert world.rows("scores")[0]["due_at"] is None
    assert world.score("ada")["total"] == pytest.approx(0, abs=0.5)


def test_a_quiet_day_looks_at_nobody_however_many_fade(new_world):
    world = new_world(with_scoring(page(15)))
    for number in range(50):
        world.lead(f"lead{number}")
        world.happens(f"lead{number}", PAGE)
    world.run()
    assert looks(world, 10) == []


def test_who_fades_by_half_lives_is_looked_at_on_the_day_of_each_ten_and_of_the_line(new_world):
    documents = leaving(with_scoring(page(45)), "keen", {"score": {"below": 33}})
    world = new_world(documents)
    world.lead("ada")
    world.happens("ada", PAGE)
    world.run()
    # 45 points are 40, 33, 30, 20 and 10 after 5.1, 13.4, 17.5, 35.1 and 65.1 days, and round to nothing after 194.8.
    assert looks(world, 400) == [6, 14, 18, 36, 66, 195]


@pytest.mark.every_database
@pytest.mark.parametrize("dimension", ["total", "interest"])
def test_an_exit_by_score_happens_on_the_day_on_which_the_points_have_faded(new_world, dimension):
    asks = {"score": {"dimension": dimension, "below": 33}}
    world = new_world(leaving(with_scoring(page(45)), "keen", asks))
    world.lead("ada")
    world.happens("ada", PAGE)
    world.days(13)
    assert world.rows("enrollments")[0]["status"] == "active"
    world.days(1)
    assert world.rows("enrollments")[0]["status"] == "exited"


@pytest.mark.every_database
def test_points_of_several_kinds_are_looked_at_a_few_times_and_never_too_late(new_world):
    rules = [
        page(20, {"linear": "100 days"}, id="line", cap=30),
        page(9, {"half_life": "7 days"}, id="fast", group="both"),
        page(9, {"half_life": "60 days"}, id="slow", group="both"),
        page(3, None, id="stays"),
    ]
    documents = with_scoring(*rules, groups={"both": {"cap": 25}})
    world = new_world(leaving(documents, "keen", {"score": {"below": 37}}))
    world.lead("ada")
    for before in (0, 5, 30):
        world.happens("ada", PAGE, START - before * DAY)
    world.run()
    found = 0
    for _ in range(75):
        world.now += 2 * DAY
        found += world.run("rescore").counts["leads_rescored"]
        stored, today = world.score("ada")["total"], worth(world, "ada")
        assert (stored // 10, stored < 37) == (today // 10, today < 37)
    # From 60 down to 9: six tens, a line, and the last half of a point; each by a few nearer looks.
    assert 8 <= found <= 40


def test_points_below_zero_that_fade_make_an_mql_on_the_day_on_which_they_have(new_world):
    minus = {"event": "email.unsubscribed", "points": -20, "decay": FADES}
    world = new_world(with_scoring(page(50, None), minus))
    world.lead("ada")
    world.happens("ada", PAGE)
    world.happens("ada", "email.unsubscribed")
    world.days(29)
    assert world.stage("ada") == "lead"
    world.days(1)
    # A second past the half-life; days are counted from the same instant.
    world.now += timedelta(seconds=2)
    world.run()
    assert world.stage("ada") == "mql"


def test_on_the_floor_nobody_is_looked_at_though_points_fade(new_world):
    minus = {"event": "email.unsubscribed", "points": -60}
    world = new_world(with_scoring(page(45), minus, floor=0))
    world.lead("ada")
    world.happens("ada", PAGE)
    world.happens("ada", "email.unsubscribed")
    world.run()
    assert world.score("ada")["total"] == 0
    assert looks(world, 300) == []


def test_a_line_that_is_published_later_is_kept_by_points_that_faded_before(new_world):
    world = new_world(with_scoring(page(45)))
    world.lead("ada")
    world.happens("ada", PAGE)
    world.lead("bo")
    world.run()
    world.now += 2 * DAY
    world.documents = leaving(world.documents, "keen", {"score": {"below": 42}})
    plan = world.publish(mark_existing=True, enroll_existing=True)
    assert plan.leads["scores looked at again, for what they are compared with now"] == 1
    world.run()
    assert world.rows("enrollments", sequence="keen")[0]["status"] == "active"
    # 42 points after 2.99 days.
    world.days(1)
    assert world.rows("enrollments", sequence="keen")[0]["status"] == "exited"


@pytest.mark.every_database
def test_an_older_version_that_somebody_is_in_keeps_its_lines(new_world):
    documents = leaving(with_scoring(page(45)), "keen", {"score": {"below": 33}})
    world = new_world(documents)
    world.lead("ada")
    world.happens("ada", PAGE)
    world.run()
    world.documents = leaving(with_scoring(page(45)), "keen", {"score": {"below": 3}})
    world.publish(pinned=True)
    # What happens in between is scored by definitions that have another line.
    world.happens("ada", "email.clicked")
    world.days(13)
    assert world.rows("enrollments")[0]["status"] == "active"
    world.days(1)
    assert world.rows("enrollments")[0]["status"] == "exited"


def test_the_sum_of_an_account_is_looked_at_daily_where_it_is_asked_for(new_world):
    world = new_world(leaving(with_scoring(page(22)), "keen", {"account_score": {"below": 43}}))
    for name in ("ada", "bo"):
        world.lead(name, company="Acme")
        world.happens(name, PAGE)
    world.run()
    assert {row["status"] for row in world.rows("enrollments")} == {"active"}
    # Nobody comes to a line, and 44 points are 43 after a day.
    world.days(1)
    assert {row["status"] for row in world.rows("enrollments")} == {"exited"}
    assert len(world.rows("scores")) == 2


def test_what_is_explained_has_faded_until_now_unless_something_waits_to_be_scored(new_world):
    world = new_world(with_scoring(page(15)))
    world.lead("ada")
    world.happens("ada", PAGE)
    world.run()
    world.now += 10 * DAY
    assert world.score("ada")["total"] == 15
    assert worth(world, "ada") == pytest.approx(15 * 0.5 ** (1 / 3))
    world.happens("ada", PAGE)
    facts = explain_lead(world.context, "ada@example.com", world.now)["score"]
    assert (facts["total"], facts["waits_for_rescore"]) == (15, True)
