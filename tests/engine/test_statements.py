"""The statements themselves: no subquery may join a table that it was meant to look at from inside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import ClauseElement

from db import account_scores, hand_over, holds, messages, sales_tasks, sending_rates
from db.advance import SequenceProgram
from db.conditions import NOW
from tests.world import DOCUMENTS


def everything(world: Any) -> Iterator[Any]:
    compiled = world.context.compiled()
    scores, stages, tasks = compiled.scores, compiled.stages, compiled.tasks
    yield from (scores.contributions, scores.profile_contributions, scores.floors, stages.by_event, *stages.by_score)
    yield from (
        scores.lasting_group_caps,
        scores.scored(scores.lines),
        account_scores._ROLL_UP,
        *account_scores._MARK.values(),
    )
    yield from (
        tasks.new,
        tasks.colleagues,
        tasks.again,
        tasks.colleagues_again,
        compiled.answers.facts.select(),
        compiled.answers.accept,
        compiled.answers.close,
        compiled.answers.close_customers,
        messages.skip_statement(compiled.permissions),
        compiled.caps.checked(hand_over.check_statement(compiled.permissions)),
        sending_rates._SENT_BY,
        sending_rates._HARM,
        messages._SLOT_IS_BACK,
        *(sa.select(each) for each in compiled.caps._holds),
    )
    yield compiled.verdicts.statement
    yield from (part for pair in compiled.derived.statements for part in pair)
    for plan in compiled.entries.values():
        yield from (plan.batch.fall, plan.batch.rise, plan.batch.enter, plan.everybody.enter)
    for plan in compiled.audiences.values():
        yield from (plan.add, plan.remove, plan.never_told)
    with world.database.read() as connection:
        for program in compiled.programs(connection).values():
            assert isinstance(program, SequenceProgram)
            yield from program.awaited
            yield from (statement for _, statement in (*program.leave, *program.leave_changed))
            for node in program.nodes:
                yield from (statement for _, statement in program._build(connection, node))
            yield from program._passing.values()
    yield from (*holds._RELEASE, *holds._RESUME_ONE, holds._HOLD_ONE, holds._PAUSE_FOR_SALES)
    yield from (compiled.colleague_pause.hold, compiled.colleague_pause.longer)
    yield sales_tasks.has_open_task(NOW)


def test_no_statement_joins_a_table_by_accident(new_world):
    documents = deepcopy(DOCUMENTS)
    replied = {"did": {"event": "email.replied", "since_entry": True}}
    documents["scoring"] |= {
        "floor": 0,
        "groups": {"g": {"cap": 3}},
        "fit": [
            {"id": "f", "points": 1, "group": "g", "when": {"did": "page.viewed"}},
            {"id": "w", "points": 1, "when": {"did": {"event": "page.viewed", "at_least": 2, "within": "9 days"}}},
            {"id": "a", "points": 1, "when": {"field": "created_at", "older_than": "9 days"}},
            {"id": "h", "points": 1, "when": {"stage": "mql"}},
        ],
    }
    documents["events"]["derived"] = {"x": {"from": "page.viewed", "at_least": 3, "visit_gap": "1 h"}}
    documents["lifecycle"]["contact"] = {
        "caps": [
            {"most": 3, "per": "7 days"},
            {"most": 1, "per": "1 day"},
            {"most": 1, "per": "2 days", "topics": ["nurture"]},
        ]
    }
    every = {
        "any": [
            replied,
            {"score": {"at_least": 3}},
            {"consent": "ads"},
            {"audience": "readers"},
            {"stage": {"reached": "mql"}},
        ]
    }
    documents["audiences"]["audiences"]["readers"]["when"] = {"did": {"event": "page.viewed", "at_least": 2}}
    documents["sequences/papers"]["exits"] = [{"reason": "any", "when": every}]
    documents["sequences/papers"]["steps"] += [
        {"id": "b", "branch": [{"if": every, "steps": [{"id": "x1", "task": {"title": "t"}}]}]},
        {"id": "u", "wait": {"until": "email.clicked", "timeout": "1 day"}},
        {"id": "a", "audience": {"add": "readers"}},
        {"id": "s", "update": {"field": "industry", "to": "x"}},
        {"id": "e", "exit": "done"},
    ]
    world = new_world(documents)
    seen = 0
    for statement in everything(world):
        if not isinstance(statement, ClauseElement):
            continue
        text = str(statement.compile(world.database.engine))
        assert not re.search(r"FROM \w+(?: AS \w+)?, \w", text), text
        seen += 1
    assert seen > 50
