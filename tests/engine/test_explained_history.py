"""`explain`: the steps that a lead went, its messages with their reasons, and all of it as of an earlier instant."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import timedelta

import pytest
import sqlalchemy as sa

from connectors.email import Verdict
from db import sequences, tables
from tasks import reasons
from tasks.explain import explain_lead
from tests.house.project import ROOT
from tests.world import DOCUMENTS, START, World

DAY = timedelta(days=1)


def explained(world: World, name: str = "ada", at=None) -> dict:
    return explain_lead(world.context, f"{name}@example.com", world.now, at)


def longer() -> dict:
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["steps"] = [
        {"id": "thanks", "email": "thanks"},
        {"id": "three-days", "wait": "3 days"},
        {
            "id": "how-keen",
            "branch": [
                {"name": "keen", "if": {"did": "email.clicked"}, "steps": [{"id": "call", "task": {"title": "Call"}}]},
                {"name": "others", "else": True, "steps": [{"id": "more", "email": "more"}]},
            ],
        },
        {"id": "enough", "exit": "not-keen"},
    ]
    return documents


def downloads(world: World, name: str = "ada", **lead) -> None:
    world.lead(name, **lead)
    world.happens(name, "content.white_paper_downloaded")


def test_each_step_tells_when_it_ran_what_came_of_it_which_way_and_under_which_version(new_world):
    world = new_world(longer())
    downloads(world)
    world.run()
    world.days(5)
    (told,) = explained(world)["enrollments"]
    assert (told["status"], told["reason"], told["title"]) == ("exited", "not-keen", "White papers")
    assert [(step["step"], step["outcome"]) for step in told["steps"]] == [
        ("thanks", "queued"),
        ("three-days", "waited"),
        ("how-keen", "way"),
        ("more", "queued"),
        ("enough", "left"),
    ]
    assert told["steps"][2]["way"] == "others"
    assert told["steps"][0]["message"]["status"] == "accepted"
    assert {step["version"] for step in told["steps"]} == {told["version"]}
    assert [step["at"] for step in told["steps"]] == sorted(step["at"] for step in told["steps"])


def test_a_message_names_the_consent_that_allowed_it(world):
    downloads(world)
    world.run()
    (message,) = explained(world)["messages"]
    assert message["consent"] | {"since": None} == {
        "topic": "nurture",
        "status": "granted",
        "basis": "consent",
        "source": "test",
        "since": None,
    }
    assert message["why"] == "sent; allowed by consent from test"


def test_a_message_that_waits_says_why_and_when_it_goes_on(world):
    world.outbox.misbehave("stage", Verdict.RETRY)
    downloads(world)
    world.run()
    (message,) = explained(world)["messages"]
    assert (message["status"], message["reason"]) == ("queued", "temporary-refusal")
    assert message["not_before"] > world.now
    with world.database.write() as connection:
        sequences.set_state(connection, "papers", "hold", None, world.now)
    (message,) = explained(world)["messages"]
    assert (message["reason"], message["why"]) == ("on-hold", reasons.MESSAGES["on-hold"])
    (enrollment,) = explained(world)["enrollments"]
    assert (enrollment["hold"]["reason"], enrollment["hold"]["since"]) == ("on-hold", world.now)


@pytest.mark.every_database
def test_a_held_enrollment_says_why_since_when_and_until_when(world):
    downloads(world)
    world.days(1)
    until = world.now + 14 * DAY
    with world.database.write() as connection:
        connection.execute(
            sa.update(tables.enrollments).values(
                waiting_for="hold",
                wake_at=None,
                reason="colleague-replied",
                held_for="wake",
                held_since=world.now,
                held_wake_at=world.now + DAY,
                hold_until=until,
            )
        )
    (told,) = explained(world)["enrollments"]
    assert told["hold"] == {
        "reason": "colleague-replied",
        "since": world.now,
        "until": until,
        "says": "somebody else of the account has replied",
    }
    assert (told["until"], told["why"]) == (until, "somebody else of the account has replied")


def test_what_a_machine_did_is_listed_as_worth_nothing_with_who_says_so(world):
    world.lead("ada")
    world.happens("ada", "email.clicked")
    world.happens("ada", "email.clicked", machine=True)
    world.run()
    score = explained(world)["score"]
    assert score["total"] == 5
    (nothing,) = score["worth_nothing"]
    assert (nothing["type"], nothing["why"]) == ("email.clicked", "its source says that a machine did it")


def test_a_late_event_and_a_rejection_say_so(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.days(1)
    world.happens("ada", "demo.requested", START - 2 * DAY)
    world.days(1)
    world.now += timedelta(hours=1)
    world.happens("ada", "sales.rejected", reason="too_early")
    world.days(1)
    moves = explained(world)["transitions"]
    assert [(move["to"], move["late"]) for move in moves] == [("mql", False), ("sql", True), ("mql", False)]
    assert "came late" in moves[1]["why"]
    assert moves[1]["event"]["occurred_at"] == START - 2 * DAY
    assert (moves[2]["reason"], moves[2]["cool_until"]) == ("too_early", moves[2]["at"] + 10 * DAY)


def test_an_earlier_instant_shows_the_step_the_message_and_the_consent_of_then(new_world):
    world = new_world(longer())
    downloads(world)
    world.run()
    world.days(5)
    world.happens("ada", "email.unsubscribed")
    world.days(1)
    then = explained(world, at=START + DAY)
    (told,) = then["enrollments"]
    assert (told["status"], told["step"], [step["step"] for step in told["steps"]]) == (
        "active",
        "three-days",
        ["thanks"],
    )
    assert [(message["email"], message["status"]) for message in then["messages"]] == [("thanks", "accepted")]
    assert {each["topic"]: each["status"] for each in then["consents"]} == {"nurture": "granted"}
    assert {each["status"] for each in explained(world)["consents"]} == {"withdrawn"}


def test_a_message_that_was_settled_later_was_under_way_then(world):
    world.outbox.misbehave("stage", Verdict.RETRY)
    downloads(world)
    world.run()
    at = world.now + timedelta(minutes=1)
    world.now += timedelta(minutes=20)
    world.run("follow-up")
    (message,) = explained(world, at=at)["messages"]
    assert (message["status"], message["reason"]) == ("queued", "its-turn")
    (told,) = explained(world, at=at)["enrollments"]
    assert (told["step"], told["waiting_for"]) == ("thanks", "its message")
    assert explained(world)["messages"][0]["status"] == "accepted"


def test_a_sales_task_is_shown_as_it_stood_then(world):
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run()
    world.now += timedelta(hours=3)
    world.happens("ada", "sales.rejected")
    world.run("follow-up")
    assert [task["status"] for task in explained(world)["sales_tasks"]] == ["rejected"]
    then = explained(world, at=START + timedelta(hours=1))
    assert [(task["status"], task["closed_at"]) for task in then["sales_tasks"]] == [("open", None)]
    assert then["stage"]["name"] == "sql"


def test_every_reason_of_the_documents_is_known_in_plain_words():
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    section = page.partition("## Why a message was not sent")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)
    assert len(named) > 10
    assert [reason for reason in named if reason not in reasons.MESSAGES] == []
