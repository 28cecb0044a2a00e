"""Why a lead stands where it stands: score, stage, sequences, messages, and what is missing to become an SQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from db import definitions, explain
from db.engine import Connection, Database
from nurture.definitions.bundle import Bundle
from nurture.definitions.program import flatten
from nurture.errors import DefinitionError, RefusedRow, UnknownLead
from nurture.normalise import email, phone
from tasks.context import Compiled, Context
from tasks.settings import Settings
from tasks.wording import cause_in_words, event_label, rule_label

Facts = dict[str, Any]


def explain_lead(context: Context, name: str, now: datetime, at: datetime | None = None) -> Facts:
    """Everything behind one lead, found by id, address, phone or any identifier; plain data with aware instants.

    With `at`, score, stage and history are as of then: from the events that had occurred by then as they are known
    today, by the definitions live at that instant. Raises UnknownLead.
    """
    with context.database.read() as connection:
        lead_id = find(connection, name, context.settings)
        compiled = context.compiled() if at is None else live_at(connection, context, at)
    score, parts = _score(context.database, lead_id, compiled, at)
    with context.database.read() as connection:
        row = explain.lead(connection, lead_id)
        assert row is not None
        moves = explain.transitions(connection, lead_id, at)
        stage = moves[-1]["to_stage"] if moves else "lead"
        facts: Facts = {
            "lead": _lead(row),
            "at": at or now,
            "score": {**_points(score), "scored_at": score["scored_at"] if score else None},
            "stage": _stage(compiled.bundle, row, stage, moves),
            "transitions": [_transition(compiled.bundle, each) for each in moves],
            "messages": explain.messages_of(connection, lead_id, at),
            "consents": explain.consents_of(connection, lead_id),
        }
        facts["score"]["contributions"] = _contributions(connection, compiled.bundle, lead_id, parts, at or now)
        facts["missing_to_sql"] = _missing(connection, compiled.bundle, lead_id, stage, facts["score"], at or now)
        if at is None:
            facts["enrollments"] = [
                _enrollment(compiled.bundle, each) for each in explain.enrollments_of(connection, lead_id)
            ]
            facts["sales_tasks"] = explain.tasks_of(connection, lead_id)
        else:
            facts["enrollments"] = [
                _enrollment_then(each, at)
                for each in explain.enrollments_of(connection, lead_id)
                if each["entered_at"] <= at
            ]
            facts["sales_tasks"] = [each for each in explain.tasks_of(connection, lead_id) if each["opened_at"] <= at]
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
    history = definitions.history(connection, limit=1_000)
    if not history:
        raise DefinitionError("nothing is published yet; run `ripen publish`")
    chosen = next((each for each in history if each["published_at"] <= at), history[-1])
    live = definitions.publication(connection, int(chosen["id"]))
    assert live is not None
    return Compiled(live, context.settings)


def _score(
    database: Database, lead_id: int, compiled: Compiled, at: datetime | None
) -> tuple[Facts | None, list[Facts]]:
    if at is None:
        with database.read() as connection:
            return explain.score(connection, lead_id), explain.contributions(connection, lead_id)
    with database.write() as connection:
        return explain.score_as_of(
            connection,
            lead_id,
            compiled.verdicts,
            compiled.derived,
            compiled.scores,
            compiled.version("scoring"),
            at,
        )


def _points(score: Mapping[str, Any] | None) -> Facts:
    return {name: float(score[name]) if score else 0.0 for name in ("interest", "fit", "total")}


def _lead(row: Mapping[str, Any]) -> Facts:
    kept = (
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
    account = {"name": row["account_name"], "total": row["account_total"]} if row["account_id"] else None
    return {**{key: row[key] for key in kept}, "account": account}


def _contributions(
    connection: Connection, bundle: Bundle, lead_id: int, parts: list[Facts], now: datetime
) -> list[Facts]:
    paid = {each["rule"] for each in parts if each["kind"] == "rule"}
    behind = explain.events_behind(connection, lead_id, [rule for rule in bundle.scoring.rules if rule.id in paid], now)
    return [
        {
            **each,
            "label": rule_label(bundle, each["rule"], each["kind"]),
            "events": behind.get(each["rule"], []) if each["kind"] == "rule" else [],
            "times": int(each["events"]),
        }
        for each in parts
    ]


def _stage(bundle: Bundle, row: Mapping[str, Any], stage: str, moves: list[Facts]) -> Facts:
    if not moves:
        return {"name": stage, "since": row["created_at"], "cause": "known since then; nothing has moved it yet"}
    return {"name": stage, "since": moves[-1]["effective_at"], "cause": cause_in_words(bundle, moves[-1])}


def _transition(bundle: Bundle, move: Mapping[str, Any]) -> Facts:
    evidence = {
        "id": move["event_id"],
        "type": move["event_type"],
        "occurred_at": move["event_at"],
        "source": move["event_source"],
    }
    return {
        "from": move["from_stage"],
        "to": move["to_stage"],
        "at": move["effective_at"],
        "recorded_at": move["recorded_at"],
        "cause": move["cause"],
        "rule": move["rule"],
        "why": cause_in_words(bundle, move),
        "event": evidence if move["event_id"] else None,
        "score": move["score"],
        "silent": move["silent"],
    }


def _enrollment(bundle: Bundle, row: Mapping[str, Any]) -> Facts:
    told: Facts = {key: row[key] for key in ("id", "sequence", "status", "entered_at", "ended_at", "reason")}
    told["step"] = row["step_id"]
    if row["status"] != "active":
        return told
    sequence = bundle.sequences.get(row["sequence"])
    node = next((each for each in flatten(sequence) if each.id == row["step_id"]), None) if sequence else None
    match row["waiting_for"]:
        case "message":
            told["waiting_for"] = "its message" + (f" ({row['message_reason']})" if row["message_reason"] else "")
            told["until"] = row["not_before"]
        case "event":
            until = getattr(getattr(node.step, "wait", None), "until", None) if node else None
            names = [event_label(bundle, name) for name in until.event] if until else []
            told["waiting_for"] = _any_of(names) if 0 < len(names) <= 6 else "a sign of life"
            told["until"] = row["wake_at"]
        case "hold":
            told["waiting_for"], told["until"] = f"somebody to lift the hold ({row['reason']})", None
        case _:
            told["waiting_for"], told["until"] = "its time", row["wake_at"]
    return told


def _any_of(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" or {names[-1]}"


def _enrollment_then(row: Mapping[str, Any], at: datetime) -> Facts:
    """An enrollment as of an instant: where it stood is not kept, whether it had ended is."""
    over = row["ended_at"] is not None and row["ended_at"] <= at
    return {
        "id": row["id"],
        "sequence": row["sequence"],
        "status": row["status"] if over else "active",
        "entered_at": row["entered_at"],
        "ended_at": row["ended_at"] if over else None,
        "reason": row["reason"] if over else None,
        "step": row["step_id"] if over else None,
    }


def _missing(
    connection: Connection, bundle: Bundle, lead_id: int, stage: str, score: Facts, now: datetime
) -> Facts | None:
    """What would make the lead an SQL; None when it is one, or more."""
    if stage in ("sql", "customer"):
        return None
    thresholds = bundle.rules.thresholds
    rules = [rule for rule in bundle.lifecycle.conversions if rule.to == "sql" and stage in rule.from_stages]
    found: Facts = {
        "events": list(dict.fromkeys(name for rule in rules for name in rule.on)),
        "score": thresholds.score,
        "threshold": thresholds.sql,
        "points": max(0.0, thresholds.sql - score[thresholds.score]) if thresholds.sql is not None else None,
        "only_if_holds": explain.fulfils(connection, lead_id, thresholds.only_if, bundle.fields, now),
        "not_before": None,
    }
    back = explain.last_given_back(connection, lead_id)
    if back is not None:
        until = back + timedelta(seconds=bundle.lifecycle.recycle.cool_down.seconds)
        found["not_before"] = until if until > now else None
        found["only_events_after"] = back
    return found
