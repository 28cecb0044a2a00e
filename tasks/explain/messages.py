"""Each message to the lead, sent or not: by which consent, or for which reason, and when a held one goes on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from db import explain
from db.engine import Connection
from tasks.explain.scores import Facts
from tasks.reasons import HOLDS, MESSAGES, in_words

_SAME = (
    "id",
    "sequence",
    "step_id",
    "email",
    "topic",
    "variant",
    "subject",
    "status",
    "reason",
    "detail",
    "attempts",
    "queued_at",
    "not_before",
    "handed_over_at",
    "settled_at",
)
# What is said of a message that has no reason of its own.
_UNDER_WAY = {"queued": "its-turn", "claimed": "in-hand", "handing_over": "handing-over"}


def messages(connection: Connection, lead_id: int, at: datetime | None) -> list[Facts]:
    """The ledger's rows of the lead, newest first; as of an instant, with what was known of them by then."""
    rows = explain.ledger_of(connection, lead_id, at)
    return [_told(_then(row, at) if at is not None else row, now=at is None) for row in rows]


def _then(row: Mapping[str, Any], at: datetime) -> Facts:
    """What the ledger said then, as far as its instants tell."""
    if row["settled_at"] is not None and row["settled_at"] <= at:
        return dict(row)
    handed_over = row["handed_over_at"] is not None and row["handed_over_at"] <= at
    later = {"settled_at": None, "reason": None, "detail": None, "not_before": None}
    if not handed_over:
        later |= {"handed_over_at": None, "subject": None}
    return {**row, **later, "status": "handing_over" if handed_over else "queued"}


def _told(row: Mapping[str, Any], *, now: bool) -> Facts:
    facts: Facts = {name: row[name] for name in _SAME}
    facts["why"] = in_words(MESSAGES, row["reason"])
    facts["consent"] = _consent(row)
    if row["status"] == "accepted":
        facts["why"] = _allowed(row)
    elif row["status"] == "queued" and now and row["state"] == "hold":
        facts |= {"reason": "on-hold", "why": MESSAGES["on-hold"]}
    elif row["status"] == "queued" and now and row["waiting_for"] == "hold":
        facts |= {"reason": row["hold_reason"], "why": in_words(HOLDS, row["hold_reason"])}
        facts["not_before"] = row["hold_until"]
    elif row["reason"] is None and row["status"] in _UNDER_WAY:
        reason = _UNDER_WAY[row["status"]]
        facts |= {"reason": reason, "why": MESSAGES[reason]}
    return facts


def _consent(row: Mapping[str, Any]) -> Facts | None:
    if row["consent_status"] is None or row["handed_over_at"] is None:
        return None
    return {
        "topic": row["topic"],
        "status": row["consent_status"],
        "basis": row["consent_basis"],
        "source": row["consent_source"],
        "since": row["consent_at"],
    }


def _allowed(row: Mapping[str, Any]) -> str:
    if not row["marketing"]:
        return "sent; it is no marketing, and needs no consent"
    if row["consent_status"] is None:
        return "sent"
    return f"sent; allowed by {row['consent_basis'].replace('_', ' ')} from {row['consent_source']}"
