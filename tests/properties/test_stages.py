"""Stages and sales tasks on both databases are those of the reference, whatever happens and whenever a run looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import tables
from nurture.keys import event_tiebreak
from nurture.records import EventRecord, Identity, LeadRecord
from tasks.context import Context, Run
from tasks.publish import publish
from tasks.rescore import rescore
from tasks.restage import restage
from tests.properties.examples import examples
from tests.properties.lifecycles import ANSWERS, REASONS, TYPES, documents, lifecycle
from tests.reference.sales_tasks import Reference
from tests.reference.stages import Event, Rules
from tests.world import START, World

LEADS = ("ada", "bo", "cy")
ACCOUNTS = ("acme", "acme", "beta", None)
_LIFECYCLES = 12


# What a history writes, children before parents.
_WRITTEN = (
    "sales_task_leads",
    "sales_tasks",
    "stage_transitions",
    "score_contributions",
    "scores",
    "work_queue",
    "events",
    "identities",
    "leads",
    "installation",
)


def _lead(name: str, account: str | None) -> LeadRecord:
    given = {"email": f"{name}@example.com", **({"company": account} if account else {})}
    return LeadRecord((Identity("email", f"{name}@example.com"),), given, {}, ())


def _record(event: Event) -> EventRecord:
    who = (Identity("email", f"{event.lead}@example.com"),)
    properties = {"reason": event.reason} if event.reason else {}
    return EventRecord("test", event.key, event.type, event.at, who, properties, {}, event.machine)


class Stage:
    """One database for many histories: emptied before each, with one context for each set of definitions."""

    def __init__(self, url: str, home: Path) -> None:
        self.world = World(url, home)
        self.contexts: dict[Rules, Context] = {}

    def begin(self, rules: Rules, accounts: dict[str, str | None]) -> None:
        """Empty the database and publish these rules."""
        world = self.world
        with world.database.write() as connection:
            for name in _WRITTEN:
                connection.execute(tables.metadata.tables[name].delete())
        world.now = START
        context = self.contexts.setdefault(rules, replace(world.context, _compiled=None))
        publish(context, world.now, documents=documents(rules))
        world.context = context
        world.store([_lead(name, account) for name, account in accounts.items()])
        self.run()

    def arrive(self, events: list[Event]) -> None:
        """Receive events; history in batches of its own."""
        for silent, batch in groupby(events, lambda each: each.silent):
            self.world.store([_record(event) for event in batch], silent=silent)

    def run(self) -> None:
        """Rescore and restage at the present instant."""
        for step in (rescore, restage):
            step(Run(self.world.context, self.world.now))

    def seen(self) -> dict[str, Any]:
        """Everything that the reference says, too."""
        world = self.world
        names = {row["id"]: row["email"].split("@")[0] for row in world.rows("leads")}
        keys = {row["id"]: row["source_event_id"] for row in world.rows("events")}
        types = {row["id"]: row["type"] for row in world.rows("events")}
        facts = {row["id"] for row in world.rows("events", source="ripen:sales")}
        moves = [
            (
                names[row["lead_id"]],
                *(row[name] for name in ("from_stage", "to_stage", "effective_at", "effective_tiebreak")),
                *(row[name] for name in ("recorded_at", "cause", "rule", "reason", "cool_until", "silent")),
                "told" if row["event_id"] in facts else keys.get(row["event_id"]),
            )
            for row in world.rows("stage_transitions")
        ]
        people: dict[int, dict[str, Any]] = {}
        for row in world.rows("sales_task_leads"):
            people.setdefault(row["task_id"], {})[names[row["lead_id"]]] = row["added_at"]
        tasks = [
            (
                names[row["lead_id"]],
                *(row[name] for name in ("status", "qualified_at", "opened_at", "accepted_at", "closed_at")),
                types.get(row["event_id"]),
                row["title"].endswith("(came late)"),
                tuple(sorted(people[row["id"]].items())),
            )
            for row in world.rows("sales_tasks")
        ]
        return {
            "stages": {names[row["id"]]: row["stage"] for row in world.rows("leads")},
            "moves": sorted(moves, key=str),
            "tasks": sorted(tasks, key=str),
        }


def expected(reference: Reference) -> dict[str, Any]:
    moves = [
        (
            lead,
            *(move.start, move.to, *move.position, move.recorded, move.cause, move.rule),
            *(move.reason, move.cool_until, move.silent),
            "told" if (move.event or "").startswith("told ") else move.event,
        )
        for lead, moves in reference.moves.items()
        for move in moves
    ]
    tasks = [
        (
            *(task.lead, task.status, task.qualified, task.opened, task.accepted, task.closed, task.cause, task.late),
            tuple(sorted(task.people.items())),
        )
        for task in reference.tasks
    ]
    stages = {lead: reference.stage(lead) for lead in reference.accounts}
    return {"stages": stages, "moves": sorted(moves, key=str), "tasks": sorted(tasks, key=str)}


# A few instants, so that several things happen at one; events up to four minutes ahead of their receipt.
_OFFSETS = st.sampled_from([4, 2, 0, 0, -1, -5, -5, -20, -60, -200, -24 * 60, -26 * 60, -5 * 24 * 60])


_USUAL = (*TYPES, *ANSWERS, *["demo.requested"] * 4, *["sales.rejected"] * 4)


@st.composite
def happenings(draw: Any, number: int, now: int) -> Event:
    """One event that is received at `now`, in minutes since the beginning."""
    key = f"event-{number}"
    kind = draw(st.sampled_from(_USUAL))
    return Event(
        key,
        draw(st.sampled_from(LEADS)),
        kind,
        START + timedelta(minutes=now + draw(_OFFSETS)),
        event_tiebreak("test", key),
        machine=draw(st.integers(0, 11)) == 11,
        silent=draw(st.integers(0, 7)) == 7,
        reason=draw(st.sampled_from(REASONS)),
    )


@st.composite
def histories(draw: Any) -> tuple[Rules, dict[str, str | None], list[tuple[int, list[Event]]]]:
    """A lifecycle, who belongs to which account, and what arrives before each run."""
    rules = lifecycle(draw(st.integers(0, examples(_LIFECYCLES) - 1)))
    accounts = {lead: draw(st.sampled_from(ACCOUNTS)) for lead in LEADS}
    minutes, number, runs = 0, 0, []
    for _ in range(draw(st.integers(2, 6))):
        minutes += draw(st.sampled_from([5, 10, 10, 30, 200, 24 * 60, 3 * 24 * 60]))
        arrivals = []
        for _ in range(draw(st.integers(1, 5))):
            arrivals.append(draw(happenings(number, minutes)))
            number += 1
        known = [event for _, events in runs for event in events] + arrivals
        if known and draw(st.integers(0, 4)) == 4:
            arrivals.append(draw(st.sampled_from(known)))
        runs.append((minutes, arrivals))
    return rules, accounts, runs


@pytest.fixture
def stage(database_url: str, tmp_path: Path) -> Iterator[Stage]:
    """One migrated database for all examples of a test."""
    made = Stage(database_url, tmp_path)
    yield made
    made.world.close()


_SETTINGS = {"suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}


def lived(stage: Stage, history: Any, order: Any = lambda events: events, check: bool = True) -> dict[str, Any]:
    rules, accounts, runs = history
    stage.begin(rules, accounts)
    reference = Reference(rules, accounts)
    reference.run(START, [])
    for minutes, arrivals in runs:
        stage.world.now = START + timedelta(minutes=minutes)
        stage.arrive(order(arrivals))
        stage.run()
        reference.run(stage.world.now, arrivals)
        if check:
            assert stage.seen() == expected(reference)
    return stage.seen()


@settings(max_examples=examples(16), **_SETTINGS)
@given(history=histories())
def test_stages_and_tasks_are_those_of_the_reference_after_every_run(stage, history):
    lived(stage, history)
    before = stage.seen()
    stage.run()
    assert stage.seen() == before


@settings(max_examples=examples(8), **_SETTINGS)
@given(history=histories(), random=st.randoms(use_true_random=False))
def test_between_two_runs_neither_order_nor_repetition_of_what_arrives_matters(stage, history, random):
    def shuffled(events):
        again = [*events, *random.choices(events, k=2)] if events else []
        random.shuffle(again)
        return again

    assert lived(stage, history, shuffled, check=False) == lived(stage, history, check=False)
