"""The score's arithmetic: every contribution, the events behind it, and what machines did for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from db import explain
from db.engine import Connection, Database
from nurture.definitions.bundle import Bundle
from tasks.context import Compiled
from tasks.reasons import machine_in_words
from tasks.wording import event_label, rule_label

Facts = dict[str, Any]


def read(
    database: Database, lead_id: int, compiled: Compiled, now: datetime, at: datetime | None
) -> tuple[Facts | None, list[Facts]]:
    """Score and contributions as of an instant, worked out by the statements of production.

    Without `at` as stored; or as of `now`, where points have faded since without coming to a line.
    """
    if at is None:
        with database.read() as connection:
            stored = explain.score(connection, lead_id)
            fades = stored is not None and stored["scored_at"] < now and compiled.scores.fades
            if not fades or explain.waits_for_rescore(connection, lead_id):
                return stored, explain.contributions(connection, lead_id)
    with database.write() as connection:
        return explain.score_as_of(
            connection,
            lead_id,
            compiled.verdicts,
            compiled.derived,
            compiled.scores,
            compiled.version("scoring"),
            at or now,
        )


def points(score: Mapping[str, Any] | None) -> Facts:
    """The three sums; zero for a lead that has never been scored."""
    return {name: float(score[name]) if score else 0.0 for name in ("interest", "fit", "total")}


def explained(
    connection: Connection, bundle: Bundle, lead_id: int, score: Mapping[str, Any] | None, parts: list[Facts], now: Any
) -> Facts:
    """The sums, their contributions with `raw_points` before and `points` after decay and caps, and what counts not."""
    kinds = [rule.event for rule in bundle.scoring.rules]
    machines = explain.machine_events(connection, lead_id, kinds, now)
    return {
        **points(score),
        "scored_at": score["scored_at"] if score else None,
        "contributions": _contributions(connection, bundle, lead_id, parts, now),
        "worth_nothing": [
            {**each, "label": event_label(bundle, each["type"]), "why": machine_in_words(each["machine_by"])}
            for each in machines
        ],
    }


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
