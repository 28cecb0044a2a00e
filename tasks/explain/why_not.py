"""Why a lead is not in a sequence: decided in the order in which production decides, from what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from db import explain, sequences
from db.engine import Connection
from nurture.definitions.bundle import Bundle
from nurture.definitions.sequences import Sequence
from tasks.conditions_in_words import About, tree
from tasks.explain.scores import Facts
from tasks.reasons import NOT_IN

_CLOSED = ("hold", "drain", "stop")


@dataclass(frozen=True)
class _Known:
    """What is stored of the lead and the sequences, read once."""

    connection: Connection
    lead_id: int
    now: datetime
    states: Mapping[str, str]
    marks: Mapping[str, datetime]
    enrollments: list[Facts]
    tasks: list[Facts]


def not_in(
    connection: Connection,
    bundle: Bundle,
    lead_id: int,
    enrollments: list[Facts],
    tasks: list[Facts],
    about: About,
    now: datetime,
) -> list[Facts]:
    """Every live sequence that the lead is not in now, with the reason and its entry condition part by part."""
    active = {each["sequence"] for each in enrollments if each["status"] == "active"}
    others = {name: sequence for name, sequence in bundle.sequences.items() if name not in active}
    conditions = {name: sequence.entry.when for name, sequence in others.items()}
    held = explain.truths(connection, lead_id, conditions, bundle.fields, now)
    known = _Known(
        connection,
        lead_id,
        now,
        sequences.states(connection),
        explain.marks_of(connection, lead_id),
        enrollments,
        [task for task in tasks if task["kind"] == "sql"],
    )
    found = []
    for name, sequence in others.items():
        reason, until, since = _why(known, name, sequence, held[name].holds)
        told = {"sequence": name, "title": sequence.title, "reason": reason, "says": NOT_IN[reason]}
        found.append({**told, "until": until, "since": since, "condition": tree(bundle, held[name], about)})
    return found


def _why(known: _Known, name: str, sequence: Sequence, holds: bool) -> tuple[str, datetime | None, datetime | None]:
    """The reason, until when it stands in the way, and since when it has."""
    if known.states.get(name) in _CLOSED:
        return f"sequence-{known.states[name]}", None, None
    past = [each for each in known.enrollments if each["sequence"] == name]
    if past and sequence.entry.reentry.after is None:
        return "no-reentry", None, past[0]["entered_at"]
    until = None
    if past and sequence.entry.reentry.after is not None:
        until = max(each["ended_at"] for each in past) + timedelta(seconds=sequence.entry.reentry.after.seconds)
        if until > known.now:
            return "reentry-not-yet", until, past[0]["ended_at"]
    if not holds:
        return "condition", None, None
    since = known.marks.get(name)
    if since is None:
        return ("in-sales-hands" if _open_at(known, known.now) else "next-run"), None, None
    return _no_edge(known, since), None, since


def _no_edge(known: _Known, since: datetime) -> str:
    """The condition has held since then; why did it not enter when it became true?"""
    if _open_at(known, known.now):
        return "in-sales-hands"
    # What sales closed at that very instant was heard of only afterwards.
    if _open_at(known, since, still=True):
        return "in-sales-hands-then"
    if not explain.something_new_by(known.connection, known.lead_id, since):
        return "imported-history"
    return "true-when-published" if explain.published_at(known.connection, since) else "no-edge"


def _open_at(known: _Known, instant: datetime, *, still: bool = False) -> bool:
    return any(
        task["opened_at"] <= instant
        and (task["closed_at"] is None or task["closed_at"] > instant or (still and task["closed_at"] == instant))
        for task in known.tasks
    )
