"""Account scores: the sum of a company's people, and what it sets off for colleagues."""

from __future__ import annotations

from copy import deepcopy

import pytest
import sqlalchemy as sa

from db import account_scores, tables, work
from tests.world import DOCUMENTS, World

ENTRY = {"when": {"account_score": {"at_least": 15}}}


def asking(**changes):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"] |= changes
    return documents


def totals(world: World) -> dict[str, float]:
    return {row["name"]: row["total"] for row in world.rows("accounts")}


def entered(world: World) -> set[int]:
    return {row["lead_id"] for row in world.rows("enrollments")}


def test_an_account_adds_up_its_people_by_dimension(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["scoring"]["fit"] = [{"id": "near", "when": {"field": "country", "is": "DK"}, "points": 3}]
    world = new_world(documents)
    world.lead("ada", company="Acme ApS", country="DK")
    world.lead("bo", company="ACME")
    world.happens("ada", "email.clicked")
    world.happens("bo", "content.white_paper_downloaded")
    world.run("rescore")
    (account,) = world.rows("accounts")
    assert (account["interest"], account["fit"], account["total"]) == (15.0, 3.0, 18.0)


def test_without_account_scores_nothing_adds_up(new_world):
    world = new_world(profile="b2c")
    world.lead("ada", company="Acme")
    world.happens("ada", "email.clicked")
    world.run("rescore")
    assert totals(world) == {"Acme": 0.0}


def test_a_lead_that_goes_to_another_company_takes_its_points_along(world):
    world.lead("ada", company="Acme")
    world.lead("bo", company="Acme")
    world.happens("ada", "email.clicked")
    world.happens("bo", "page.viewed")
    world.run("rescore")
    assert totals(world) == {"Acme": 6.0}
    world.lead("ada", company="Beta")
    world.run("rescore")
    assert totals(world) == {"Acme": 1.0, "Beta": 5.0}


def test_an_account_that_its_last_lead_has_left_is_worth_nothing(world):
    world.lead("ada", company="Acme")
    world.happens("ada", "email.clicked")
    world.run("rescore")
    world.lead("ada", company="Beta")
    world.run("rescore")
    assert totals(world) == {"Acme": 0.0, "Beta": 5.0}


@pytest.mark.parametrize("colleague", [False, True])
def test_a_lead_that_becomes_part_of_another_is_taken_out_of_its_account(world, colleague):
    world.lead("ada", company="Acme")
    world.lead("bo", company="Beta")
    if colleague:
        world.lead("cy", company="Acme")
        world.happens("cy", "page.viewed")
    world.happens("ada", "email.clicked")
    world.run("rescore")
    (ada, bo), leads, events = (world.lead_id(name) for name in ("ada", "bo")), tables.leads, tables.events
    with world.database.write() as connection:
        connection.execute(sa.update(events).where(events.c.lead_id == ada).values(lead_id=bo))
        connection.execute(sa.update(leads).where(leads.c.id == ada).values(merged_into_id=bo))
        work.mark_ids(connection, "score", [ada, bo], world.now)
        account_scores.left(connection, [world.rows("leads", id=ada)[0]["account_id"]], world.now, silent=False)
    world.run("rescore")
    assert totals(world) == {"Acme": 1.0 if colleague else 0.0, "Beta": 5.0}


def test_a_merged_lead_has_no_points_for_its_profile(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["scoring"]["fit"] = [{"id": "near", "when": {"field": "country", "is": "DK"}, "points": 3}]
    world = new_world(documents)
    world.lead("ada", country="DK")
    world.lead("bo")
    ada, bo, leads = world.lead_id("ada"), world.lead_id("bo"), tables.leads
    with world.database.write() as connection:
        connection.execute(sa.update(leads).where(leads.c.id == ada).values(merged_into_id=bo))
    world.run("rescore")
    assert world.rows("scores", lead_id=ada)[0]["total"] == 0


def test_a_colleague_enters_when_the_account_reaches_the_score(new_world):
    world = new_world(asking(entry=ENTRY))
    world.lead("ada", company="Acme")
    world.lead("bo", company="Acme")
    world.happens("ada", "content.white_paper_downloaded")
    world.run("follow-up")
    assert entered(world) == set()
    world.happens("ada", "email.clicked")
    world.run("follow-up")
    assert entered(world) == {world.lead_id("ada"), world.lead_id("bo")}


def test_a_colleague_leaves_when_the_account_reaches_the_goal(new_world):
    world = new_world(asking(entry={"when": {"did": "page.viewed"}}, goal={"account_score": {"at_least": 15}}))
    world.lead("ada", company="Acme")
    world.lead("bo", company="Acme")
    world.happens("bo", "page.viewed")
    world.run("follow-up")
    world.happens("ada", "content.white_paper_downloaded")
    world.happens("ada", "email.clicked")
    world.run("follow-up")
    assert [(row["status"], row["reason"]) for row in world.rows("enrollments")] == [("goal", "goal")]


def test_those_who_stay_in_an_older_version_that_asks_for_it_are_looked_at_too(new_world):
    world = new_world(asking(entry={"when": {"did": "page.viewed"}}, goal={"account_score": {"at_least": 15}}))
    world.lead("ada", company="Acme")
    world.lead("bo", company="Acme")
    world.happens("bo", "page.viewed")
    world.run("follow-up")
    del world.documents["sequences/papers"]["goal"]
    world.publish(pinned=True)
    world.run("follow-up")
    world.happens("ada", "content.white_paper_downloaded")
    world.happens("ada", "email.clicked")
    world.run("follow-up")
    assert [row["status"] for row in world.rows("enrollments", lead_id=world.lead_id("bo"))] == ["goal"]


@pytest.mark.every_database
def test_a_colleague_becomes_an_mql_when_the_account_lets_the_threshold_count(new_world):
    documents = deepcopy(DOCUMENTS)
    thresholds = {"mql": 5, "sql": 1000, "only_if": {"account_score": {"at_least": 8}}}
    documents["lifecycle"]["profiles"]["b2b"]["thresholds"] = thresholds
    world = new_world(documents)
    world.lead("ada", company="Acme")
    world.lead("bo", company="Acme")
    world.happens("bo", "email.clicked")
    world.run("follow-up")
    assert world.stage("bo") == "lead"
    world.happens("ada", "email.clicked")
    world.run("follow-up")
    assert world.stage("bo") == "mql"


def test_imported_history_of_a_colleague_enrolls_nobody(new_world):
    world = new_world(asking(entry=ENTRY))
    world.lead("ada", company="Acme")
    world.lead("bo", company="Acme")
    world.run("follow-up")
    world.happens("ada", "content.white_paper_downloaded", silent=True)
    world.happens("ada", "email.clicked", silent=True)
    world.run("follow-up")
    assert (totals(world), entered(world)) == ({"Acme": 15.0}, set())


@pytest.mark.every_database
@pytest.mark.parametrize("asks", [False, True])
def test_colleagues_are_looked_at_only_where_something_asks_and_the_sum_changes(new_world, asks):
    world = new_world(asking(entry=ENTRY) if asks else None)
    world.lead("ada", company="Acme")
    world.lead("bo", company="Acme")
    world.run("follow-up")
    bo = world.lead_id("bo")
    # The sum stays what it is.
    world.happens("ada", "video.watched")
    world.run("rescore")
    assert bo not in {row["lead_id"] for row in world.rows("work_queue")}
    world.happens("ada", "email.clicked")
    world.run("rescore")
    assert (bo in {row["lead_id"] for row in world.rows("work_queue", queue="entry")}) is asks


def test_a_merge_that_brings_points_to_an_account_takes_its_people_to_the_goal(new_world):
    world = new_world(asking(entry={"when": {"did": "page.viewed"}}, goal={"account_score": {"at_least": 15}}))
    for name in ("ada", "bo"):
        world.lead(name, company="Acme")
    world.lead("ada-at-home")
    world.happens("bo", "page.viewed")
    world.happens("ada-at-home", "content.white_paper_downloaded")
    world.happens("ada-at-home", "email.clicked")
    world.run("follow-up")
    world.merge("ada", "ada-at-home")
    world.run("follow-up")
    assert [row["reason"] for row in world.rows("enrollments", lead_id=world.lead_id("bo"))] == ["goal"]
