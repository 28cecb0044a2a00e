"""Stages: one webinar makes an MQL, the next one an SQL, and sales can give a lead back."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from tasks.sales_answers import record_answer
from tests.world import DOCUMENTS, START


def moves(world, name):
    rows = world.rows("stage_transitions", lead_id=world.lead_id(name))
    return [(row["from_stage"], row["to_stage"], row["rule"]) for row in rows]


def test_one_webinar_makes_an_mql_and_only_the_next_one_an_sql(world):
    world.lead("ada")
    world.happens("ada", "webinar.attended", START - timedelta(hours=3))
    world.run()
    assert world.stage("ada") == "mql"
    world.now += timedelta(days=1)
    world.happens("ada", "webinar.attended")
    world.run()
    assert world.stage("ada") == "sql"
    assert moves(world, "ada") == [("lead", "mql", "content"), ("mql", "sql", "second-webinar")]


def test_two_webinars_that_arrive_together_in_any_order_do_the_same(world):
    world.lead("ada")
    world.happens("ada", "webinar.attended", START - timedelta(hours=1))
    world.happens("ada", "webinar.attended", START - timedelta(hours=3))
    world.run()
    assert moves(world, "ada") == [("lead", "mql", "content"), ("mql", "sql", "second-webinar")]


def test_a_webinar_from_before_the_mql_does_not_make_an_sql(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded", START - timedelta(hours=1))
    world.run()
    world.happens("ada", "webinar.attended", START - timedelta(hours=5))
    world.run()
    assert moves(world, "ada") == [("lead", "mql", "content")]


def test_a_late_demo_request_escalates_now_and_says_so(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded", START - timedelta(hours=1))
    world.run()
    world.happens("ada", "demo.requested", START - timedelta(days=5))
    world.run()
    last = world.rows("stage_transitions")[-1]
    assert (last["to_stage"], last["reason"], last["effective_at"]) == ("sql", "late event", START)


def test_a_threshold_moves_with_the_score_as_evidence(world):
    world.lead("ada")
    for number in range(8):
        world.happens("ada", "email.clicked", START - timedelta(minutes=number))
    world.run()
    move = world.rows("stage_transitions")[0]
    assert (move["to_stage"], move["cause"], move["rule"], move["score"]) == ("mql", "score", "threshold:mql", 40.0)


def test_a_lower_score_does_not_demote(world):
    world.lead("ada")
    for number in range(8):
        world.happens("ada", "email.clicked", START - timedelta(minutes=number))
    world.run()
    world.documents["scoring"]["rules"][0]["points"] = 1
    world.publish()
    world.run()
    assert world.score("ada")["total"] == 8
    assert world.stage("ada") == "mql"


def test_reaching_sql_opens_exactly_one_task_with_owner_and_due_time(world):
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    world.run("follow-up")
    task = world.rows("sales_tasks")
    assert len(task) == 1
    assert (task[0]["status"], task[0]["owner"], task[0]["reason"]) == ("open", "sales", "demo.requested")
    # Ten in the morning in Copenhagen, four business hours.
    assert task[0]["due_at"] == START + timedelta(hours=4)
    assert world.crm.tasks["task-1"].brief.startswith("# Ready to talk")


def test_a_colleague_who_qualifies_joins_the_open_task_of_the_account(world):
    world.lead("ada", company="Acme")
    world.lead("bo", company="Acme")
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    world.now += timedelta(hours=1)
    world.happens("bo", "demo.requested")
    world.run("follow-up")
    assert len(world.rows("sales_tasks")) == 1
    assert [row["lead_id"] for row in world.rows("sales_task_leads")] == [world.lead_id("ada"), world.lead_id("bo")]
    assert world.crm.tasks["task-1"].revision == 1


def test_in_b2c_every_lead_has_its_own_task(new_world):
    world = new_world(profile="b2c")
    for name in ("ada", "bo"):
        world.lead(name, company="Acme")
        world.happens(name, "demo.requested")
    world.run("follow-up")
    assert [row["subject_key"] for row in world.rows("sales_tasks")] == [
        f"lead:{world.lead_id('ada')}",
        f"lead:{world.lead_id('bo')}",
    ]


def test_a_rejected_lead_goes_back_and_needs_a_cool_down_and_new_evidence(world):
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run()
    world.days(1)
    world.happens("ada", "sales.rejected", reason="not-now")
    world.run()
    assert world.stage("ada") == "mql"
    assert world.rows("sales_tasks")[0]["status"] == "rejected"
    world.days(3)
    world.happens("ada", "demo.requested")
    world.run()
    assert world.stage("ada") == "mql"
    world.days(8)
    assert world.stage("ada") == "sql"
    assert [row["status"] for row in world.rows("sales_tasks")] == ["rejected", "open"]


def test_without_new_evidence_a_rejected_lead_stays(world):
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run()
    world.now += timedelta(hours=1)
    world.happens("ada", "sales.rejected")
    world.days(40)
    assert world.stage("ada") == "mql"


def test_an_overdue_task_escalates_once(world):
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    world.now += timedelta(hours=5)
    assert world.run("follow-up").counts["tasks_escalated"] == 1
    world.now += timedelta(hours=5)
    assert "tasks_escalated" not in world.run("follow-up").counts
    assert world.rows("sales_tasks")[0]["owner"] == "sales-lead"


def test_imported_history_moves_stages_without_opening_tasks(world):
    world.lead("ada")
    world.run()
    world.happens("ada", "demo.requested", START - timedelta(days=9), silent=True)
    world.run()
    assert world.stage("ada") == "sql"
    assert world.rows("sales_tasks") == []


def test_a_purchase_makes_a_customer_and_wins_the_task(world):
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run()
    world.days(1)
    world.happens("ada", "deal.won")
    world.run()
    assert world.stage("ada") == "customer"
    assert world.rows("sales_tasks")[0]["status"] == "won"


def test_each_reason_of_sales_has_its_own_cool_down(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["lifecycle"]["recycle"] = {"cool_down": "10 days", "reasons": {"bad-time": {"cool_down": "2 days"}}}
    world = new_world(documents)
    for name, reason in (("ada", "bad-time"), ("bo", "no-budget")):
        world.lead(name)
        world.happens(name, "demo.requested")
        world.run()
        world.now += timedelta(minutes=1)
        world.happens(name, "sales.rejected", reason=reason)
        world.happens(name, "demo.requested", world.now + timedelta(minutes=1))
        world.run()
    world.days(3)
    assert (world.stage("ada"), world.stage("bo")) == ("sql", "mql")
    assert [row["reason"] for row in world.rows("stage_transitions", cause="recycle")] == ["bad-time", "no-budget"]
    # The machine was off when the other cool-down ended.
    world.now += timedelta(days=20)
    world.run()
    assert world.stage("bo") == "sql"


@pytest.mark.every_database
def test_whom_sales_gives_back_takes_the_colleagues_of_the_task_along(world):
    for name in ("ada", "bo"):
        world.lead(name, company="Acme")
        world.happens(name, "demo.requested")
    world.run("follow-up")
    world.now += timedelta(hours=1)
    record_answer(world.context, 1, "rejected", "not-now", world.now)
    world.run("follow-up")
    assert (world.stage("ada"), world.stage("bo")) == ("mql", "mql")
    world.days(11)
    world.happens("bo", "demo.requested")
    world.run("follow-up")
    first, second = world.rows("sales_tasks")
    assert (first["status"], second["status"], second["lead_id"]) == ("rejected", "open", world.lead_id("bo"))


def test_a_task_of_a_sequence_is_settled_by_its_own_answer_and_no_other_task_is(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["steps"] = [{"id": "call", "task": {"title": "Call"}}, {"id": "w", "wait": "9 days"}]
    world = new_world(documents)
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.run("follow-up")
    world.now += timedelta(hours=1)
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    world.now += timedelta(hours=1)
    record_answer(world.context, 1, "rejected", "nobody-there", world.now)
    world.run("follow-up")
    assert [(row["kind"], row["status"]) for row in world.rows("sales_tasks")] == [
        ("step", "rejected"),
        ("sql", "open"),
    ]
    assert world.stage("ada") == "sql"
    assert world.crm.tasks["task-1"].revision == 1


def test_an_unsubscribe_is_no_new_evidence_after_a_rejection(world):
    world.documents["scoring"]["rules"].append({"event": "email.unsubscribed", "points": -5})
    world.publish()
    world.lead("ada")
    for _ in range(22):
        world.happens("ada", "email.clicked")
    world.run()
    assert world.stage("ada") == "sql"
    world.now += timedelta(hours=1)
    world.happens("ada", "sales.rejected")
    world.days(1)
    world.happens("ada", "email.unsubscribed")
    world.days(12)
    assert world.stage("ada") == "mql"
