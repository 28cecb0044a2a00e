"""A merge at any moment: the person has the points of one lead that did everything, and the stricter consent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import audit
from nurture.keys import content_event_id
from nurture.records import Consent, EventRecord, Identity, LeadRecord
from tasks.explain import explain_lead
from tests.properties.examples import examples
from tests.world import DOCUMENTS, World

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STRICT = ("granted", "pending", "withdrawn")
ROUNDS = 4
GONE = ("events", "identities", "scores", "score_contributions", "stage_transitions", "work_queue", "consents")
GONE_TOO = ("consent_states", "enrollments", "messages", "entry_marks", "sales_task_leads", "sales_tasks")
FADES = "page.viewed"
_numbers = count()


def documents() -> dict[str, Any]:
    """Decay, caps of rules and groups, fit, and an event that is derived from several."""
    made = deepcopy(DOCUMENTS)
    made["events"]["derived"] = {"visit.long": {"from": "page.viewed", "at_least": 2, "visit_gap": "2 h"}}
    made["scoring"] = {
        "groups": {"reading": {"cap": {"points": 25, "per": "week"}}},
        "rules": [
            {"event": "content.white_paper_downloaded", "points": 10, "group": "reading"},
            {"event": "video.watched", "points": 7, "group": "reading", "cap": {"points": 14, "per": "day"}},
            {"event": FADES, "points": 1, "decay": {"half_life": "10 days"}},
            {"event": "visit.long", "points": 9},
            {"event": "email.unsubscribed", "points": -20},
        ],
        "fit": [{"id": "food", "points": 5, "when": {"field": "industry", "is": "food"}}],
    }
    return made


@dataclass(frozen=True)
class Done:
    """What one of the two does, or is told of both: an event so many hours ago, or a word about consent."""

    who: int  # 2: both
    kind: str
    hours: int

    @property
    def is_consent(self) -> bool:
        return self.kind in STRICT


KINDS = ("content.white_paper_downloaded", "video.watched", "page.viewed", "demo.requested", *STRICT)
done = st.builds(Done, st.integers(0, 2), st.sampled_from(KINDS), st.integers(0, 2))
rounds = st.lists(st.lists(done, min_size=1, max_size=3), min_size=ROUNDS, max_size=ROUNDS)


@dataclass
class Case:
    """Two leads, when they are merged and which of them stays; and one lead that does what both do."""

    rounds: list[list[Done]]
    merged_in: int
    before: bool  # before the deeds of its round, else after them
    stays: int
    silent: bool
    industries: tuple[str | None, str | None]
    names: tuple[str, str, str] = ("", "", "")
    told: tuple[Counter[Any], Counter[Any]] = field(default_factory=lambda: (Counter(), Counter()))
    words: list[str | None] = field(default_factory=lambda: [None, None])
    at: datetime | None = None


industry = st.sampled_from((None, "food", "steel"))
cases = st.builds(
    Case,
    rounds,
    st.integers(0, ROUNDS - 1),
    st.booleans(),
    st.integers(0, 1),
    st.booleans(),
    st.tuples(industry, industry),
)


@pytest.fixture
def world(databases: Any, tmp_path: Path) -> Iterator[World]:
    """One world for all examples: every example has people of its own."""
    made = World(databases.migrated(), tmp_path, documents())
    yield made
    made.close()


def begin(world: World, case: Case) -> None:
    """Store the three leads; the third one is told what the first two are, in the same order."""
    number = next(_numbers)
    case.names = (f"ada{number}", f"bo{number}", f"one{number}")
    for who in (0, 1):
        world.now += MINUTE
        attributes = {"industry": case.industries[who]} if case.industries[who] else {}
        for name in (case.names[who], case.names[2]):
            address = f"{name}@example.com"
            world.store([LeadRecord((Identity("email", address),), {"email": address}, attributes)])


def act(world: World, case: Case, deed: Done) -> None:
    """Do it as one of the two, and as the one who does everything."""
    world.now += MINUTE
    if deed.who == 2:
        # Not across the full hour, so that it is one instant.
        world.now += (world.now.minute >= 58) * 2 * MINUTE
        for who in (0, 1):
            act(world, case, replace(deed, who=who))
        return
    name = case.names[deed.who]
    if deed.is_consent:
        word = Consent(deed.kind, "consent", "form", topic="nurture", occurred_at=world.now)  # type: ignore[arg-type]
        world.store([LeadRecord((Identity("email", f"{name}@example.com"),), consents=(word,))])
        case.words[deed.who] = deed.kind
        if case.at is not None:
            case.words[1 - deed.who] = deed.kind
        return
    # Whole hours, so that both do the same thing at the same instant now and then.
    at = world.now.replace(minute=0) - deed.hours * HOUR
    fact = (deed.kind, at)
    # After the merge it is one lead who does it, and what it does twice is two facts.
    told, other = case.told[deed.who], case.told[1 - deed.who]
    told[fact] += 1
    fresh = case.at is not None or told[fact] > other[fact]
    tell(world, name, deed.kind, at, told[fact], case.silent)
    if fresh:
        tell(world, case.names[2], deed.kind, at, next(_numbers), case.silent)


def tell(world: World, name: str, kind: str, at: datetime, number: int, silent: bool) -> None:
    """A source without ids of its own tells what an address did."""
    who = (Identity("email", f"{name}@example.com"),)
    id_ = content_event_id("site", kind, at, who, {}, number)
    world.store([EventRecord("site", id_, kind, at, who, {}, {"email": who[0].value})], silent=silent)


def merge(world: World, case: Case) -> None:
    """Make one lead of both."""
    world.now += MINUTE
    stays, goes = case.names[case.stays], case.names[1 - case.stays]
    case.at = world.now
    world.merge(stays, goes)
    known = [word for word in case.words if word]
    case.words = [max(known, key=STRICT.index) if known else None] * 2


def live(world: World, example: list[Case]) -> None:
    """Let everything happen, with a run after each round and two days at the end."""
    for case in example:
        begin(world, case)
    for number in range(ROUNDS):
        for case in example:
            due = case.merged_in == number
            if due and case.before:
                merge(world, case)
            for deed in case.rounds[number]:
                act(world, case, deed)
            if due and not case.before:
                merge(world, case)
        world.run("follow-up")
        world.now += 5 * HOUR
    world.days(2)


def points(world: World, lead: int) -> dict[Any, Any]:
    """The breakdown as stored, without what fades, and the score of today, rounded as adding up may differ."""
    parts = [row for row in world.rows("score_contributions", lead_id=lead) if row["rule"] != FADES]
    found = {(row["rule"], row["kind"]): (round(row["points"], 6), row["events"]) for row in parts}
    # Two that fade are looked at when each comes to its line, so that the stored scores are of different days.
    today = explain_lead(world.context, str(lead), world.now)["score"]
    return {**found, **{name: round(today[name], 6) for name in ("interest", "fit", "total")}}


def check(world: World, case: Case) -> None:
    """What must be true of a person who was two leads."""
    stays = world.lead_id(case.names[case.stays])
    (goes,) = [row["id"] for row in world.rows("leads", merged_into_id=stays)]
    assert points(world, stays) == points(world, world.lead_id(case.names[2]))
    for table in (*GONE, *GONE_TOO):
        assert world.rows(table, lead_id=goes) == [], table
    states = [row["status"] for row in world.rows("consent_states", lead_id=stays)]
    assert states == [word for word in case.words[:1] if word]
    active = [row["sequence"] for row in world.rows("enrollments", lead_id=stays, status="active")]
    assert len(active) == len(set(active))
    sent = world.rows("messages", lead_id=stays, status="accepted")
    assert case.at is not None
    before = {(row["sequence"], row["step_id"]) for row in sent if row["handed_over_at"] < case.at}
    after = [(row["sequence"], row["step_id"]) for row in sent if row["handed_over_at"] >= case.at]
    assert before.isdisjoint(after)
    assert len(after) == len(set(after))
    if case.silent:
        assert world.rows("enrollments", lead_id=stays) == []


@settings(
    max_examples=examples(4), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
)
@given(example=st.lists(cases, min_size=2, max_size=5))
def test_whoever_stays_and_whenever_they_are_merged_it_is_one_person(world: World, example: list[Case]) -> None:
    example = deepcopy(example)
    live(world, example)
    for case in example:
        check(world, case)
    with world.database.read() as connection:
        assert audit.run_checks(connection, world.now, repair=False) == []
