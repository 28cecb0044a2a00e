"""The report: what a marketer reads off it is what happened."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import sqlalchemy as sa

from db import outcomes, reports
from tasks.report_data import gather
from tests.world import DOCUMENTS, START, World


def read(world: World, function, *arguments):
    with world.database.read() as connection:
        return function(connection, *arguments)


def step(world: World, name: str) -> dict:
    sequence = next(each for each in gather(world.database, world.now)["sequences"] if each["sequence"] == "papers")
    return next(each for each in sequence["steps"] if each["step"] == name)


def key_of_last_mail(world: World) -> str:
    return world.rows("messages")[-1]["key"]


def test_the_pipeline_counts_a_lead_from_the_day_it_was_known(world):
    world.lead("ada")
    world.days(1)
    world.lead("bo")
    world.happens("ada", "content.white_paper_downloaded")
    world.days(1)
    days = read(world, reports.pipeline_by_day, START, world.now)
    assert [(day["date"], day["lead"], day["mql"]) for day in days] == [
        ("2026-03-02", 1, 0),
        ("2026-03-03", 1, 1),
        ("2026-03-04", 1, 1),
    ]


def test_the_last_day_of_the_pipeline_is_the_pipeline_now(world):
    for place, kind in enumerate(["content.white_paper_downloaded", "demo.requested", "deal.won", "page.viewed"]):
        world.lead(f"lead{place}")
        world.happens(f"lead{place}", kind)
    world.happens("lead1", "sales.rejected", START + timedelta(hours=30))
    world.days(3)
    last = read(world, reports.pipeline_by_day, START, world.now)[-1]
    now = read(world, reports.pipeline)
    assert {stage: last[stage] for stage in now} == now
    assert now == {"lead": 1, "mql": 2, "sql": 0, "customer": 1}


def test_imported_history_shows_in_the_pipeline_before_the_first_run(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded", START - timedelta(days=2), silent=True)
    world.run()
    days = read(world, reports.pipeline_by_day, START - timedelta(days=3), START)
    assert [day["mql"] for day in days] == [0, 1, 1, 1]
    assert all(day["lead"] == 0 for day in days)


def test_what_lies_before_the_period_is_in_its_first_day(world):
    world.lead("ada")
    world.days(3)
    days = read(world, reports.pipeline_by_day, START + timedelta(days=2), world.now)
    assert [day["lead"] for day in days] == [1, 1]


def test_a_step_tells_sent_from_not_sent_with_the_reason(world):
    world.lead("ada")
    world.lead("bo", consent=False)
    for name in ("ada", "bo"):
        world.happens(name, "content.white_paper_downloaded")
    world.days(1)
    thanks = step(world, "thanks")
    assert (thanks["sent"], thanks["not_sent"]) == (1, {"no-consent": 1})
    assert step(world, "three-days")["standing"] == 2


def test_an_answer_counts_for_the_mail_whose_key_it_names(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.days(1)
    key = key_of_last_mail(world)
    world.now += timedelta(hours=1)
    for _ in range(3):
        world.happens("ada", "email.clicked", message_key=key)
    world.happens("ada", "email.opened", message_key=key)
    world.happens("ada", "email.clicked", message_key="nobody's")
    world.now += timedelta(minutes=10)
    world.run("follow-up")
    thanks = step(world, "thanks")
    assert (thanks["clicked"], thanks["opened"]) == (1, 1)
    assert step(world, "more")["clicked"] == 0


def test_a_scanner_that_follows_every_link_counts_for_nothing(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.days(1)
    world.happens("ada", "email.clicked", message_key=key_of_last_mail(world), machine=True)
    assert step(world, "thanks")["clicked"] == 0


def test_a_goal_is_counted_at_the_step_after_which_it_was_reached(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.days(1)
    world.happens("ada", "demo.requested")
    world.days(1)
    assert step(world, "three-days")["goals"] == 1
    sequence = gather(world.database, world.now)["sequences"][0]
    assert (sequence["entered"], sequence["goal"], sequence["active"]) == (1, 1, 0)


def test_a_step_that_no_definition_has_any_more_keeps_its_figures(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.days(1)
    world.documents = deepcopy(DOCUMENTS)
    world.documents["sequences/papers"]["steps"] = [{"id": "other", "email": "more"}]
    world.publish()
    assert step(world, "thanks")["sent"] == 1


def test_the_median_to_sales_is_the_middle_one_and_the_mean_of_two(world):
    for place, hours in enumerate((1, 2, 9)):
        world.lead(f"lead{place}")
        world.happens(f"lead{place}", "demo.requested", world.now - timedelta(hours=hours))
    world.run()
    clock = read(world, outcomes.speed_to_lead)["opened"]
    assert (clock["tasks"], clock["median_hours"]) == (3, 2.0)
    assert [each["tasks"] for each in clock["bins"]] == [1, 1, 0, 1, 0, 0, 0]
    world.lead("one-more")
    world.happens("one-more", "demo.requested", world.now - timedelta(hours=4))
    world.run()
    assert read(world, outcomes.speed_to_lead)["opened"]["median_hours"] == 3.0


def test_nothing_taken_yet_has_no_median(world):
    assert read(world, outcomes.speed_to_lead)["accepted"] == {
        "tasks": 0,
        "median_hours": None,
        "bins": [{"hours": each, "tasks": 0} for each in (*outcomes.SPEED_BINS, None)],
    }


def test_a_source_is_credited_with_everyone_who_came_by_it(world):
    world.lead("ada", source="webinar")
    world.lead("bo", source="webinar")
    world.lead("cy", source="phone")
    world.happens("ada", "content.white_paper_downloaded")
    world.happens("cy", "deal.won")
    world.run()
    found = {row["source"]: row for row in read(world, outcomes.attribution_by_source)}
    assert (found["webinar"]["leads"], found["webinar"]["mql"], found["webinar"]["customer"]) == (2, 1, 0)
    # Who bought at once has passed every stage before.
    assert (found["phone"]["mql"], found["phone"]["sql"], found["phone"]["customer"]) == (1, 1, 1)


def test_a_lead_that_sales_gave_back_stays_reached(world):
    world.lead("ada", source="webinar")
    world.happens("ada", "demo.requested")
    world.run()
    world.now += timedelta(hours=3)
    world.happens("ada", "sales.rejected", reason="too_early")
    world.run()
    assert world.stage("ada") == "mql"
    assert read(world, outcomes.attribution_by_source)[0]["sql"] == 1
    assert read(world, outcomes.refusals_by_reason) == [{"type": "sales.rejected", "reason": "too_early", "times": 1}]
    assert read(world, outcomes.tasks_by_source)[0]["rejected"] == 1


def test_what_qualified_them_is_named_by_event_or_threshold(world):
    world.lead("ada")
    world.lead("bo")
    world.happens("ada", "content.white_paper_downloaded")
    for _ in range(8):
        world.happens("bo", "email.clicked")
    world.run()
    assert read(world, outcomes.qualified_by_event) == [
        {"stage": "mql", "made_by": "content.white_paper_downloaded", "leads": 1},
        {"stage": "mql", "made_by": "threshold:mql", "leads": 1},
    ]


def test_the_report_takes_as_many_statements_for_many_leads_as_for_one(world):
    def statements() -> int:
        seen = []
        sa.event.listen(world.database.engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
        gather(world.database, world.now)
        return len(seen)

    world.lead("first")
    world.run()
    few = statements()
    for place in range(30):
        world.lead(f"lead{place}")
        world.happens(f"lead{place}", "content.white_paper_downloaded")
    world.days(2)
    # The listener of the first count is still there.
    assert statements() == few


def test_the_step_of_the_day_notes_totals_and_counts_nothing(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    outcome = world.run()
    assert outcome.steps["report"] == {}
    assert outcome.notes["pipeline"]["mql"] == 1
    assert outcome.notes["moves"] == {"lead to mql": 1}
