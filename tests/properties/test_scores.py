"""Scores under random definitions and histories: the statements keep to the loops of `tests/reference/scoring.py`.

How often each is tried by day and in the soak stands at the end of `docs/semantics.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    run_state_machine_as_test,
)

from db import scores as score_queue
from nurture.definitions.bundle import bundle_from_documents
from nurture.keys import event_tiebreak
from tests.properties import scoring_documents as made
from tests.properties.examples import examples
from tests.properties.score_stories import (
    DAY,
    NAMES,
    STARTS,
    TICK,
    Stories,
    assert_same,
    attributes,
    emptied,
    event_record,
    fields,
    people,
    periods,
    scored,
    stored,
    whole_events,
)
from tests.reference import scoring as reference
from tests.reference.conditions import Happened
from tests.world import World


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    """One database for all examples of a test."""
    shared = World(database_url, tmp_path, made.documents({}))
    yield shared
    shared.close()


QUICK = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def begun(world: World) -> Stories:
    """A story in this world."""
    story: Stories = type("Stories", (Stories,), {"world": world})()
    return story


def test_incremental_and_rebuilt_scores_are_those_of_the_reference(world: World) -> None:
    chosen = settings(QUICK, max_examples=examples(8), stateful_step_count=15)
    run_state_machine_as_test(lambda: begun(world), settings=chosen)


@settings(QUICK, max_examples=examples(20))
@given(
    rules=made.scoring(),
    start=st.sampled_from(STARTS),
    history=st.lists(whole_events, min_size=6, max_size=20),
    said=st.tuples(fields, attributes),
)
def test_the_points_of_a_history_are_those_of_the_reference(
    world: World,
    rules: dict[str, Any],
    start: datetime,
    history: list[dict[str, Any]],
    said: tuple[dict[str, str], dict[str, Any]],
) -> None:
    story = begun(world)
    story.begins(rules, start, history)
    story.says_who_it_is("ada", *said)
    story._run()
    story.every_score_is_that_of_the_reference()


@settings(QUICK, max_examples=examples(8))
@given(
    rules=made.scoring(),
    start=st.sampled_from(STARTS),
    history=st.lists(whole_events, min_size=2, max_size=8),
    data=st.data(),
)
def test_scores_depend_neither_on_the_order_of_arrival_nor_on_repetition(
    world: World, rules: dict[str, Any], start: datetime, history: list[dict[str, Any]], data: st.DataObject
) -> None:
    records = [event_record(each, start, f"event-{number}") for number, each in enumerate(history)]
    in_order = sorted(records, key=lambda record: record.occurred_at)
    again = data.draw(st.lists(st.sampled_from(records), max_size=4))
    as_it_comes = data.draw(st.permutations([*records, *again]))
    found = []
    for batches in ([in_order], [[record] for record in as_it_comes]):
        emptied(world)
        world.now, world.documents = start, made.documents(rules)
        world.publish()
        world.store(people())
        for batch in batches:
            world.store(batch)
            if data.draw(st.booleans()):
                scored(world)
                world.now += timedelta(minutes=1)
        world.now = start + 3 * DAY
        with world.database.write() as connection:
            score_queue.mark_everyone(connection, world.now)
        scored(world)
        found.append(stored(world))
    for name in NAMES:
        assert_same(found[0][name]["parts"], found[1][name]["parts"])


@settings(QUICK, max_examples=examples(20))
@given(
    fit=st.lists(made.conditions(), min_size=1, max_size=3),
    start=st.sampled_from(STARTS),
    history=st.lists(whole_events, min_size=2, max_size=6),
)
def test_a_score_changes_at_the_very_instant_at_which_a_period_of_a_fit_rule_ends(
    world: World, fit: list[dict[str, Any]], start: datetime, history: list[dict[str, Any]]
) -> None:
    rules = {"fit": [{"id": f"f{number}", "points": 2**number, "when": when} for number, when in enumerate(fit)]}
    bundle = bundle_from_documents(made.documents(rules), "b2b")
    assume(lengths := periods(bundle))
    emptied(world)
    world.now, world.documents = start, made.documents(rules)
    world.publish()
    world.store(people())
    records = [event_record({**each, "who": "ada"}, start, f"event-{number}") for number, each in enumerate(history)]
    # What lies ahead of a run and what a browser did have tests of their own.
    records = [each for each in records if each.occurred_at <= start and each.identities[0].kind == "email"]
    world.store(records)
    scored(world)
    (lead,) = world.rows("leads", email="ada@example.com")
    happened = [
        Happened(
            each.type, each.occurred_at, each.properties, each.machine, event_tiebreak("test", each.source_event_id)
        )
        for each in records
    ]
    began = {lead["created_at"], *(each.occurred_at for each in records)}
    ends = sorted({begin + length for begin in began for length in lengths if begin + length > start})
    for end in ends[:8]:
        for world.now in (end - TICK, end):
            scored(world)
            expected = reference.score(
                bundle.scoring, bundle.catalogue.derived, {**lead["attributes"], **lead}, happened, world.now
            )
            assert_same(stored(world)["ada"]["parts"], expected)
