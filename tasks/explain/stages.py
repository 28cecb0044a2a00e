"""The stage, how it came about, and what is missing to become an SQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from db import explain
from db.engine import Connection
from nurture.conditions import EventTest
from nurture.definitions.bundle import Bundle
from nurture.definitions.lifecycle import Thresholds
from tasks.conditions_in_words import About, event_in_words, tree
from tasks.explain.scores import Facts
from tasks.wording import cause_in_words

_LATE = "late event"


def stage_of(bundle: Bundle, row: Mapping[str, Any], moves: list[Facts]) -> Facts:
    """The stage of the last transition, since when, and why."""
    if not moves:
        return {"name": "lead", "since": row["created_at"], "cause": "known since then; nothing has moved it yet"}
    last = moves[-1]
    return {"name": last["to_stage"], "since": last["effective_at"], "cause": cause_in_words(bundle, last)}


def transition(bundle: Bundle, move: Mapping[str, Any]) -> Facts:
    """One move with its evidence: the event, or the score at that moment; `late` when its event came afterwards."""
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
        "reason": move["reason"],
        "late": move["reason"] == _LATE,
        "event": evidence if move["event_id"] else None,
        "score": move["score"],
        "cool_until": move["cool_until"],
        "silent": move["silent"],
    }


def missing_to_sql(
    connection: Connection, bundle: Bundle, lead_id: int, about: About, at: datetime | None, now: datetime
) -> Facts | None:
    """What would make the lead an SQL, and what stands in the way; None when it is one, or more."""
    if about.stage in ("sql", "customer"):
        return None
    thresholds = bundle.rules.thresholds
    rules = [rule for rule in bundle.lifecycle.conversions if rule.to == "sql" and about.stage in rule.from_stages]
    found: Facts = {
        "events": list(dict.fromkeys(name for rule in rules for name in rule.on)),
        "ways": [{"rule": rule.id, "events": rule.on, "says": _way(bundle, rule.on, rule.where)} for rule in rules],
        "score": thresholds.score,
        "threshold": thresholds.sql,
        "points": max(0.0, thresholds.sql - about.score[thresholds.score]) if thresholds.sql is not None else None,
        **_only_if(connection, bundle, lead_id, thresholds, about, now),
        "not_before": None,
        "only_events_after": None,
        "given_back_for": None,
        "needs_new_evidence": False,
    }
    back = explain.last_given_back(connection, lead_id, at)
    if back is not None:
        until = back["cool_until"]
        paying = [rule.event for rule in bundle.scoring.rules if rule.points > 0]
        found |= {
            "not_before": until if until is not None and until > now else None,
            "only_events_after": back["effective_at"],
            "given_back_for": back["reason"],
            # Also a score past the threshold needs something that has happened since.
            "needs_new_evidence": not explain.did_since(connection, lead_id, paying, back["effective_at"], now),
        }
    return found


def _way(bundle: Bundle, kinds: list[str], where: Mapping[str, Any]) -> str:
    return event_in_words(bundle, EventTest(event=kinds, where=dict(where)), most=len(kinds)).removeprefix("has done ")


def _only_if(
    connection: Connection, bundle: Bundle, lead_id: int, thresholds: Thresholds, about: About, now: datetime
) -> Facts:
    if thresholds.only_if is None:
        return {"only_if_holds": True, "only_if": None}
    held = explain.truths(connection, lead_id, {"only_if": thresholds.only_if}, bundle.fields, now)["only_if"]
    return {"only_if_holds": held.holds, "only_if": tree(bundle, held, about)}
