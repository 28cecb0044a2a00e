"""Each sequence the lead is or was in: the steps it went, where it stands, what it waits for, and why it ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from db import explain
from db.engine import Connection
from nurture.definitions.bundle import Bundle
from nurture.definitions.patterns import expand_patterns
from nurture.definitions.program import Node, flatten
from nurture.definitions.sequences import Sequence
from tasks.conditions_in_words import any_of
from tasks.explain.scores import Facts
from tasks.reasons import ENDS, HOLDS, MESSAGES, in_words

_OUTCOMES = {
    "passed": "done",
    "queued": "a message was written",
    "waited": "waited as long as it should",
    "event": "what it waited for came",
    "timeout": "what it waited for did not come in time",
    "left": "left the sequence here",
    "late": "too late; no message was sent",
}
Programs = dict[int, dict[str, Node]]


def enrollments(connection: Connection, bundle: Bundle, lead_id: int, at: datetime | None) -> list[Facts]:
    """Newest first; as of an instant with what had happened by then."""
    rows = explain.enrollments_of(connection, lead_id)
    steps = explain.steps_of(connection, lead_id)
    ids = {int(each["version_id"]) for each in rows}
    ids |= {int(step["version_id"]) for each in steps.values() for step in each}
    programs = _programs(bundle, explain.versions(connection, ids) if ids else {})
    told = []
    for row in rows:
        went = sorted(steps.get(int(row["id"]), []), key=lambda step: (step["executed_at"], _position(programs, step)))
        if at is None:
            told.append(_now(bundle, programs, row, went))
        elif row["entered_at"] <= at:
            told.append(_then(bundle, programs, row, went, at))
    return told


def _programs(bundle: Bundle, bodies: Mapping[int, Any]) -> Programs:
    found: Programs = {}
    for version, body in bodies.items():
        try:
            nodes = flatten(Sequence.model_validate(expand_patterns(body, bundle.catalogue)))
        except ValidationError:
            # Written by older rules; its steps are told without what they would have waited for.
            nodes = []
        found[version] = {node.id: node for node in nodes}
    return found


def _position(programs: Programs, step: Mapping[str, Any]) -> int:
    node = programs.get(int(step["version_id"]), {}).get(step["step_id"])
    return node.position if node else -1


def _common(bundle: Bundle, row: Mapping[str, Any], went: list[Facts]) -> Facts:
    sequence = bundle.sequences.get(row["sequence"])
    return {
        "id": row["id"],
        "sequence": row["sequence"],
        "title": sequence.title if sequence else None,
        "version": str(row["version"])[:12],
        "pinned": row["pinned"],
        "holdout": row["holdout"],
        "entered_at": row["entered_at"],
        "steps": [_step(each) for each in went],
        "variants": {each["step_id"]: each["variant"] for each in went if each["variant"] is not None},
    }


def _step(row: Mapping[str, Any]) -> Facts:
    told: Facts = {
        "step": row["step_id"],
        "kind": row["kind"],
        "at": row["executed_at"],
        "outcome": row["outcome"],
        "version": str(row["version"])[:12],
    }
    match row["outcome"]:
        case "way":
            told |= {"way": row["detail"], "says": f"went the way `{row['detail']}`"}
        case "left":
            told["says"] = f"left the sequence here: {str(row['detail']).replace('-', ' ')}"
        case "passed" if row["detail"]:
            told["says"] = f"done: {row['detail']}"
        case _:
            told["says"] = _OUTCOMES.get(row["outcome"], row["outcome"])
    if row["message_id"] is not None:
        told["message"] = {"id": row["message_id"], "status": row["status"], "reason": row["reason"]}
        told["says"] = row["status"] + (f": {in_words(MESSAGES, row['reason'])}" if row["reason"] else "")
    return told


def _now(bundle: Bundle, programs: Programs, row: Mapping[str, Any], went: list[Facts]) -> Facts:
    told = {**_common(bundle, row, went), "status": row["status"], "ended_at": row["ended_at"]}
    told |= {"reason": row["reason"], "step": row["step_id"], "why": in_words(ENDS, row["reason"])}
    if row["status"] == "active":
        told |= {"why": None, "waiting_for": None, "until": None, **_waits(bundle, programs, row)}
    return told


def _waits(bundle: Bundle, programs: Programs, row: Mapping[str, Any]) -> Facts:
    """What an active enrollment waits for; during a hold of the sequence nothing of it moves."""
    if row["waiting_for"] == "hold":
        says = in_words(HOLDS, row["reason"])
        hold = {"reason": row["reason"], "since": row["held_since"], "until": row["hold_until"], "says": says}
        return {
            "waiting_for": f"somebody to lift the hold ({row['reason']})" if not row["hold_until"] else says,
            "until": row["hold_until"],
            "why": says,
            "hold": hold,
        }
    if row["state"] == "hold":
        hold = {"reason": "on-hold", "since": row["state_since"], "until": None, "says": HOLDS["on-hold"]}
        return {"waiting_for": "the sequence to be resumed", "until": None, "why": HOLDS["on-hold"], "hold": hold}
    if row["waiting_for"] == "message":
        reason = row["message_reason"]
        return {"waiting_for": "its message" + (f" ({reason})" if reason else ""), "until": row["not_before"]}
    if row["waiting_for"] == "event":
        return {"waiting_for": _awaited(bundle, programs, row), "until": row["wake_at"]}
    return {"waiting_for": "its time", "until": row["wake_at"]}


def _awaited(bundle: Bundle, programs: Programs, row: Mapping[str, Any]) -> str:
    node = programs.get(int(row["version_id"]), {}).get(row["step_id"])
    until = getattr(getattr(node.step, "wait", None), "until", None) if node else None
    return any_of(bundle, until.event) if until and len(until.event) <= 6 else "a sign of life"


def _then(bundle: Bundle, programs: Programs, row: Mapping[str, Any], went: list[Facts], at: datetime) -> Facts:
    """An enrollment as of an instant: it stood on the step that it executed next, or where it came to rest."""
    done = [each for each in went if each["executed_at"] <= at]
    later = [each for each in went if each["executed_at"] > at]
    over = row["ended_at"] is not None and row["ended_at"] <= at
    step, waiting_for = row["step_id"], None
    if not over:
        mail = done[-1] if done and done[-1]["message_id"] is not None else None
        if mail is not None and (mail["settled_at"] is None or mail["settled_at"] > at):
            step, waiting_for = mail["step_id"], "its message"
        elif later:
            step = later[0]["step_id"]
    reason = row["reason"] if over else None
    return {
        **_common(bundle, row, [_known_then(each, at) for each in done]),
        "status": row["status"] if over else "active",
        "ended_at": row["ended_at"] if over else None,
        "reason": reason,
        "why": in_words(ENDS, reason),
        "step": step,
        "waiting_for": waiting_for,
        "until": None,
    }


def _known_then(step: Facts, at: datetime) -> Facts:
    """A message that was settled later was still under way."""
    if step["settled_at"] is None or step["settled_at"] <= at:
        return step
    return {**step, "status": "queued", "reason": None}
