"""Promises of the semantics page that have no home of their own: late events, what a wait counts from, audiences."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest
import sqlalchemy as sa

from connectors.email import Verdict
from connectors.email.memory import MemoryOutbox, MemorySession
from nurture.errors import DefinitionError
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


def test_a_late_event_sends_nothing_back_dated_and_undoes_no_timeout(new_world):
    steps = [
        {"id": "click", "wait": {"until": "email.clicked", "timeout": "2 days"}},
        {"id": "pause", "wait": "3 days"},
        {"id": "more", "email": "more"},
    ]
    world = new_world(with_sequence(steps=steps))
    downloads(world)
    world.days(2)
    before = enrollment(world)
    assert before["step_id"] == "pause"
    world.happens("ada", "email.clicked", START + timedelta(days=1))
    world.run("follow-up")
    assert enrollment(world) == before
    outcomes = {row["step_id"]: row["outcome"] for row in world.rows("executed_steps")}
    assert outcomes == {"click": "timeout"}
    world.days(3)
    [message] = world.rows("messages")
    assert message["due_at"] == message["handed_over_at"] == START + timedelta(days=5)
    assert world.score("ada")["total"] == 15


def test_the_reason_of_a_rejection_chooses_the_sequence(new_world):
    documents = deepcopy(DOCUMENTS)
    reasons = {"too_early": {"sequence": "patience"}, "no_budget": {"sequence": "prices"}}
    documents["lifecycle"]["recycle"] = {"cool_down": "10 days", "reasons": reasons}
    for name in ("patience", "prices"):
        entry = {"when": {"did": "video.watched"}}
        documents[f"sequences/{name}"] = {**deepcopy(documents["sequences/papers"]), "sequence": name, "entry": entry}
    world = new_world(documents)
    for name, reason in (("ada", "too_early"), ("bo", "no_budget")):
        world.lead(name)
        world.happens(name, "demo.requested")
        world.run("follow-up")
        world.now += timedelta(hours=1)
        world.happens(name, "sales.rejected", reason=reason)
        world.run("follow-up")
    assert (enrollment(world)["sequence"], enrollment(world, "bo")["sequence"]) == ("patience", "prices")
    assert world.stage("ada") == "mql"
    world.days(2)
    world.happens("ada", "page.viewed")
    world.days(2)
    assert [row["sequence"] for row in world.rows("enrollments")] == ["patience", "prices"]


def test_a_run_that_died_after_a_rejection_was_noted_still_sends_the_lead_to_its_sequence(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["lifecycle"]["recycle"] = {"reasons": {"too_early": {"sequence": "patience"}}}
    entry = {"when": {"did": "video.watched"}}
    documents["sequences/patience"] = {
        **deepcopy(documents["sequences/papers"]),
        "sequence": "patience",
        "entry": entry,
    }
    world = new_world(documents)
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    world.now += timedelta(hours=1)
    world.happens("ada", "sales.rejected", reason="too_early")
    for part in ("rescore", "restage"):
        world.run(part)
    world.now += timedelta(minutes=10)
    world.run("follow-up")
    assert enrollment(world)["sequence"] == "patience"


def test_a_transition_by_an_event_keeps_the_score_of_that_moment_too(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.run("follow-up")
    [move] = world.rows("stage_transitions")
    assert (move["cause"], move["score"]) == ("event", 10.0)


def test_a_lead_with_an_open_task_leaves_its_sequences_and_enters_none(new_world):
    world = new_world(with_sequence(goal=None))
    downloads(world)
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    assert (enrollment(world)["status"], enrollment(world)["reason"]) == ("exited", "in-sales-hands")
    world.lead("bo")
    world.happens("bo", "demo.requested")
    world.run("follow-up")
    world.happens("bo", "content.white_paper_downloaded")
    world.days(2)
    assert world.rows("enrollments", lead_id=world.lead_id("bo")) == []


def test_a_database_with_nothing_published_takes_the_working_tree_and_says_so(database_url, tmp_path):
    from db.engine import Database
    from tasks.context import Context
    from tasks.day import run_flow
    from tasks.settings import Settings

    templates = tmp_path / "templates"
    templates.mkdir()
    settings = Settings(home=tmp_path, database_url=database_url, secret="a secret of the tests, long enough")
    context = Context(settings=settings, database=Database(database_url), email=MemoryOutbox())
    with pytest.raises(DefinitionError):
        run_flow(context, "rescore", START)
    import shutil
    from pathlib import Path

    shutil.rmtree(templates)
    shutil.copytree(Path(__file__).parents[2] / "templates", templates)
    outcome = run_flow(context, "rescore", START)
    assert outcome.steps["publish"] == {"published": 1}
    assert "working tree" in outcome.notes["published"]
    assert "publish" not in run_flow(context, "rescore", START).steps
    context.database.dispose()


def test_after_an_unsubscribe_the_steps_that_send_nothing_still_run(new_world):
    steps = [
        {"id": "thanks", "email": "thanks"},
        {"id": "pause", "wait": "1 day"},
        {"id": "more", "email": "more"},
        {"id": "note", "update": {"field": "industry", "to": "read it"}},
        {"id": "look", "task": {"title": "Look at it", "kind": "look"}},
    ]
    world = new_world(with_sequence(steps=steps))
    downloads(world)
    world.happens("ada", "email.unsubscribed")
    world.days(2)
    assert world.received("ada") == ["thanks"]
    assert world.reasons("ada") in (["unsubscribed"], ["suppressed"])
    assert world.rows("leads")[0]["attributes"] == {"industry": "read it"}
    assert [row["title"] for row in world.rows("sales_tasks")] == ["Look at it"]
    assert enrollment(world)["status"] == "completed"


VERDICTS = [
    (Verdict.ACCEPTED, "accepted", timedelta(0)),
    (Verdict.REJECTED, "rejected", timedelta(0)),
    (Verdict.UNKNOWN, "unknown", timedelta(0)),
]


@pytest.mark.parametrize(("verdict", "status", "later"), VERDICTS)
def test_the_next_wait_counts_from_what_really_became_of_the_mail(new_world, verdict, status, later):
    window = {"days": ["tue"], "from": "08:00", "to": "17:00"}
    world = new_world(with_sequence(window=window))
    if verdict is not Verdict.ACCEPTED:
        world.outbox.misbehave("commit", verdict)
    downloads(world)
    # The mail waits for Tuesday; the pause after it counts from then, not from Monday.
    world.now = START + timedelta(days=1)
    world.run("follow-up")
    assert world.rows("messages")[0]["status"] == status
    assert (enrollment(world)["step_id"], enrollment(world)["wake_at"]) == (
        "three-days",
        world.now + timedelta(days=3) + later,
    )


def test_a_mail_that_was_skipped_or_given_up_lets_the_sequence_go_on_from_that_verdict(world):
    downloads(world, consent=False)
    assert world.reasons("ada") == ["no-consent"]
    assert enrollment(world)["wake_at"] == START + timedelta(days=3)
    world.outbox.misbehave("stage", Verdict.RETRY, times=10)
    downloads(world, "bo")
    while world.rows("messages", lead_id=world.lead_id("bo"))[0]["status"] != "failed":
        world.now += timedelta(hours=6)
        world.run("follow-up")
    assert enrollment(world, "bo")["wake_at"] - world.now in (timedelta(days=3), timedelta(days=3, hours=-1))


def test_a_sequence_that_is_drained_lets_nobody_enter_and_those_inside_go_on(world):
    from db import sequences

    downloads(world)
    with world.database.write() as connection:
        sequences.set_state(connection, "papers", "drain", None, world.now)
    downloads(world, "bo")
    world.days(3)
    assert world.received("ada") == ["thanks", "more"]
    assert world.rows("enrollments", lead_id=world.lead_id("bo")) == []


class AnUnsubscribeIsFaster(MemoryOutbox):
    """Everything but the dot has been handed over when the unsubscribe commits."""

    def meet(self, moment, mail):
        if moment == "stage":
            self.world.happens("ada", "email.unsubscribed")
        return super().meet(moment, mail)


def test_an_unsubscribe_that_commits_before_the_hand_over_stops_the_mail(new_world):
    outbox = AnUnsubscribeIsFaster()
    outbox.world = world = new_world(email=outbox)
    downloads(world)
    assert outbox.messages == []
    assert world.reasons("ada") in (["unsubscribed"], ["suppressed"])


def readers(world):
    return world.platform.members.get("readers", set())


def test_an_audience_is_told_the_difference_only_and_only_of_those_who_allow_it(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["audiences"]["audiences"]["readers"]["when"] = {"did": "page.viewed"}
    world = new_world(documents)
    for name, allows in (("ada", True), ("bo", True), ("cleo", False)):
        world.lead(name, ads=allows)
        world.happens(name, "page.viewed")
    world.run()
    assert len(readers(world)) == 2
    world.lead("dan", ads=True)
    world.happens("dan", "page.viewed")
    world.now += timedelta(days=1)
    counts = world.run().counts
    assert counts["audience_adds_told"] == 1
    assert len(readers(world)) == 3
    world.now += timedelta(days=1)
    assert world.run().counts.get("audience_adds_told") is None


def test_whoever_sales_has_and_whoever_has_bought_leave_prospecting_audiences(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["audiences"]["audiences"]["readers"]["when"] = {"did": "page.viewed"}
    world = new_world(documents)
    for name in ("ada", "bo", "cleo"):
        world.lead(name, ads=True)
        world.happens(name, "page.viewed")
    world.run()
    world.now += timedelta(days=1)
    world.happens("ada", "demo.requested")
    world.happens("bo", "deal.won")
    assert world.run().counts["audience_removes_told"] == 2
    assert len(readers(world)) == 1


@pytest.mark.every_database
def test_a_connection_that_is_lost_while_the_last_reply_is_waited_for_leaves_nothing_unknown(world, monkeypatch):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    taken = MemorySession.commit

    def loses_the_database(session):
        if world.database.dialect == "postgresql":
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            mine = sa.create_engine(world.database.url)
            with mine.begin() as connection:
                connection.execute(sa.text(f"{others} AND datname = current_database()"))
            mine.dispose()
        return taken(session)

    monkeypatch.setattr(MemorySession, "commit", loses_the_database)
    world.run()
    assert [row["status"] for row in world.rows("messages")] == ["accepted"]
