"""How facts about a lead are said to people: events, rules and the cause of a move, in the catalogue's own labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nurture.definitions.bundle import Bundle

# What is worth showing of an event, the first that is there.
_DETAILS = ("title", "url", "page", "topic", "question", "subject", "reason", "campaign", "note")
# Reasons of ours, as people read them.
_SAID = {"late event": "came late"}
_STAGES = {"lead": "lead", "mql": "MQL", "sql": "SQL", "customer": "customer"}


def stage_label(name: str) -> str:
    """A stage as people write it."""
    return _STAGES.get(name, name)


def event_label(bundle: Bundle, kind: str) -> str:
    """What an event type is called; its own name when the catalogue no longer has it."""
    known = bundle.catalogue.events.get(kind)
    return known.label if known else kind


def event_detail(row: Mapping[str, Any]) -> str:
    """The one detail of an event that says most, or nothing."""
    properties = row.get("properties") or {}
    found = next((str(properties[key]) for key in _DETAILS if properties.get(key)), row.get("subject") or "")
    percent = properties.get("percent")
    return f"{found} ({percent} percent)".strip() if percent is not None else str(found)


def rule_label(bundle: Bundle, rule: str, kind: str = "rule") -> str:
    """What a scoring rule pays for; caps and floors say what they did."""
    if kind == "group_cap":
        return f"cap of the group {rule.removeprefix('group:')}"
    if kind == "floor":
        return f"floor of {rule.removeprefix('floor:')}"
    for each in bundle.scoring.rules:
        if each.id == rule:
            label = event_label(bundle, each.event)
            return f"cap on: {label}" if kind == "cap" else label
    for profile in bundle.scoring.fit:
        if profile.id == rule:
            return profile.label or profile.id
    return rule


def cause_in_words(bundle: Bundle, move: Mapping[str, Any]) -> str:
    """Why a lead moved to a stage, in one line."""
    match move["cause"]:
        case "event":
            said = event_label(bundle, move["event_type"] or move["rule"])
        case "score":
            thresholds = bundle.rules.thresholds
            limit = {"mql": thresholds.mql, "sql": thresholds.sql}.get(move["to_stage"])
            points = f"{move['score']:g}" if move["score"] is not None else "enough"
            said = f"{thresholds.score} score of {points}" + (f", past the threshold of {limit:g}" if limit else "")
        case "recycle":
            said = f"given back by sales ({event_label(bundle, move['event_type'] or move['rule'])})"
        case _:
            said = "moved by hand"
    return f"{said}, {_SAID.get(move['reason'], move['reason'])}" if move["reason"] else said
