"""Why a lead stands where it stands, and why not elsewhere: score, stage, sequences, messages, audiences, consents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from db import definitions, explain
from db.engine import Connection
from nurture.errors import DefinitionError, RefusedRow, UnknownLead
from nurture.normalise import email, phone
from tasks.conditions_in_words import About
from tasks.context import Compiled, Context
from tasks.explain import scores, stages
from tasks.explain.audiences import audiences
from tasks.explain.messages import messages
from tasks.explain.scores import Facts
from tasks.explain.sequences import enrollments
from tasks.explain.why_not import not_in
from tasks.settings import Settings

_PROFILE = (
    "id",
    "name",
    "first_name",
    "last_name",
    "email",
    "phone",
    "company",
    "job_title",
    "country",
    "city",
    "language",
    "source",
    "created_at",
    "merged_ids",
)


def explain_lead(context: Context, name: str, now: datetime, at: datetime | None = None) -> Facts:
    """Everything behind one lead, found by id, address, phone or any identifier; plain data with aware instants.

    With `at` all of it is as of then: from the events that had occurred by then as they are known today, by the
    definitions live at that instant. What is true only of the present (`not_in`, `audiences`) is left out then.
    Of an erased person it says when, and nothing else. Raises UnknownLead.
    """
    with context.database.read() as connection:
        lead_id = find(connection, name, context.settings)
        gone = explain.lead(connection, lead_id)
        if gone is not None and gone["erased_at"] is not None:
            return {"lead": {"id": lead_id}, "erased": True, "erased_at": gone["erased_at"]}
        compiled = context.compiled() if at is None else live_at(connection, context, at)
    score, parts = scores.read(context.database, lead_id, compiled, now, at)
    with context.database.read() as connection:
        row = explain.lead(connection, lead_id)
        assert row is not None
        moves = explain.transitions(connection, lead_id, at)
        about = About(moves[-1]["to_stage"] if moves else "lead", scores.points(score), row)
        bundle, then = compiled.bundle, at or now
        facts: Facts = {
            "lead": _lead(row),
            "at": then,
            "score": scores.explained(connection, bundle, lead_id, score, parts, then),
            "stage": stages.stage_of(bundle, row, moves),
            "transitions": [stages.transition(bundle, each) for each in moves],
            "missing_to_sql": stages.missing_to_sql(connection, bundle, lead_id, about, at, then),
            "enrollments": enrollments(connection, bundle, lead_id, at),
            "messages": messages(connection, lead_id, at),
            "sales_tasks": _tasks(explain.tasks_of(connection, lead_id), at),
            "suppressions": _suppressions(explain.suppressions_of(connection, lead_id, at), at),
        }
        if at is None:
            facts["consents"] = explain.consents_of(connection, lead_id)
            facts["score"]["waits_for_rescore"] = explain.waits_for_rescore(connection, lead_id)
            facts["not_in"] = not_in(
                connection, bundle, lead_id, facts["enrollments"], facts["sales_tasks"], about, now
            )
            facts["audiences"] = audiences(connection, bundle, compiled.audiences, lead_id, about, now)
        else:
            facts["consents"] = explain.consents_at(connection, lead_id, at)
    return facts


def find(connection: Connection, name: str, settings: Settings) -> int:
    """The id of the lead that somebody means; raises UnknownLead."""
    spellings = [name.strip()]
    try:
        spellings.append(email(name).identity)
    except RefusedRow:
        number = phone(name, settings.project.country) if len(name) <= 40 else None
        spellings += [number] if number else []
    found = explain.find_lead(connection, spellings)
    if found is None:
        raise UnknownLead("no lead has this id, address, phone or other identifier")
    return found


def live_at(connection: Connection, context: Context, at: datetime) -> Compiled:
    """The definitions that were live at an instant; the first ones before that."""
    live = definitions.in_force(connection, at)
    if live is None:
        raise DefinitionError("nothing is published yet; run `ripen publish`")
    return Compiled(live, context.settings)


def _lead(row: Mapping[str, Any]) -> Facts:
    account = {"name": row["account_name"], "total": row["account_total"]} if row["account_id"] else None
    return {**{key: row[key] for key in _PROFILE}, "account": account}


def _suppressions(rows: list[Facts], at: datetime | None) -> list[Facts]:
    """What stops the address; what was lifted later stood as of an instant."""
    nothing_yet = {"lifted_at": None, "lifted_because": None}
    return [
        {**row, **nothing_yet} if at is not None and row["lifted_at"] is not None and row["lifted_at"] > at else row
        for row in rows
    ]


def _tasks(tasks: list[Facts], at: datetime | None) -> list[Facts]:
    """The sales tasks; as of an instant those that had been opened, as they stood then."""
    if at is None:
        return tasks
    return [_task_then(each, at) for each in tasks if each["opened_at"] <= at]


def _task_then(task: Facts, at: datetime) -> Facts:
    if task["closed_at"] is not None and task["closed_at"] <= at:
        return task
    accepted = task["accepted_at"] is not None and task["accepted_at"] <= at
    later = {"status": "accepted" if accepted else "open", "closed_at": None}
    return {**task, **later, "accepted_at": task["accepted_at"] if accepted else None}
