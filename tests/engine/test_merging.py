"""Two leads are one person: what each promise of a merge comes to."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from db import audit, explain, tables
from db.merge_sales import Standing, joined_stage
from nurture.errors import BadInput, UnknownLead
from nurture.keys import content_event_id, email_hash
from nurture.records import EventRecord, Identity, LeadRecord
from tasks.merge import merge_leads
from tasks.sales_answers import record_answer
from tests.engine.whole import clean, everything, two
from tests.world import DOCUMENTS, SECRET, START

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


# --- Who is who -------------------------------------------------------------------------------------------------------


def test_every_old_identifier_leads_to_the_one_who_stays(world):
    two(world)
    ada, bo = world.lead_id("ada"), world.lead_id("bo")
    report = world.merge("ada", "bo")
    assert (report.lead, report.merged) == (ada, bo)
    with world.database.read() as connection:
        for name in (str(ada), str(bo), "ada@example.com", "bo@example.com"):
            assert explain.find_lead(connection, [name]) == ada
    world.happens("bo", "page.viewed")
    assert {row["lead_id"] for row in world.rows("events")} == {ada}
    clean(world)


def test_a_lead_that_was_merged_before_brings_its_ids_along(world):
    for name in ("ada", "bo", "cy"):
        world.lead(name)
    ada, bo, cy = (world.lead_id(name) for name in ("ada", "bo", "cy"))
    world.happens("cy", "page.viewed")
    world.merge("bo", "cy")
    world.merge("ada", "cy")
    with world.database.read() as connection:
        for name in (str(bo), str(cy), "bo@example.com", "cy@example.com"):
            assert explain.find_lead(connection, [name]) == ada
    assert [row["merged_into_id"] for row in world.rows("leads")] == [None, ada, ada]
    assert world.score("ada")["total"] == 1
    clean(world)


def test_a_lead_is_not_merged_with_itself(world):
    two(world)
    before = everything(world)
    with pytest.raises(BadInput, match="both mean lead"):
        world.merge("ada", "ada")
    assert everything(world) == before
    world.merge("ada", "bo")
    with pytest.raises(BadInput, match="both mean lead"):
        world.merge("ada", "bo")


def test_a_lead_that_nobody_knows_is_not_merged(world):
    world.lead("ada")
    before = everything(world)
    with pytest.raises(UnknownLead):
        world.merge("ada", "nobody")
    assert everything(world) == before


def test_a_dry_run_says_what_would_happen_and_changes_nothing(world):
    two(world)
    world.happens("bo", "page.viewed")
    before = everything(world)
    report = world.merge("ada", "bo", dry_run=True)
    assert everything(world) == before
    assert (report.done.events_moved, report.dry_run) == (1, True)
    assert world.merge("ada", "bo").done == report.done


def test_newer_knowledge_counts_older_fills_gaps_and_the_first_source_stays(world):
    world.lead("ada", job_title="Engineer", city="Odense", source="fair", company="Old", industry="food")
    world.now += DAY
    world.lead("bo", job_title="Director", source="newsletter", company="New", employees=20)
    world.merge("ada", "bo")
    stays, goes = world.rows("leads")
    assert (stays["job_title"], stays["city"], stays["source"]) == ("Director", "Odense", "fair")
    assert stays["attributes"] == {"industry": "food", "employees": 20}
    assert stays["email"] == "ada@example.com"
    assert stays["account_id"] == next(row["id"] for row in world.rows("accounts") if row["name"] == "New")
    assert (goes["email"], goes["email_hash"], goes["merged_at"]) == (None, None, world.now)


def test_a_lead_without_an_address_gets_the_one_of_the_other(world):
    world.store([LeadRecord((Identity("external:crm", "7"),), {"name": "Ada"})])
    world.lead("bo")
    merge_leads(world.context, "7", "bo@example.com", world.now)
    stays = world.rows("leads")[0]
    assert (stays["email"], stays["email_hash"]) == ("bo@example.com", email_hash(SECRET.encode(), "bo@example.com"))


@pytest.mark.every_database
def test_the_audit_finds_what_is_left_with_a_lead_that_is_no_more(world):
    two(world)
    bo = world.lead_id("bo")
    world.happens("bo", "page.viewed")
    world.merge("ada", "bo")
    clean(world)
    with world.database.write() as connection:
        connection.execute(tables.events.update().values(lead_id=bo))
        (found,) = audit.run_checks(connection, world.now, repair=False)
    assert (found["check"], found["examples"]) == ("merged-hold-nothing", [bo])


# --- Events and scores ------------------------------------------------------------------------------------------------


def test_points_are_never_added_up(world):
    two(world)
    world.documents["scoring"]["rules"][0]["cap"] = {"points": 10}
    world.publish()
    for name in ("ada", "bo"):
        for number in range(2):
            world.happens(name, "email.clicked", START - HOUR * number)
    world.run("follow-up")
    assert [world.score(name)["total"] for name in ("ada", "bo")] == [10, 10]
    world.merge("ada", "bo")
    assert world.score("ada")["total"] == 10
    assert len(world.rows("scores")) == 1
    clean(world)


def same_fact(name, number=0, **more):
    """The fact of a source without ids of its own, as it is told of one address."""
    who = (Identity("email", f"{name}@example.com"),)
    at, properties = more.get("at", START - HOUR), more.get("properties", {"title": "Tea"})
    id_ = content_event_id("webinars", "webinar.attended", at, who, properties, number)
    return EventRecord("webinars", id_, "webinar.attended", at, who, properties, {"email": who[0].value})


def test_a_fact_that_was_told_of_both_counts_once_and_the_other_copy_is_kept(world):
    two(world)
    world.store([same_fact("ada"), same_fact("bo")])
    world.happens("bo", "page.viewed")
    report = world.merge("ada", "bo")
    assert (report.done.events_moved, report.done.duplicates) == (1, 1)
    assert [row["lead_id"] for row in world.rows("events", source="webinars")] == [world.lead_id("ada"), None]
    (letter,) = world.rows("dead_letters")
    assert (letter["reason"], letter["status"]) == ("duplicate-in-merge", "dropped")
    # Told again by its source, it is still known.
    assert world.store([same_fact("bo")]).duplicates == 1
    world.run("follow-up")
    assert world.stage("ada") == "mql", "one webinar makes an MQL; two would have made an SQL"
    clean(world)


def test_what_one_of_them_did_twice_stays_twice(world):
    two(world)
    world.store([same_fact("ada", 0), same_fact("ada", 1), same_fact("bo", 0)])
    report = world.merge("ada", "bo")
    assert (report.done.events_moved, report.done.duplicates) == (0, 1)
    assert len(world.rows("events", lead_id=world.lead_id("ada"))) == 2


def test_facts_that_differ_in_time_or_content_are_two(world):
    two(world)
    world.store(
        [
            same_fact("ada"),
            same_fact("bo", at=START - 2 * HOUR),
            same_fact("bo", properties={"title": "Coffee"}),
        ]
    )
    assert world.merge("ada", "bo").done.duplicates == 0


def test_derived_events_follow_from_the_events_of_both(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["events"]["derived"] = {"visit.long": {"from": "page.viewed", "at_least": 3, "visit_gap": "1 h"}}
    documents["scoring"]["rules"].append({"event": "visit.long", "points": 100})
    world = new_world(documents)
    two(world)
    world.happens("ada", "page.viewed", START - 3 * timedelta(minutes=1))
    for minutes in (1, 2):
        world.happens("bo", "page.viewed", START - minutes * timedelta(minutes=1))
    world.run("follow-up")
    assert [world.score(name)["total"] for name in ("ada", "bo")] == [1, 2]
    world.merge("ada", "bo")
    assert world.score("ada")["total"] == 103


def test_the_points_of_both_companies_are_right_again(world):
    world.lead("ada", company="Acme")
    world.lead("bo", company="Bolt")
    world.happens("ada", "email.clicked")
    world.happens("bo", "email.clicked", START - HOUR)
    world.run("follow-up")
    assert [row["total"] for row in world.rows("accounts")] == [5, 5]
    world.now += DAY
    world.merge("ada", "bo")
    points = {row["name"]: row["total"] for row in world.rows("accounts")}
    (stays,) = [row for row in world.rows("leads") if row["merged_into_id"] is None]
    assert points == {name: 10 if name == stays["company"] else 0 for name in ("Acme", "Bolt")}


# --- Stages and sales -------------------------------------------------------------------------------------------------


def test_the_further_stage_counts_and_says_who_brought_it(world):
    two(world)
    world.happens("ada", "content.white_paper_downloaded")
    world.happens("bo", "demo.requested")
    world.run("follow-up")
    assert [world.stage(name) for name in ("ada", "bo")] == ["mql", "sql"]
    bo = world.lead_id("bo")
    world.now += HOUR
    world.merge("ada", "bo")
    assert world.stage("ada") == "sql"
    last = world.rows("stage_transitions")[-1]
    assert (last["from_stage"], last["to_stage"], last["cause"], last["rule"]) == ("mql", "sql", "person", "merge")
    assert str(bo) in last["reason"]
    assert {row["lead_id"] for row in world.rows("stage_transitions")} == {world.lead_id("ada")}, "ever reached"
    clean(world)


def test_a_stage_that_only_the_lead_that_goes_had_passed_was_reached(world):
    two(world)
    for kind in ("demo.requested", "deal.won"):
        world.happens("bo", kind)
        world.run("follow-up")
        world.now += HOUR
    world.merge("ada", "bo")
    assert world.stage("ada") == "customer"
    assert [row["status"] for row in world.rows("sales_tasks")] == ["won"]
    world.happens("ada", "content.white_paper_downloaded")
    world.days(2, "follow-up")
    assert world.rows("enrollments", status="active") == []
    clean(world)


def test_which_stage_two_leads_have_together():
    early, late = START, START + DAY
    lead, mql = Standing("lead", None, None), Standing("mql", None, None)
    sql, sql_later = Standing("sql", early, None), Standing("sql", late, None)
    back, back_later = Standing("mql", early, early), Standing("mql", late, late)
    customer = Standing("customer", early, None)
    again = Standing("sql", late, early)
    for one, other, stage in (
        (lead, mql, "mql"),
        (mql, sql, "sql"),
        (sql, back_later, "mql"),
        (sql_later, back, "sql"),
        (again, back, "sql"),
        (customer, back_later, "customer"),
        (back, lead, "mql"),
        (sql, sql_later, "sql"),
    ):
        assert joined_stage(one, other) == joined_stage(other, one) == stage


def test_a_later_rejection_of_either_outweighs_an_earlier_request(world):
    two(world)
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    world.now += DAY
    world.happens("bo", "demo.requested")
    world.run("follow-up")
    world.now += DAY
    (task,) = [row for row in world.rows("sales_tasks") if row["lead_id"] == world.lead_id("bo")]
    record_answer(world.context, task["id"], "rejected", "no time", world.now)
    world.run("follow-up")
    world.now += HOUR
    world.merge("ada", "bo")
    assert world.stage("ada") == "mql"
    assert [row["status"] for row in world.rows("sales_tasks")] == ["cancelled", "rejected"]
    world.days(3, "follow-up")
    assert world.stage("ada") == "mql", "there is no evidence after the rejection"
    world.happens("ada", "demo.requested")
    world.days(12, "follow-up")
    assert world.stage("ada") == "sql"
    assert [row["status"] for row in world.rows("sales_tasks")] == ["cancelled", "rejected", "open"]
    clean(world)


@pytest.mark.every_database
def test_two_open_tasks_become_one_and_the_crm_hears_of_both(new_world):
    world = new_world(profile="b2c")
    two(world)
    for name in ("bo", "ada"):
        world.happens(name, "demo.requested")
        world.run("follow-up")
        world.now += HOUR
    assert world.merge("ada", "bo").done.tasks_cancelled == 1
    ada = world.lead_id("ada")
    older, younger = world.rows("sales_tasks")
    assert (older["status"], older["lead_id"], older["subject_key"]) == ("open", ada, f"lead:{ada}")
    assert (younger["status"], younger["reason"], younger["closed_at"]) == ("cancelled", "merged", world.now)
    assert [row["lead_id"] for row in world.rows("sales_task_leads", task_id=older["id"])] == [ada]
    world.run("follow-up")
    assert [world.crm.tasks[f"task-{row['id']}"].revision for row in (older, younger)] == [1, 1]
    world.days(2, "follow-up")
    assert len(world.rows("sales_tasks")) == 2, "the events that were used ask for nothing again"
    clean(world)


def test_an_accepted_task_stays_rather_than_an_open_one(new_world):
    world = new_world(profile="b2c")
    two(world)
    for name in ("bo", "ada"):
        world.happens(name, "demo.requested")
        world.run("follow-up")
        world.now += HOUR
    record_answer(world.context, world.rows("sales_tasks")[1]["id"], "accepted", None, world.now)
    world.run("follow-up")
    world.merge("ada", "bo")
    assert [row["status"] for row in world.rows("sales_tasks")] == ["cancelled", "accepted"]


@pytest.mark.every_database
def test_the_task_of_another_company_stays_with_the_colleagues(world):
    world.lead("ada", company="Acme")
    for name in ("bo", "cy"):
        world.lead(name, company="Bolt")
    world.now += HOUR
    world.lead("ada", company="Acme", city="Odense")
    for name in ("bo", "cy", "ada"):
        world.happens(name, "demo.requested")
        world.run("follow-up")
        world.now += HOUR
    world.merge("ada", "bo")
    ada, cy = world.lead_id("ada"), world.lead_id("cy")
    assert [(row["status"], row["lead_id"]) for row in world.rows("sales_tasks")] == [("open", cy), ("open", ada)]
    assert [row["lead_id"] for row in world.rows("sales_task_leads")] == [cy, ada]
    clean(world)


def test_a_request_that_no_run_has_seen_yet_still_reaches_sales(world):
    two(world)
    world.happens("bo", "demo.requested")
    world.merge("ada", "bo")
    world.run("follow-up")
    assert [(row["status"], row["lead_id"]) for row in world.rows("sales_tasks")] == [("open", world.lead_id("ada"))]
    clean(world)
