"""`explain`: everything that a person asks about one lead, and it adds up."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest
import sqlalchemy as sa

from db import tables
from nurture.errors import UnknownLead
from tasks.explain import explain_lead
from tests.world import DOCUMENTS, START, World


def explained(world: World, name: str, at=None) -> dict:
    return explain_lead(world.context, f"{name}@example.com", world.now, at)


def test_the_contributions_add_up_to_the_score(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["scoring"] = {
        "rules": [
            {"event": "email.clicked", "points": 5, "cap": 8, "group": "mail"},
            {"event": "email.opened", "points": 3, "group": "mail"},
            {"event": "demo.requested", "points": 50, "decay": {"half_life": "10 days"}},
        ],
        "fit": [{"id": "known", "when": {"field": "company", "is_set": True}, "points": 4}],
        "groups": {"mail": {"cap": 9}},
        "floor": 0,
    }
    world = new_world(documents)
    world.lead("ada", company="Example Ltd")
    for kind in ("email.clicked", "email.clicked", "email.opened", "email.opened", "demo.requested"):
        world.happens("ada", kind)
    world.days(5)
    score = explained(world, "ada")["score"]
    for dimension in ("interest", "fit"):
        parts = [each["points"] for each in score["contributions"] if each["dimension"] == dimension]
        assert sum(parts) == pytest.approx(score[dimension])
    assert score["total"] == pytest.approx(score["interest"] + score["fit"])
    assert {each["kind"] for each in score["contributions"]} == {"rule", "cap", "group_cap"}


def test_each_rule_names_the_events_behind_it_and_no_machine(world):
    world.lead("ada")
    world.happens("ada", "email.clicked", START - timedelta(days=1))
    world.happens("ada", "email.clicked")
    world.happens("ada", "email.clicked", machine=True)
    world.run()
    (part,) = explained(world, "ada")["score"]["contributions"]
    assert part["rule"] == "email.clicked"
    assert [each["occurred_at"] for each in part["events"]] == [START - timedelta(days=1), START]
    assert part["times"] == len(part["events"])


def test_the_stage_names_its_cause_and_evidence(world):
    world.lead("ada")
    world.happens("ada", "demo.requested", START - timedelta(hours=5))
    world.run()
    facts = explained(world, "ada")
    assert facts["stage"] == {"name": "sql", "since": START - timedelta(hours=5), "cause": "demo.requested"}
    (move,) = facts["transitions"]
    assert (move["from"], move["to"], move["rule"]) == ("lead", "sql", "contact")
    assert move["event"]["type"] == "demo.requested"
    assert facts["missing_to_sql"] is None


def test_what_is_missing_to_sql_is_points_or_one_of_these_events(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.run()
    missing = explained(world, "ada")["missing_to_sql"]
    assert (missing["threshold"], missing["points"]) == (100, 90)
    # From MQL, a webinar will do, too.
    assert missing["events"] == ["demo.requested", "webinar.attended"]


def test_after_a_rejection_it_says_from_when_sales_may_have_the_lead_again(world):
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run()
    world.now += timedelta(hours=2)
    rejected_at = world.now
    world.happens("ada", "sales.rejected")
    world.days(1)
    missing = explained(world, "ada")["missing_to_sql"]
    assert missing["not_before"] == rejected_at + timedelta(days=10)


def test_an_enrollment_says_where_it_stands_what_it_waits_for_and_how_it_ended(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.days(1)
    (waiting,) = explained(world, "ada")["enrollments"]
    assert (waiting["step"], waiting["status"], waiting["waiting_for"]) == ("three-days", "active", "its time")
    assert waiting["until"] == world.rows("enrollments")[0]["wake_at"]
    world.happens("ada", "email.replied")
    world.days(1)
    (ended,) = explained(world, "ada")["enrollments"]
    assert (ended["status"], ended["reason"]) == ("exited", "replied")


def test_every_message_sent_or_not_is_there_with_its_reason(world):
    world.lead("ada", consent=False)
    world.happens("ada", "content.white_paper_downloaded")
    world.days(1)
    (message,) = explained(world, "ada")["messages"]
    assert (message["status"], message["reason"]) == ("skipped", "no-consent")


def test_the_score_of_an_earlier_instant_and_nothing_is_changed_by_asking(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.days(2)
    world.happens("ada", "demo.requested")
    world.days(1)
    before = world.rows("scores"), world.rows("score_contributions"), world.rows("work_queue")
    then = explained(world, "ada", START + timedelta(days=1))
    assert (then["score"]["total"], then["stage"]["name"]) == (10, "mql")
    assert then["missing_to_sql"]["points"] == 90
    assert (world.rows("scores"), world.rows("score_contributions"), world.rows("work_queue")) == before
    assert explained(world, "ada")["score"]["total"] == 60


def test_an_earlier_instant_is_judged_by_the_definitions_of_that_time(world):
    world.lead("ada")
    world.happens("ada", "email.clicked")
    world.days(2)
    world.documents["scoring"]["rules"][0]["points"] = 7
    world.publish()
    world.days(1)
    assert explained(world, "ada")["score"]["total"] == 7
    assert explained(world, "ada", START + timedelta(days=1))["score"]["total"] == 5


@pytest.mark.every_database
def test_a_lead_is_found_by_id_by_address_in_any_spelling_and_by_phone(world):
    world.lead("ada")
    with world.database.write() as connection:
        connection.execute(
            sa.insert(tables.identities).values(
                kind="phone", value="+4520123456", lead_id=world.lead_id("ada"), created_at=world.now
            )
        )
    world.run()
    for name in (str(world.lead_id("ada")), "ADA@Example.com", "+45 20 12 34 56", "20 12 34 56"):
        assert explain_lead(world.context, name, world.now)["lead"]["first_name"] == "Ada"


def test_an_old_id_leads_to_the_lead_that_it_was_merged_into(world):
    world.lead("ada")
    world.lead("bo")
    world.run()
    with world.database.write() as connection:
        connection.execute(
            sa.update(tables.leads)
            .where(tables.leads.c.id == world.lead_id("bo"))
            .values(merged_into_id=world.lead_id("ada"))
        )
    facts = explain_lead(world.context, str(world.lead_id("bo")), world.now)
    assert facts["lead"]["id"] == world.lead_id("ada")
    assert facts["lead"]["merged_ids"] == [world.lead_id("bo")]


def test_nobody_by_that_name_is_said_without_repeating_the_name(world):
    with pytest.raises(UnknownLead) as raised:
        explained(world, "nobody")
    assert "nobody" not in str(raised.value)
