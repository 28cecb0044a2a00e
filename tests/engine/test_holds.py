"""Holds of single leads: a colleague's reply, an open sales task, a person; clocks stop and go on where they were."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

from db import holds, sequences
from tests.world import DOCUMENTS, START


def downloads(world, name="ada", **lead):
    world.lead(name, **lead)
    world.happens(name, "content.white_paper_downloaded")
    world.run("follow-up")


def enrollment(world, name="ada"):
    return world.rows("enrollments", lead_id=world.lead_id(name))[-1]


def with_sequence(**changes):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"] |= changes
    return documents


def hold(world, name="ada", until=None):
    with world.database.write() as connection:
        return holds.hold_lead(connection, "papers", world.lead_id(name), until, world.now)


def resume(world, name="ada"):
    with world.database.write() as connection:
        return holds.resume_lead(connection, "papers", world.lead_id(name), world.now)


def set_state(world, state):
    with world.database.write() as connection:
        sequences.set_state(connection, "papers", state, None, world.now)


def test_a_reply_pauses_the_colleagues_until_the_stated_time_and_their_clocks_go_on_where_they_stopped(world):
    for name in ("ada", "bo"):
        downloads(world, name, company="Acme")
    downloads(world, "cleo", company="Other")
    world.days(1)
    world.happens("bo", "email.replied")
    world.run("follow-up")
    replied_at = world.now
    assert (enrollment(world, "bo")["reason"], enrollment(world, "cleo")["waiting_for"]) == ("replied", "wake")
    held = enrollment(world)
    assert (held["waiting_for"], held["reason"]) == ("hold", "colleague-replied")
    assert held["hold_until"] == replied_at + timedelta(days=14)
    world.days(14)
    # Fourteen days were no waiting: of three days one had passed.
    assert enrollment(world)["wake_at"] == replied_at + timedelta(days=16)
    world.days(1)
    assert world.received("ada") == ["thanks"]
    world.days(1)
    assert world.received("ada") == ["thanks", "more"]


def test_a_pause_ends_at_its_stated_time_also_when_the_run_comes_later(world):
    for name in ("ada", "bo"):
        downloads(world, name, company="Acme")
    world.days(1)
    world.happens("bo", "email.replied")
    world.run("follow-up")
    world.now += timedelta(days=15)
    world.run("follow-up")
    assert enrollment(world)["wake_at"] == START + timedelta(days=17)


def test_a_person_lets_a_colleague_go_on_and_the_same_reply_pauses_no_more(world):
    for name in ("ada", "bo"):
        downloads(world, name, company="Acme")
    world.days(1)
    world.happens("bo", "email.replied")
    world.run("follow-up")
    assert resume(world) == 1
    world.happens("bo", "page.viewed")
    world.happens("ada", "page.viewed")
    world.run("follow-up")
    assert enrollment(world)["waiting_for"] == "wake"
    world.now += timedelta(hours=2)
    world.happens("bo", "email.replied")
    world.run("follow-up")
    assert enrollment(world)["reason"] == "colleague-replied"


def test_a_second_reply_makes_the_pause_longer(world):
    for name in ("ada", "bo"):
        downloads(world, name, company="Acme")
    world.days(1)
    world.happens("bo", "email.replied")
    world.run("follow-up")
    world.days(5)
    world.happens("bo", "email.replied")
    world.run("follow-up")
    assert enrollment(world)["hold_until"] == world.now + timedelta(days=14)


def test_a_reply_pauses_nobody_where_tasks_are_per_lead_nor_an_answering_machine_anybody(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["events"]["events"]["email.auto_replied"] = {"label": "a", "channel": "email", "direction": "push"}
    private = new_world(documents, profile="b2c")
    business = new_world(documents)
    for world in (private, business):
        for name in ("ada", "bo"):
            downloads(world, name, company="Acme")
        world.happens("bo", "email.replied" if world is private else "email.auto_replied")
        world.run("follow-up")
    assert enrollment(private)["waiting_for"] == "wake"
    assert (enrollment(business)["waiting_for"], enrollment(business, "bo")["status"]) == ("wake", "active")


def test_a_mail_that_waits_for_its_turn_is_not_sent_during_a_hold_and_does_not_come_too_late_by_it(new_world):
    window = {"days": ["tue"], "from": "08:00", "to": "17:00"}
    world = new_world(with_sequence(window=window))
    downloads(world)
    assert hold(world) == 1
    world.days(20)
    assert (world.received("ada"), enrollment(world)["held_for"]) == ([], "message")
    resume(world)
    world.days(3)
    assert world.received("ada") == ["thanks"]


def test_an_awaited_event_that_came_during_a_hold_counts_when_it_ends(new_world):
    steps = [
        {"id": "click", "wait": {"until": "email.clicked", "timeout": "20 days"}},
        {"id": "more", "email": "more"},
    ]
    world = new_world(with_sequence(steps=steps))
    downloads(world)
    hold(world, until=START + timedelta(days=5))
    world.days(2)
    world.happens("ada", "email.clicked")
    world.run("follow-up")
    assert world.received("ada") == []
    world.days(3)
    assert world.received("ada") == ["more"]


def test_an_exit_is_looked_at_also_during_a_hold(world):
    downloads(world)
    hold(world)
    world.happens("ada", "email.replied")
    world.run("follow-up")
    assert (enrollment(world)["status"], enrollment(world)["reason"], enrollment(world)["held_for"]) == (
        "exited",
        "replied",
        None,
    )


def test_a_sequence_that_pauses_holds_the_lead_while_sales_has_it_and_goes_on_when_the_task_is_closed(new_world):
    world = new_world(with_sequence(goal=None, in_sales_hands="pause", entry={"when": {"did": "page.viewed"}}))
    world.lead("ada")
    world.happens("ada", "page.viewed")
    world.run("follow-up")
    world.days(1)
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    assert enrollment(world)["reason"] == "in-sales-hands"
    world.days(10)
    assert world.received("ada") == ["thanks"]
    world.happens("ada", "sales.rejected", reason="too_early")
    world.run("follow-up")
    assert enrollment(world)["wake_at"] == world.now + timedelta(days=2)
    world.days(2)
    assert world.received("ada") == ["thanks", "more"]


def test_a_mail_of_a_pausing_sequence_is_held_and_never_skipped_because_of_sales(new_world):
    window = {"days": ["tue"], "from": "08:00", "to": "17:00"}
    documents = with_sequence(goal=None, in_sales_hands="pause", window=window, entry={"when": {"did": "page.viewed"}})
    world = new_world(documents)
    world.lead("ada")
    world.happens("ada", "page.viewed")
    world.run("follow-up")
    world.happens("ada", "demo.requested")
    # Sales gets the lead, and a worker delivers before anybody has looked at the sequence.
    for part in ("rescore", "restage"):
        world.run(part)
    world.now = START + timedelta(days=1)
    world.run("deliver")
    assert [row["status"] for row in world.rows("messages")] == ["queued"]
    assert enrollment(world)["reason"] == "in-sales-hands"
    world.happens("ada", "sales.rejected", reason="too_early")
    world.run("follow-up")
    world.days(7)
    assert world.received("ada") == ["thanks", "more"]


def test_a_hold_of_the_sequence_and_one_of_the_lead_count_their_common_time_once(world):
    downloads(world)
    world.days(1)
    set_state(world, "hold")
    world.days(2)
    hold(world)
    world.days(3)
    set_state(world, "on")
    world.days(4)
    resume(world)
    # Days 1 to 10 were on hold, one way or both: of three days one has passed.
    assert enrollment(world)["wake_at"] == START + timedelta(days=12)


def test_nobody_goes_on_while_the_whole_sequence_is_on_hold(world):
    downloads(world)
    world.days(1)
    hold(world, until=START + timedelta(days=3))
    world.days(1)
    set_state(world, "hold")
    world.days(5)
    assert enrollment(world)["waiting_for"] == "hold"
    set_state(world, "on")
    world.run("follow-up")
    # Of three days one has passed; two are left after the longer of the two holds.
    assert enrollment(world)["wake_at"] == START + timedelta(days=9)


def test_an_awaited_event_that_came_while_the_sequence_was_on_hold_counts_when_it_runs_again(new_world):
    steps = [
        {"id": "click", "wait": {"until": "email.clicked", "timeout": "20 days"}},
        {"id": "more", "email": "more"},
    ]
    world = new_world(with_sequence(steps=steps))
    for name in ("ada", "bo"):
        downloads(world, name)
    set_state(world, "hold")
    world.days(2)
    world.happens("ada", "email.clicked")
    world.days(3)
    set_state(world, "on")
    world.run("follow-up")
    assert (world.received("ada"), world.received("bo")) == (["more"], [])
    assert enrollment(world, "bo")["wake_at"] == START + timedelta(days=25)
    world.days(2)
    world.happens("bo", "email.clicked")
    world.run("follow-up")
    assert world.received("bo") == ["more"]


def test_the_audit_is_content_with_holds(world):
    for name in ("ada", "bo"):
        downloads(world, name, company="Acme")
    world.days(1)
    world.happens("bo", "email.replied")
    world.run("follow-up")
    world.days(5)
    assert world.run("audit").notes.get("audit") is None
