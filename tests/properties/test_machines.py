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
# Seconds from a visit to the hidden link: of the same agent, and of anybody; from a HEAD of the same agent.
SAME_AGENT, ANY_AGENT, AFTER_HEAD = 600, 60, 10
MAILS, MOMENT = 3, 5
MINUTE = timedelta(minutes=1)
KINDS = ("email.clicked", "email.clicked", "email.clicked", "email.opened", "email.delivered")
AGENTS = (None, "Firefox", "SLACKBOT 1.0", "Mozilla/5.0")
# Seconds after the hand-over, around every border of the rules.
MOMENTS = (-3, -2, 0, 2, 3, 60, 64, 69, 70, 71, 75, 80, 130, 131, 600, 660, 661, 3000, 3002, 3003)

facts = st.builds(
    dict,
    kind=st.sampled_from(KINDS),
    second=st.sampled_from(MOMENTS),
    url=st.sampled_from((None, "a", "b", "c", "d")),
    agent=st.sampled_from(AGENTS),
    told=st.sampled_from(({}, {}, {}, {"honeypot": True}, {"method": "HEAD"}, {"method": "GET"}, {"prefetch": True})),
    network=st.sampled_from((None, None, "192.0.2.0/24")),
    mail=st.sampled_from((0, 0, 0, 0, 1, 2)),
    machine=st.sampled_from((False, False, False, True)),
    person=st.sampled_from((None, None, None, "human", "machine")),
)


def documents() -> dict[str, Any]:
    made = {**DOCUMENTS, "events": {**DOCUMENTS["events"], "events": dict(DOCUMENTS["events"]["events"])}}
    made["events"]["events"]["email.delivered"] = {"label": "Delivered", "channel": "email", "direction": "push"}
    return made


def gives_away(fact: dict[str, Any], tell: dict[str, Any], **told: Any) -> bool:
    """Whether a click of the same mail has such a property, unless a person says that it was a person's."""
    is_tell = tell["kind"] == "email.clicked" and all(tell["told"].get(name) == value for name, value in told.items())
    return is_tell and tell["person"] != "human" and tell["mail"] == fact["mail"]


def is_near(fact: dict[str, Any], tell: dict[str, Any], same_agent: int, any_agent: int = -1) -> bool:
    distance = abs(fact["second"] - tell["second"])
    same = fact["agent"] is not None and (fact["agent"] or "").lower() == (tell["agent"] or "").lower()
    return distance <= any_agent or (same and distance <= same_agent)


def is_trapped(fact: dict[str, Any], everything: list[dict[str, Any]]) -> bool:
    if fact["kind"] == "email.clicked" and fact["told"].get("honeypot"):
        return True
    tells = [each for each in everything if gives_away(fact, each, honeypot=True)]
    return any(is_near(fact, each, SAME_AGENT, ANY_AGENT) for each in tells)


def only_asked(fact: dict[str, Any], everything: list[dict[str, Any]]) -> bool:
    if fact["told"].get("method") == "HEAD" or fact["told"].get("prefetch"):
        return True
    tells = [each for each in everything if gives_away(fact, each, method="HEAD")]
    return fact["kind"] == "email.clicked" and any(is_near(fact, each, AFTER_HEAD) for each in tells)


def place(fact: dict[str, Any]) -> str | None:
    return fact["network"] or (fact["agent"] and fact["agent"].lower())


def in_moment(fact: dict[str, Any], clicks: list[dict[str, Any]], length: float) -> list[list[dict[str, Any]]]:
    """The moments of that length which a click begins and which the fact lies in."""
    begins = [each["second"] for each in clicks if each["second"] <= fact["second"] <= each["second"] + length]
    return [[each for each in clicks if begin <= each["second"] <= begin + length] for begin in begins]


def reference(fact: dict[str, Any], everything: list[dict[str, Any]]) -> tuple[bool, str | None]:
    """The verdict on one fact, from the words of the page."""
    if fact["person"]:
        return fact["person"] == "machine", "person"
    if fact["machine"]:
        return True, "source"
    if fact["kind"] == "email.delivered":
        return False, None
    return by_rule(fact, everything)


def by_rule(fact: dict[str, Any], everything: list[dict[str, Any]]) -> tuple[bool, str | None]:
    """The first of the rules that holds."""
    if is_trapped(fact, everything):
        return True, "honeypot"
    if only_asked(fact, everything):
        return True, "prefetch"
    if "slackbot" in (fact["agent"] or "").lower():
        return True, "prefetcher"
    if fact["kind"] == "email.opened" and fact["agent"] == "Mozilla/5.0":
        return True, "privacy-open"
    mine = [each for each in everything if each["mail"] == fact["mail"]]
    arrivals = [0, *(each["second"] for each in mine if each["kind"] == "email.delivered")]
    if any(abs(fact["second"] - arrival) <= TOO_FAST.total_seconds() for arrival in arrivals):
        return True, "too-fast"
    if fact["kind"] != "email.clicked":
        return False, None
    clicks = [each for each in mine if each["kind"] == "email.clicked"]
    for moment in in_moment(fact, clicks, WITHIN.total_seconds()):
        if len({each["url"] for each in moment if each["url"]}) >= LINKS:
            return True, "every-link"
    clicks = [each for each in everything if each["kind"] == "email.clicked" and place(each) == place(fact)]
    for moment in in_moment(fact, clicks, MOMENT):
        if place(fact) and len({each["mail"] for each in moment}) >= MAILS:
            return True, "gateway"
    return False, None


class Bench:
    """One world per database; each example is a lead of its own with one mail."""

    def __init__(self, url: str, home: Path) -> None:
        self.world = World(url, home, documents())
        # Three mails to everybody.
        for name in ("second", "third"):
            self.world.documents[f"sequences/{name}"] = {**DOCUMENTS["sequences/papers"], "sequence": name}
        self.world.publish()
        self.number = 0

    def lead(self) -> tuple[str, list[str]]:
        """A new lead that has just had three mails, with their keys."""
        self.number += 1
        name = f"lead{self.number}"
        self.world.now = SENT
        self.world.lead(name)
        self.world.happens(name, "content.white_paper_downloaded")
        self.world.run("follow-up")
        messages = self.world.rows("messages", lead_id=self.world.lead_id(name))
        assert [message["handed_over_at"] for message in messages] == [SENT] * MAILS
        return name, [message["key"] for message in messages]

    def verdicts(self, given: list[dict[str, Any]], order: list[int], cuts: set[int], pause: int) -> dict[int, Any]:
        """The verdicts by fact when they come in this order, so many seconds apart, with a rescore at each cut.

        At every cut what came within the last minute is pending and the rest is not, and the score agrees.
        """
        from db import judgements

        world = self.world
        name, keys = self.lead()
        world.now = SENT + timedelta(hours=1)
        for place_, index in enumerate(order):
            fact = given[index]
            said = {"url": fact["url"], "user_agent": fact["agent"], "network": fact["network"], "number": index}
            properties = {each: value for each, value in said.items() if value is not None}
            properties |= {**fact["told"], "message_key": keys[fact["mail"]]}
            world.now += timedelta(seconds=pause)
            at = SENT + timedelta(seconds=fact["second"])
            world.happens(name, fact["kind"], at, machine=fact["machine"], event_id=f"{name}-{index}", **properties)
            if fact["person"]:
                event_id = world.rows("events", source_event_id=f"{name}-{index}")[0]["id"]
                with world.database.write() as connection:
                    judgements.judge(connection, event_id, fact["person"], None, world.now)
            if place_ in cuts:
                world.run("rescore")
                self.check(name)
        world.now += MINUTE
        world.run("rescore")
        rows = self.check(name)
        return {row["properties"]["number"]: (row["machine"], row["machine_by"]) for row in rows}

    def check(self, name: str) -> list[dict[str, Any]]:
        """What is pending is what came within a minute, and the score is that of the people's clicks."""
        world = self.world
        rows = [row for row in world.rows("events", lead_id=world.lead_id(name)) if "number" in row["properties"]]
        spoken = ("person", "source")
        answers = [row for row in rows if row["type"] != "email.delivered" and row["machine_by"] not in spoken]
        for row in answers:
            assert (row["machine_by"] == "settling") == (row["received_at"] + MINUTE > world.now)
        clicks = sum(1 for row in rows if row["type"] == "email.clicked" and not row["machine"])
        assert world.score(name)["total"] == 10 + 5 * clicks
        return rows


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
    pause = data.draw(st.sampled_from((0, 20, 60, 600)), label="seconds between arrivals")
    expected = {number: reference(fact, given_facts) for number, fact in enumerate(given_facts)}
    assert bench.verdicts(given_facts, list(order), cuts, pause) == expected
    assert bench.verdicts(given_facts, numbers, set(), 0) == expected
