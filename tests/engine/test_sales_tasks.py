"""Sales tasks: one open per lead or account, due in business hours, settled by what sales says, wherever it does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import event

from tasks.briefs import build_brief
from tasks.context import Run
from tasks.rescore import rescore
from tasks.restage import restage
from tests.world import DOCUMENTS, START

HOUR = timedelta(hours=1)


def tasks(world):
    """Each task as whom it is about, how it stands, and who is in it."""
    names = {row["id"]: row["first_name"].lower() for row in world.rows("leads")}
    people = world.rows("sales_task_leads")
    return [
        (
            names[row["lead_id"]],
            row["status"],
            sorted(names[each["lead_id"]] for each in people if each["task_id"] == row["id"]),
        )
        for row in world.rows("sales_tasks")
    ]


def two_in_one_task(world):
    """Ada asked at the start, her colleague Bo an hour later."""
    for name in ("ada", "bo"):
        world.lead(name, company="Acme")
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    world.now += HOUR
    world.happens("bo", "demo.requested")
    world.run("follow-up")
    assert tasks(world) == [("ada", "open", ["ada", "bo"])]
    world.now += HOUR


def test_an_sql_by_a_late_event_goes_to_sales_now_and_says_that_it_came_late(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded", START - HOUR)
    world.run("follow-up")
    world.happens("ada", "demo.requested", START - timedelta(days=5))
    world.run("follow-up")
    task = world.rows("sales_tasks")[0]
    assert task["title"] == "Ready to talk: demo.requested (came late)"
    assert (task["qualified_at"], task["due_at"]) == (START, START + 4 * HOUR)
    with world.database.read() as connection:
        facts, _ = build_brief(connection, task["id"], world.context.compiled(), world.context.settings, world.now)
    assert facts["task"]["reason"] == "demo.requested, came late, 2026-02-25"


def test_a_request_that_is_heard_of_days_later_says_so_though_nothing_came_in_between(world):
    world.lead("ada")
    world.happens("ada", "demo.requested", START - timedelta(days=3))
    world.run("follow-up")
    move, task = world.rows("stage_transitions")[0], world.rows("sales_tasks")[0]
    assert (move["effective_at"], move["reason"]) == (START - timedelta(days=3), "late event")
    assert task["title"].endswith("(came late)")


def test_a_request_of_this_morning_does_not(world):
    world.lead("ada")
    world.happens("ada", "demo.requested", START - 5 * HOUR)
    world.run("follow-up")
    assert not world.rows("sales_tasks")[0]["title"].endswith("(came late)")


def test_what_sales_said_before_our_run_opened_the_task_is_about_this_task(world):
    world.lead("ada")
    world.happens("ada", "demo.requested", START - HOUR)
    world.run("follow-up")
    world.happens("ada", "sales.rejected", START - HOUR / 2, reason="not-now")
    world.now += HOUR
    world.run("follow-up")
    assert (world.stage("ada"), tasks(world)) == ("mql", [("ada", "rejected", ["ada"])])


def test_a_no_from_before_the_lead_qualified_is_about_something_else(world):
    world.lead("ada")
    world.happens("ada", "sales.rejected", START - 2 * HOUR)
    world.happens("ada", "demo.requested", START - HOUR)
    world.run("follow-up")
    assert (world.stage("ada"), tasks(world)) == ("sql", [("ada", "open", ["ada"])])


def test_who_qualified_was_given_back_and_qualified_again_before_a_run_has_one_task_about_the_last_time(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["lifecycle"]["recycle"] = {"cool_down": "0 minutes"}
    world = new_world(documents)
    world.lead("ada")
    for hours, kind in ((5, "demo.requested"), (4, "sales.rejected"), (3, "demo.requested")):
        world.happens("ada", kind, START - hours * HOUR)
    world.run("follow-up")
    assert tasks(world) == [("ada", "open", ["ada"])]
    assert world.rows("sales_tasks")[0]["qualified_at"] == START - 3 * HOUR


def test_a_no_about_one_person_that_a_crm_tells_gives_everybody_in_the_task_back(world):
    two_in_one_task(world)
    world.happens("bo", "sales.rejected", reason="not-now")
    world.run("follow-up")
    assert (world.stage("ada"), world.stage("bo")) == ("mql", "mql")
    assert tasks(world) == [("ada", "rejected", ["ada", "bo"])]
    before = world.rows("events")
    world.run("follow-up")
    assert world.rows("events") == before
    reasons = {row["reason"] for row in world.rows("stage_transitions", cause="recycle")}
    assert reasons == {"not-now"}


def test_a_colleague_who_asked_after_a_no_that_came_late_gets_a_task_of_their_own(world):
    two_in_one_task(world)
    world.happens("ada", "sales.rejected", START + HOUR / 2)
    world.run("follow-up")
    assert (world.stage("ada"), world.stage("bo")) == ("mql", "sql")
    assert tasks(world) == [("ada", "rejected", ["ada", "bo"]), ("bo", "open", ["bo"])]


def test_a_deal_with_one_person_is_a_deal_with_all_in_the_task(world):
    two_in_one_task(world)
    world.happens("bo", "deal.won", amount=900)
    world.run("follow-up")
    assert (world.stage("ada"), world.stage("bo")) == ("customer", "customer")
    assert tasks(world) == [("ada", "won", ["ada", "bo"])]
    # The amount belongs to one of them.
    assert [row["properties"] for row in world.rows("events", source="ripen:sales")] == [{}]


def test_whichever_rule_makes_a_customer_the_task_is_won(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["lifecycle"]["conversions"][3]["on"] = ["video.watched"]
    world = new_world(documents)
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    world.now += HOUR
    world.happens("ada", "video.watched")
    world.run("follow-up")
    assert tasks(world) == [("ada", "won", ["ada"])]


def test_a_task_that_was_accepted_in_time_never_escalates(world):
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    world.now += 3 * HOUR
    world.happens("ada", "sales.accepted")
    world.now += 30 * HOUR
    world.run("follow-up")
    task = world.rows("sales_tasks")[0]
    assert (task["status"], task["accepted_at"], task["escalated_at"]) == ("accepted", START + 3 * HOUR, None)


def test_an_escalation_is_seen_by_the_crm(world):
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    world.now += 5 * HOUR
    world.run("follow-up")
    told = world.crm.tasks["task-1"]
    assert (told.revision, told.facts["task"]["owner"]) == (1, "sales-lead")
    assert told.facts["task"]["escalated_at"] == world.now.isoformat()


def test_the_first_answer_that_closes_a_task_counts_whatever_the_order_of_arrival(world):
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    world.happens("ada", "deal.won", START + 3 * HOUR)
    world.happens("ada", "sales.accepted", START + HOUR)
    world.happens("ada", "deal.lost", START + 2 * HOUR)
    world.now += 4 * HOUR
    world.run("follow-up")
    task = world.rows("sales_tasks")[0]
    assert (task["status"], task["accepted_at"], task["closed_at"]) == ("lost", START + HOUR, START + 2 * HOUR)


def test_a_machine_answers_no_task(world):
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    world.now += HOUR
    world.happens("ada", "sales.rejected", machine=True)
    world.run("follow-up")
    assert tasks(world) == [("ada", "open", ["ada"])]


def test_a_task_follows_its_lead_into_the_account_and_joins_the_one_that_is_open_there(world):
    world.lead("ada", company="Acme")
    world.lead("bo")
    for name in ("ada", "bo"):
        world.happens(name, "demo.requested")
    world.run("follow-up")
    assert tasks(world) == [("ada", "open", ["ada"]), ("bo", "open", ["bo"])]
    world.happens("bo", "sales.accepted", world.now + timedelta(minutes=1))
    world.now += HOUR
    world.run("follow-up")
    world.lead("bo", company="Acme")
    world.run("follow-up")
    # Somebody has taken that of Bo.
    assert tasks(world) == [("ada", "cancelled", ["ada"]), ("bo", "accepted", ["ada", "bo"])]
    first, second = world.rows("sales_tasks")
    assert first["reason"] == "goes on in task 2"
    assert second["subject_key"] == f"account:{second['account_id']}"
    before = world.rows("sales_tasks")
    world.run("follow-up")
    assert world.rows("sales_tasks") == before


def test_two_tasks_that_take_each_others_account_do(world):
    for name, company in (("ada", "Acme"), ("bo", "Beta")):
        world.lead(name, company=company)
        world.happens(name, "demo.requested")
    world.run("follow-up")
    keys = [row["subject_key"] for row in world.rows("sales_tasks")]
    world.now += HOUR
    world.lead("ada", company="Beta")
    world.lead("bo", company="Acme")
    world.run("follow-up")
    assert [row["subject_key"] for row in world.rows("sales_tasks")] == keys[::-1]
    assert tasks(world) == [("ada", "open", ["ada"]), ("bo", "open", ["bo"])]


def test_two_runs_at_once_give_colleagues_to_sales_in_one_task(world):
    names = [f"lead{number}" for number in range(6)]
    for name in names:
        world.lead(name, company="Acme")
        world.happens(name, "demo.requested")
    rescore(Run(world.context, world.now))
    contexts = [replace(world.context, batch_size=1) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda context: restage(Run(context, world.now)), contexts))
    assert [row["status"] for row in world.rows("sales_tasks")] == ["open"]
    assert len(world.rows("sales_task_leads")) == 6
    assert sum(counts["transitions"] for counts in found) == 6


def test_a_run_at_the_same_instant_changes_nothing(world):
    two_in_one_task(world)
    world.happens("ada", "sales.rejected")
    world.run("follow-up")
    kept = ("leads", "stage_transitions", "sales_tasks", "sales_task_leads", "events", "scores")
    before = [world.rows(table) for table in kept if table != "leads"]
    with world.database.write() as connection:
        from db import scores

        scores.mark_everyone(connection, world.now)
    world.run("follow-up")
    assert [world.rows(table) for table in kept if table != "leads"] == before


def test_imported_history_ahead_of_a_run_does_not_make_a_real_request_silent(world):
    world.lead("ada")
    world.happens("ada", "demo.requested", START + timedelta(minutes=3))
    world.run("follow-up")
    world.now += timedelta(minutes=10)
    world.happens("ada", "page.viewed", START - timedelta(days=9), silent=True)
    world.run("follow-up")
    assert tasks(world) == [("ada", "open", ["ada"])]


def test_handing_over_takes_as_many_statements_for_many_leads_as_for_two(new_world):
    counted = []
    for number in (2, 30):
        world = new_world()
        for each in range(number):
            world.lead(f"lead{each}", company=f"Firm {each // 2}")
            world.happens(f"lead{each}", "demo.requested")
        world.run("follow-up")
        world.now += HOUR
        for each in range(0, number, 2):
            world.happens(f"lead{each}", "sales.rejected")
        statements = []

        def note(*args, seen=statements):
            seen.append(args[2])

        event.listen(world.database.engine, "before_cursor_execute", note)
        for step in (rescore, restage):
            step(Run(world.context, world.now))
        event.remove(world.database.engine, "before_cursor_execute", note)
        assert {row["status"] for row in world.rows("sales_tasks")} == {"rejected"}
        counted.append(len(statements))
    assert counted[0] == counted[1]
