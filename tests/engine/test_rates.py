"""Complaints and hard bounces past their limit let a sequence rest, visibly, until a person lets it go on."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from db import sequences
from tasks.report_data import gather
from tasks.report_remarks import remarks
from tasks.run_summary import attention_rows, markdown, summarise
from tests.engine.test_walks import walks
from tests.world import DOCUMENTS

LIMITS = {"window": "10 days", "at_least": 4, "complaints": {"warn": 20, "hold": 50}, "hard_bounces": {"hold": 60}}
READERS = [f"lead{number}" for number in range(6)]


def objects(world, name, kind="email.complained", /, **properties):
    """A reader answers the last mail that it got."""
    message = world.rows("messages", lead_id=world.lead_id(name), status="accepted")[-1]
    world.happens(name, kind, message_key=message["key"], **properties)


def reads(world, names):
    for name in names:
        world.lead(name)
        world.happens(name, "content.white_paper_downloaded")


def state(world):
    return {row["sequence"]: (row["state"], row["reason"]) for row in world.rows("sequence_states")}


@pytest.fixture
def read(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["lifecycle"]["deliverability"] = LIMITS
    world = new_world(documents)
    reads(world, READERS)
    world.run("follow-up")
    world.now += timedelta(hours=1)
    return world


def test_below_the_limit_a_run_warns_and_goes_on(read):
    world = read
    for name in READERS[:2]:
        objects(world, name)
    outcome = world.run("follow-up")
    assert outcome.counts["rate_warnings"] == 1
    assert state(world) == {}
    summary = summarise(world.database, outcome, "UTC")
    assert "ripen report" in [row["command"] for row in attention_rows(summary)]
    world.now += timedelta(minutes=10)
    assert "rate_warnings" not in world.run("follow-up").counts
    [said] = [each for each in remarks(gather(world.database, world.now)) if "complaint" in each]
    assert said.startswith("Near the limit, papers, complaint-rate: 2 of 6 mails in 10 days")


@pytest.mark.parametrize(
    ("kind", "properties", "number", "code"),
    [("email.complained", {}, 3, "complaint-rate"), ("email.bounced", {"kind": "hard"}, 4, "bounce-rate")],
)
def test_at_the_limit_the_sequence_rests_before_anything_more_goes_out(read, kind, properties, number, code):
    world = read
    for name in READERS[:number]:
        objects(world, name, kind, **properties)
    reads(world, ["late"])
    outcome = world.run("follow-up")
    assert outcome.counts["sequences_held"] == 1
    assert state(world)["papers"][0] == "hold"
    assert state(world)["papers"][1].startswith(f"{code}: {number} of 6 mails")
    assert world.received("late") == []
    assert "complaints or bounces" in markdown(summarise(world.database, outcome, "UTC"))
    assert any("papers rests" in each for each in remarks(gather(world.database, world.now)))
    world.days(3)
    assert state(world)["papers"][0] == "hold"
    assert world.received(READERS[-1]) == ["thanks"]


def test_soft_bounces_and_what_answers_no_mail_of_ours_hold_nothing(read):
    world = read
    for name in READERS:
        objects(world, name, "email.bounced", kind="soft")
    world.run("follow-up")
    for name in READERS[:2]:
        world.happens(name, "email.complained")
    world.run("follow-up")
    assert state(world) == {}


def test_after_a_person_has_let_it_go_on_only_what_is_sent_since_counts(read):
    world = read
    for name in READERS[:3]:
        objects(world, name)
    world.run("follow-up")
    with world.database.write() as connection:
        sequences.set_state(connection, "papers", "on", None, world.now)
    objects(world, READERS[3])
    world.now += timedelta(minutes=10)
    world.run("follow-up")
    assert state(world)["papers"][0] == "on"
    again = [f"new{number}" for number in range(4)]
    reads(world, again)
    world.run("follow-up")
    world.now += timedelta(hours=1)
    for name in again[:2]:
        objects(world, name)
    world.run("follow-up")
    assert state(world)["papers"][1].startswith("complaint-rate: 2 of 4 mails")


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_looking_at_the_rates_walks_through_no_table(read):
    world = read
    objects(world, READERS[0])
    objects(world, READERS[1], "email.bounced", kind="hard")
    assert list(walks(world, "follow-up")) == []
