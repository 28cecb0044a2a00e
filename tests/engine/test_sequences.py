"""Sequences: who enters, what they receive and when, and how they leave."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from tests.world import DOCUMENTS, START

QUIET = {"did": {"event": "page.viewed", "within": "30 days"}}


def with_steps(*steps, **changes):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"] |= {"steps": list(steps), **changes}
    return documents


def downloads(world, name="ada", **lead):
    world.lead(name, **lead)
    world.happens(name, "content.white_paper_downloaded")


def enrollment(world, name="ada"):
    return world.rows("enrollments", lead_id=world.lead_id(name))[-1]


def test_a_download_enrolls_once_and_sends_each_mail_in_its_time(world):
    downloads(world)
    world.run()
    assert world.received("ada") == ["thanks"]
    world.days(2)
    assert world.received("ada") == ["thanks"]
    world.days(1)
    assert world.received("ada") == ["thanks", "more"]
    assert (enrollment(world)["status"], enrollment(world)["reason"]) == ("completed", "completed")


def test_entry_is_on_the_edge_and_never_twice(world):
    downloads(world)
    world.days(6)
    world.happens("ada", "content.white_paper_downloaded")
    world.days(6)
    assert len(world.rows("enrollments")) == 1


def test_a_second_run_at_the_same_instant_changes_nothing(world):
    downloads(world)
    world.run()
    before = {name: world.rows(name) for name in ("enrollments", "executed_steps", "messages", "sales_tasks", "scores")}
    again = world.run()
    assert {name: world.rows(name) for name in before} == before
    assert {key: value for key, value in again.counts.items() if value and not key.startswith("leads_in_")} == {}


def test_a_reply_ends_the_sequence_before_any_further_step(world):
    downloads(world)
    world.days(2)
    world.happens("ada", "email.replied")
    world.run()
    assert (enrollment(world)["status"], enrollment(world)["reason"]) == ("exited", "replied")
    world.days(10)
    assert world.received("ada") == ["thanks"]


def test_a_reply_from_before_the_entry_ends_nothing(world):
    world.lead("ada")
    world.happens("ada", "email.replied", START - timedelta(days=3))
    world.happens("ada", "content.white_paper_downloaded")
    world.run()
    assert enrollment(world)["status"] == "active"


def test_reaching_the_goal_ends_the_sequence_and_sales_takes_over(world):
    downloads(world)
    world.days(1)
    world.happens("ada", "demo.requested")
    world.run()
    assert enrollment(world)["status"] == "goal"
    world.days(9)
    assert world.received("ada") == ["thanks"]


def test_a_branch_takes_the_first_way_whose_condition_holds(new_world):
    world = new_world(
        with_steps(
            {
                "id": "which",
                "branch": [
                    {"if": {"field": "country", "is": "DK"}, "steps": [{"id": "dk", "email": "thanks"}]},
                    {"if": {"stage": "mql"}, "steps": [{"id": "mql", "email": "more"}]},
                    {"else": True, "steps": [{"id": "stop", "exit": "not-ours"}]},
                ],
            },
            {"id": "end", "update": {"field": "industry", "to": "read it"}},
        )
    )
    downloads(world, "ada", country="DK")
    downloads(world, "bo", country="US")
    world.days(2)
    assert (world.received("ada"), world.received("bo")) == (["thanks"], ["more"])
    assert {row["detail"] for row in world.rows("executed_steps", step_id="which")} == {"way-1", "way-2"}
    assert [row["attributes"] for row in world.rows("leads")] == [{"industry": "read it"}] * 2


def test_the_ways_of_a_branch_meet_again(new_world):
    world = new_world(
        with_steps(
            {
                "id": "which",
                "branch": [{"if": {"field": "country", "is": "DK"}, "steps": [{"id": "dk", "wait": "1 day"}]}],
            },
            {"id": "both", "email": "more"},
        )
    )
    downloads(world, "ada", country="DK")
    downloads(world, "bo", country="US")
    world.run()
    assert (world.received("ada"), world.received("bo")) == ([], ["more"])
    world.days(1)
    assert world.received("ada") == ["more"]


@pytest.mark.parametrize("clicks", [True, False])
def test_waiting_for_an_event_goes_on_when_it_comes_and_at_the_timeout_when_it_does_not(new_world, clicks):
    world = new_world(
        with_steps(
            {"id": "thanks", "email": "thanks"},
            {"id": "click", "wait": {"until": "email.clicked", "timeout": "5 days"}},
            {"id": "more", "email": "more"},
        )
    )
    downloads(world)
    world.days(2)
    if clicks:
        world.now += timedelta(hours=1)
        world.happens("ada", "email.clicked")
        world.run("follow-up")
        assert world.received("ada") == ["thanks", "more"]
    world.days(4)
    assert world.received("ada") == ["thanks", "more"]
    outcome = next(row["outcome"] for row in world.rows("executed_steps") if row["step_id"] == "click")
    assert outcome == ("event" if clicks else "timeout")


def test_an_awaited_event_that_came_before_the_wait_was_noticed_still_counts(new_world):
    world = new_world(
        with_steps(
            {"id": "thanks", "email": "thanks"},
            {"id": "click", "wait": {"until": "email.clicked", "timeout": "20 days"}},
            {"id": "more", "email": "more"},
        )
    )
    downloads(world)
    world.run()
    # The click lies between the sending and the run that notices that the message is settled.
    world.now += timedelta(minutes=30)
    world.happens("ada", "email.clicked")
    world.now += timedelta(hours=1)
    world.run("follow-up")
    assert world.received("ada") == ["thanks", "more"]


def test_steps_for_audiences_and_people(new_world):
    world = new_world(
        with_steps(
            {"id": "retarget", "audience": {"add": "readers"}},
            {"id": "call", "task": {"title": "Call this MQL", "kind": "call", "due": "2 days"}},
            {"id": "pause", "wait": "1 day"},
            {"id": "no-more", "audience": {"remove": "readers"}},
        )
    )
    downloads(world, ads=True)
    downloads(world, "bo")
    world.run()
    assert len(world.platform.members["readers"]) == 1
    tasks = world.rows("sales_tasks")
    assert {(task["kind"], task["title"]) for task in tasks} == {("step", "Call this MQL")}
    assert world.stage("ada") == "mql"
    world.days(1, "daily-sync")
    assert world.platform.members["readers"] == set()


def test_quiet_leads_enter_when_time_alone_makes_it_true(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["entry"] = {
        "when": {"all": [{"did": "page.viewed"}, {"not": QUIET}]},
        "reentry": {"after": "20 days"},
    }
    world = new_world(documents)
    world.lead("ada")
    world.happens("ada", "page.viewed")
    world.now += timedelta(days=27)
    world.days(2, "daily-sync")
    assert world.rows("enrollments") == []
    world.days(1, "daily-sync")
    assert len(world.rows("enrollments")) == 1
    world.days(10, "daily-sync")
    world.happens("ada", "page.viewed")
    world.now += timedelta(days=28)
    world.days(3, "daily-sync")
    assert len(world.rows("enrollments")) == 2


def test_imported_history_enrolls_nobody_and_what_comes_after_does(world):
    world.lead("ada")
    world.run()
    world.happens("ada", "content.white_paper_downloaded", START - timedelta(days=3), silent=True)
    world.run()
    assert (world.stage("ada"), world.rows("enrollments")) == ("mql", [])


def test_without_consent_nothing_is_sent_and_the_sequence_goes_on(world):
    downloads(world, consent=False)
    world.days(6)
    assert world.received("ada") == []
    assert world.reasons("ada") == ["no-consent", "no-consent"]
    assert enrollment(world)["status"] == "completed"


def test_an_unsubscribe_skips_every_further_mail_and_takes_the_lead_off_audiences(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["steps"].insert(0, {"id": "retarget", "audience": {"add": "readers"}})
    world = new_world(documents)
    downloads(world, ads=True)
    world.days(1, "daily-sync")
    world.happens("ada", "email.unsubscribed")
    world.days(9, "daily-sync")
    assert world.received("ada") == ["thanks"]
    assert world.reasons("ada")[0] in ("unsubscribed", "suppressed")
    assert world.platform.members["readers"] == set()


def test_a_window_holds_a_mail_until_it_opens_where_the_lead_lives(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["window"] = {
        "days": ["mon", "tue", "wed", "thu", "fri"],
        "from": "08:00",
        "to": "17:00",
    }
    world = new_world(documents)
    downloads(world, "ada", country="DK")
    downloads(world, "bo", time_zone="America/New_York", country="DK")
    world.run()
    assert (world.received("ada"), world.received("bo")) == (["thanks"], [])
    held = world.rows("messages", lead_id=world.lead_id("bo"))[0]
    # Eight o'clock in New York, where summer time has not begun.
    assert (held["status"], held["reason"], held["not_before"]) == ("queued", "quiet-hours", START.replace(hour=13))
    world.now += timedelta(hours=4)
    world.run("follow-up")
    assert world.received("bo") == ["thanks"]


def test_a_step_that_is_too_late_is_skipped_with_its_reason(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["steps"][2]["max_lateness"] = "2 days"
    world = new_world(documents)
    downloads(world)
    world.days(1)
    world.now += timedelta(days=20)
    world.run()
    world.days(1)
    assert (world.received("ada"), world.reasons("ada")) == (["thanks"], ["too-late"])
    assert enrollment(world)["status"] == "completed"


def test_hold_stops_the_clocks_and_stop_lets_everybody_leave(world):
    from db import sequences

    downloads(world)
    world.run()
    with world.database.write() as connection:
        sequences.set_state(connection, "papers", "hold", "new prices", world.now)
    world.days(10)
    assert world.received("ada") == ["thanks"]
    with world.database.write() as connection:
        sequences.set_state(connection, "papers", "stop", None, world.now)
    world.run()
    assert (enrollment(world)["status"], enrollment(world)["reason"]) == ("exited", "sequence-stopped")


def test_publishing_takes_those_in_flight_along_and_nobody_is_stranded(world):
    downloads(world)
    world.days(1)
    world.documents["sequences/papers"]["steps"] = [
        {"id": "thanks", "email": "thanks"},
        {"id": "more", "email": "more"},
    ]
    world.publish()
    world.run()
    assert world.received("ada") == ["thanks", "more"]


def test_publishing_a_new_sequence_enrolls_only_those_who_become_eligible_afterwards(world):
    downloads(world)
    world.run()
    world.documents["sequences/second"] = {**deepcopy(DOCUMENTS["sequences/papers"]), "sequence": "second"}
    world.publish()
    world.days(1)
    downloads(world, "bo")
    world.run()
    assert [row["lead_id"] for row in world.rows("enrollments", sequence="second")] == [world.lead_id("bo")]


def test_the_number_of_statements_does_not_grow_with_the_number_of_leads(new_world):
    from sqlalchemy import event

    def statements(people):
        world = new_world()
        for number in range(people):
            downloads(world, f"lead{number}")
        counted = []
        event.listen(world.database.engine, "before_cursor_execute", lambda *a: counted.append(a[2]))
        for flow in ("rescore", "restage", "enroll", "advance"):
            world.run(flow)
        return len(counted)

    assert statements(2) == statements(40)


def test_the_audit_finds_nothing_after_a_busy_month(world):
    for number in range(12):
        downloads(world, f"lead{number}", ads=True, consent=number % 4 != 0)
    for day in range(30):
        if day % 3 == 0:
            world.happens(f"lead{day // 3}", "demo.requested" if day % 2 else "email.replied")
        world.days(1)
    assert world.run("audit").notes.get("audit") is None


def test_the_audit_sees_a_broken_sum(world):
    import sqlalchemy as sa

    from db import tables

    downloads(world)
    world.run()
    with world.database.write() as connection:
        connection.execute(sa.update(tables.scores).values(total=999.0))
    outcome = world.run("audit")
    assert [breach["check"] for breach in outcome.notes["audit"]] == ["sums"]


def test_a_step_that_deadlocked_is_done_again(world, monkeypatch):
    from db.engine import DatabaseBusy
    from tasks import day

    tries = []

    def unlucky(run):
        tries.append(run.now)
        if len(tries) < day.MOST_TRIES:
            raise DatabaseBusy
        return {"done": 1}

    monkeypatch.setitem(day.FLOWS, "unlucky", (unlucky,))
    assert world.run("unlucky").counts == {"done": 1}
    assert len(tries) == day.MOST_TRIES
