"""For random histories the explanation adds up, names a reason for everything, and the audit finds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import sequences
from tasks.audit import examine
from tasks.explain import explain_lead
from tests.properties.examples import examples
from tests.world import DOCUMENTS, START, World

HOUR = timedelta(hours=1)
PEOPLE = ("ada", "bo", "cleo")


def documents() -> dict[str, Any]:
    made = deepcopy(DOCUMENTS)
    made["scoring"] = {
        "rules": [
            {"event": "email.clicked", "points": 5, "cap": 8, "group": "mail"},
            {"event": "email.opened", "points": 3, "group": "mail"},
            {"event": "page.viewed", "points": 1, "cap": {"points": 2, "per": "day"}},
            {"event": "demo.requested", "points": 50, "decay": {"half_life": "3 days"}},
            {"event": "content.white_paper_downloaded", "points": 10, "decay": {"linear": "20 days"}},
            {"event": "email.unsubscribed", "points": -70},
        ],
        "fit": [{"id": "known", "when": {"field": "company", "is_set": True}, "points": 4}],
        "groups": {"mail": {"cap": 9}},
        "floor": -20,
    }
    made["audiences"]["audiences"]["readers"]["when"] = {"did": {"event": "page.viewed", "at_least": 2}}
    made["sequences/papers"]["entry"]["reentry"] = {"after": "2 days"}
    made["sequences/papers"]["steps"] = [
        {"id": "thanks", "email": "thanks"},
        {"id": "readers", "audience": {"add": "readers"}},
        {"id": "click", "wait": {"until": "email.clicked", "timeout": "2 days"}},
        {
            "id": "how-keen",
            "branch": [
                {"name": "keen", "if": {"score": {"at_least": 15}}, "steps": [{"id": "call", "task": {"title": "x"}}]},
                {"name": "others", "else": True, "steps": [{"id": "more", "email": "more"}]},
            ],
        },
    ]
    made["sequences/viewers"] = {
        **made["sequences/papers"],
        "sequence": "viewers",
        "entry": {
            "when": {"all": [{"did": {"event": "page.viewed", "within": "2 days"}}, {"stage": {"below": "sql"}}]}
        },
        "steps": [{"id": "a-day", "wait": "1 day"}, {"id": "hello", "email": "thanks"}, {"id": "bye", "exit": "done"}],
    }
    return made


def edited(steps: list[dict[str, Any]], edit: str) -> list[dict[str, Any]]:
    """The steps with one taken away, one added, two changed about, or as they were."""
    if edit == "remove":
        return [step for step in steps if step["id"] != "click"]
    if edit == "add":
        return [*steps[:2], {"id": "again", "email": "more"}, *steps[2:]]
    return [steps[1], steps[0], *steps[2:]] if edit == "swap" else steps


@pytest.fixture
def worlds(databases: Any, tmp_path: Path) -> Iterator[Callable[[], World]]:
    made: list[World] = []

    def another() -> World:
        # One for all examples: each brings people of its own, and time goes on.
        if not made:
            made.append(World(databases.migrated(), tmp_path, documents()))
        return made[0]

    yield another
    for world in made:
        world.close()


EVENTS = st.tuples(
    st.sampled_from(PEOPLE),
    st.sampled_from(
        (
            "page.viewed",
            "page.viewed",
            "content.white_paper_downloaded",
            "email.clicked",
            "email.opened",
            "webinar.attended",
            "demo.requested",
            "sales.rejected",
            "deal.won",
            "email.unsubscribed",
            "email.replied",
        )
    ),
    # How late it comes, in hours, and whether a machine did it or an import brought it.
    st.integers(0, 60),
    st.sampled_from(("", "", "", "machine", "silent")),
)
ACTS = st.lists(
    st.one_of(
        EVENTS,
        st.sampled_from(("daily-sync", "follow-up")),
        st.sampled_from(("remove", "add", "swap", "restore")),
        st.sampled_from((("viewers", "hold"), ("viewers", "on"), ("papers", "drain"), ("papers", "on"))),
    ),
    min_size=4,
    max_size=14,
)


def lives(world: World, acts: list[Any], tag: str) -> None:
    for person in PEOPLE:
        company = "Example Ltd" if person != "cleo" else None
        world.lead(f"{person}{tag}", consent=person != "bo", ads=person != "cleo", company=company)
    for act in acts:
        if act in ("remove", "add", "swap", "restore"):
            world.now += HOUR
            world.documents["sequences/papers"]["steps"] = edited(documents()["sequences/papers"]["steps"], act)
            world.publish(pinned=act == "remove")
        elif isinstance(act, str):
            world.now += 20 * HOUR if act == "daily-sync" else HOUR
            world.run(act)
        elif len(act) == 2:
            with world.database.write() as connection:
                sequences.set_state(connection, act[0], act[1], None, world.now)
        else:
            person, kind, late, how = act
            at = world.now - late * HOUR
            world.happens(f"{person}{tag}", kind, at, silent=how == "silent", machine=how == "machine")
    for name in ("viewers", "papers"):
        with world.database.write() as connection:
            sequences.set_state(connection, name, "on", None, world.now)
    world.now += 20 * HOUR
    world.run()


@given(acts=ACTS, hours=st.lists(st.integers(0, 120), min_size=1, max_size=2))
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_an_explanation_adds_up_and_leaves_nothing_without_a_reason(worlds, acts, hours):
    world = worlds()
    tag = str(len(world.rows("leads")))
    lives(world, acts, tag)
    for person in PEOPLE:
        name = f"{person}{tag}@example.com"
        present = explain_lead(world.context, name, world.now)
        adds_up(present)
        live = set(world.context.compiled().bundle.sequences)
        inside = {each["sequence"] for each in present["enrollments"]}
        outside = {each["sequence"]: each for each in present["not_in"]}
        assert live == inside | set(outside)
        assert all(each["reason"] and each["says"] for each in outside.values())
        assert present["stage"]["name"] == world.stage(f"{person}{tag}")
        for back in hours:
            then = explain_lead(world.context, name, world.now, max(START, world.now - back * HOUR))
            adds_up(then)
            assert len(then["transitions"]) <= len(present["transitions"])
    found = examine(world.context, world.now, repair=False).breaches
    assert [(each["check"], each["examples"]) for each in found] == []


def adds_up(facts: dict[str, Any]) -> None:
    score = facts["score"]
    for dimension in ("interest", "fit"):
        parts = [each["points"] for each in score["contributions"] if each["dimension"] == dimension]
        assert sum(parts) == pytest.approx(score[dimension])
    assert score["total"] == pytest.approx(score["interest"] + score["fit"])
    for each in score["contributions"]:
        if each["kind"] == "rule" and each["rule"] != "known":
            assert each["times"] == len(each["events"])
    moves = facts["transitions"]
    assert facts["stage"]["name"] == (moves[-1]["to"] if moves else "lead")
    assert all(move["event"] or move["score"] is not None for move in moves)
    for message in facts["messages"]:
        assert message["status"] == "accepted" or message["reason"]
        assert message["why"]
    for each in facts["enrollments"]:
        assert each["reason"] or each["status"] == "active"
        assert each["why"] or each["status"] == "active"
        assert [step["at"] for step in each["steps"]] == sorted(step["at"] for step in each["steps"])
