"""Verdicts do not depend on the order in which events arrive, and agree with the rules said in plain Python."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.properties.examples import examples
from tests.world import DOCUMENTS, START, World

SENT = START
TOO_FAST, WITHIN, LINKS = timedelta(seconds=2), timedelta(seconds=10), 3
KINDS = ("email.clicked", "email.clicked", "email.clicked", "email.opened", "email.delivered")
AGENTS = (None, "Firefox", "SLACKBOT 1.0", "Mozilla/5.0")
# Seconds after the hand-over, around every border of the rules.
MOMENTS = (-3, -2, 0, 2, 3, 60, 64, 69, 70, 71, 75, 80, 3000, 3002, 3003)

facts = st.builds(
    dict,
    kind=st.sampled_from(KINDS),
    second=st.sampled_from(MOMENTS),
    url=st.sampled_from((None, "a", "b", "c", "d")),
    agent=st.sampled_from(AGENTS),
    machine=st.sampled_from((False, False, False, True)),
    person=st.sampled_from((None, None, None, "human", "machine")),
)


def documents() -> dict[str, Any]:
    made = {**DOCUMENTS, "events": {**DOCUMENTS["events"], "events": dict(DOCUMENTS["events"]["events"])}}
    made["events"]["events"]["email.delivered"] = {"label": "Delivered", "channel": "email", "direction": "push"}
    return made


def reference(fact: dict[str, Any], everything: list[dict[str, Any]]) -> tuple[bool, str | None]:
    """The verdict on one fact, from the words of the page."""
    if fact["person"]:
        return fact["person"] == "machine", "person"
    if fact["machine"]:
        return True, "source"
    if fact["kind"] == "email.delivered":
        return False, None
    if "slackbot" in (fact["agent"] or "").lower():
        return True, "prefetcher"
    if fact["kind"] == "email.opened" and fact["agent"] == "Mozilla/5.0":
        return True, "privacy-open"
    arrivals = [0, *(each["second"] for each in everything if each["kind"] == "email.delivered")]
    if any(abs(fact["second"] - arrival) <= TOO_FAST.total_seconds() for arrival in arrivals):
        return True, "too-fast"
    clicks = [each for each in everything if each["kind"] == "email.clicked"]
    for begin in (each["second"] for each in clicks):
        moment = [each for each in clicks if begin <= each["second"] <= begin + WITHIN.total_seconds()]
        links = {each["url"] for each in moment if each["url"]}
        if fact["kind"] == "email.clicked" and fact in moment and len(links) >= LINKS:
            return True, "every-link"
    return False, None


class Bench:
    """One world per database; each example is a lead of its own with one mail."""

    def __init__(self, url: str, home: Path) -> None:
        self.world = World(url, home, documents())
        self.number = 0

    def lead(self) -> tuple[str, str]:
        """A new lead that has just had a mail, with the key of that mail."""
        self.number += 1
        name = f"lead{self.number}"
        self.world.now = SENT
        self.world.lead(name)
        self.world.happens(name, "content.white_paper_downloaded")
        self.world.run("follow-up")
        (message,) = self.world.rows("messages", lead_id=self.world.lead_id(name))
        assert message["handed_over_at"] == SENT
        return name, message["key"]

    def verdicts(self, given: list[dict[str, Any]], order: list[int], cuts: set[int]) -> dict[int, Any]:
        """The verdicts by fact when they come in this order, with a rescore at each cut; and the score agrees."""
        from db import judgements

        world = self.world
        name, key = self.lead()
        for place, index in enumerate(order):
            fact = given[index]
            said = {"url": fact["url"], "user_agent": fact["agent"], "number": index, "message_key": key}
            properties = {each: value for each, value in said.items() if value is not None}
            world.now = SENT + timedelta(hours=1)
            at = SENT + timedelta(seconds=fact["second"])
            world.happens(name, fact["kind"], at, machine=fact["machine"], event_id=f"{name}-{index}", **properties)
            if fact["person"]:
                event_id = world.rows("events", source_event_id=f"{name}-{index}")[0]["id"]
                with world.database.write() as connection:
                    judgements.judge(connection, event_id, fact["person"], None, world.now)
            if place in cuts:
                world.run("rescore")
        world.run("rescore")
        rows = [row for row in world.rows("events", lead_id=world.lead_id(name)) if "number" in row["properties"]]
        clicks = sum(1 for row in rows if row["type"] == "email.clicked" and not row["machine"])
        assert world.score(name)["total"] == 10 + 5 * clicks
        return {row["properties"]["number"]: (row["machine"], row["machine_by"]) for row in rows}


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def bench(request, tmp_path_factory):
    """A bench on each database, for all examples of a test."""
    from tests.databases import PostgresDatabases, SqliteDatabases

    if request.param == "sqlite":
        databases = SqliteDatabases(request.getfixturevalue("sqlite_folder"))
    else:
        databases = PostgresDatabases(request.getfixturevalue("pg_server"))
    made = Bench(databases.migrated(), tmp_path_factory.mktemp("machines"))
    yield made
    made.world.close()
    databases.drop_all()


@settings(max_examples=examples(8), suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_verdicts_are_the_same_in_any_order_of_arrival_and_as_the_page_says(bench, data):
    given_facts = data.draw(st.lists(facts, min_size=1, max_size=8), label="facts")
    numbers = list(range(len(given_facts)))
    order = data.draw(st.permutations(numbers), label="order")
    cuts = data.draw(st.sets(st.sampled_from(numbers)), label="rescored after")
    expected = {number: reference(fact, given_facts) for number, fact in enumerate(given_facts)}
    assert bench.verdicts(given_facts, list(order), cuts) == expected
    assert bench.verdicts(given_facts, numbers, set()) == expected
