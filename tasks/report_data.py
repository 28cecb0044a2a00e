"""Everything that the report shows, gathered once: for the page, the terminal and `ripen report --json`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from db import definitions, experiments, outcomes, reports, runs
from db import sending_rates as sent
from db.engine import Connection, Database
from nurture import sending_rates
from nurture.definitions.bundle import Bundle, bundle_from_documents
from nurture.definitions.program import flatten

_RUNS = 12
_SENT = ("accepted", "unknown")
_ANSWERS = tuple(dict.fromkeys(reports.ANSWERS.values()))

Facts = dict[str, Any]


def gather(database: Database, now: datetime) -> Facts:
    """The report as of the last run; counts and names of definitions only, no personal data."""
    with database.read() as connection:
        live = definitions.live(connection)
        bundle = bundle_from_documents(live.documents, live.profile) if live else None
        period = reports.period(connection)
        facts: Facts = {
            "now": now,
            "period": period._asdict() if period else None,
            "totals": reports.totals(connection),
            "pipeline": reports.pipeline(connection),
            "pipeline_by_day": reports.pipeline_by_day(connection, period.since, period.until) if period else [],
            "messages": reports.messages_by_status(connection),
            "messages_by_day": reports.messages_by_day(connection, period.live_since, period.until) if period else [],
            "sequences": _sequences(connection, bundle),
            "rates": _rates(connection, bundle, period.until) if bundle and period else [],
            "speed_to_lead": outcomes.speed_to_lead(connection),
            "sales": {
                "by_source": outcomes.tasks_by_source(connection),
                "by_reason": outcomes.tasks_by_reason(connection),
                "refusals": outcomes.refusals_by_reason(connection),
            },
            "attribution": {
                "by_source": outcomes.attribution_by_source(connection),
                "qualified_by": outcomes.qualified_by_event(connection),
            },
            "scores": reports.score_histogram(connection),
            "thresholds": _thresholds(bundle),
            "audiences": reports.audience_sizes(connection),
            "dead_letters": reports.dead_letters_by_reason(connection),
            "runs": [_run(each) for each in runs.recent(connection, _RUNS)],
        }
    facts["labels"] = _labels(bundle)
    return facts


def _sequences(connection: Connection, bundle: Bundle | None) -> list[Facts]:
    """One entry a sequence, live ones in the order of the definitions, then those that only history knows."""
    found: dict[str, Facts] = {}
    if bundle is not None:
        for name, sequence in bundle.sequences.items():
            found[name] = _empty(name, sequence.title)
            for node in flatten(sequence):
                found[name]["steps"][node.id] = _step(node.id, node.kind, getattr(node.step, "email", None))

    def step_of(row: Mapping[str, Any], kind: str = "gone") -> Facts:
        steps: dict[str, Facts] = found.setdefault(row["sequence"], _empty(row["sequence"], row["sequence"]))["steps"]
        return steps.setdefault(row["step_id"], _step(row["step_id"], kind, row.get("email")))

    for row in reports.enrollment_counts(connection):
        _count_enrollments(found.setdefault(row["sequence"], _empty(row["sequence"], row["sequence"])), row)
    for row in reports.standing(connection):
        step_of(row)["standing"] += row["enrollments"]
    for row in reports.steps_executed(connection):
        step = step_of(row, row["kind"])
        step["executed"] += row["executed"]
        step["outcomes"][row["way"] or row["outcome"]] += row["executed"]
    for row in reports.step_messages(connection):
        _count_messages(step_of(row, "email"), row)
    for row in reports.step_answers(connection):
        step_of(row, "email")[row["answer"]] += row["messages"]
    for row in reports.goals_after_step(connection):
        step_of(row)["goals"] += row["goals"]
    _experiments(connection, found)
    return [{**each, "steps": _plainly(each["steps"].values())} for each in found.values()]


def _rates(connection: Connection, bundle: Bundle, now: datetime) -> list[Facts]:
    """Complaint and bounce rates past a limit, and the sequences that rest because of one."""
    limits = bundle.lifecycle.deliverability
    found = sending_rates.findings(sent.sendings(connection, limits.window, now), limits)
    resting = [
        {"sequences": [name], "says": reason, "resting": True} for name, reason in sent.resting(connection).items()
    ]
    return resting + [{"sequences": list(each.sequences), "says": each.reason, "resting": False} for each in found]


def _experiments(connection: Connection, found: dict[str, Facts]) -> None:
    for row in experiments.by_variant(connection):
        found[row["sequence"]]["variants"].append(row)
    for name, groups in experiments.holdouts(connection).items():
        found[name]["holdout"] = groups


def _empty(name: str, title: str) -> Facts:
    return {
        "sequence": name,
        "title": title,
        "entered": 0,
        "active": 0,
        "completed": 0,
        "goal": 0,
        "exited": 0,
        "exits": {},
        "steps": {},
        "variants": [],
        "holdout": None,
    }


def _step(name: str, kind: str, email: str | None) -> Facts:
    return {
        "step": name,
        "kind": kind,
        "email": email,
        "executed": 0,
        "standing": 0,
        "goals": 0,
        "sent": 0,
        "waiting": 0,
        "outcomes": defaultdict(int),
        "not_sent": defaultdict(int),
        **dict.fromkeys(_ANSWERS, 0),
    }


def _count_enrollments(sequence: Facts, row: Mapping[str, Any]) -> None:
    sequence["entered"] += row["enrollments"]
    sequence[row["status"]] += row["enrollments"]
    if row["status"] == "exited":
        sequence["exits"][row["reason"]] = sequence["exits"].get(row["reason"], 0) + row["enrollments"]


def _count_messages(step: Facts, row: Mapping[str, Any]) -> None:
    if row["status"] in _SENT:
        step["sent"] += row["messages"]
    elif row["status"] in ("skipped", "rejected", "failed"):
        step["not_sent"][row["reason"]] += row["messages"]
    else:
        step["waiting"] += row["messages"]


def _plainly(steps: Iterable[Facts]) -> list[Facts]:
    """The counters as plain objects, the most frequent first."""
    return [
        {
            **step,
            "reached": any(step[key] for key in ("executed", "standing", "sent", "waiting", "not_sent")),
            **{key: dict(sorted(step[key].items(), key=lambda item: -item[1])) for key in ("outcomes", "not_sent")},
        }
        for step in steps
    ]


def _thresholds(bundle: Bundle | None) -> Facts:
    if bundle is None:
        return {}
    limits = bundle.rules.thresholds
    return {"score": limits.score, "mql": limits.mql, "sql": limits.sql}


def _labels(bundle: Bundle | None) -> dict[str, str]:
    return {name: kind.label for name, kind in bundle.catalogue.events.items()} if bundle else {}


def _run(row: Mapping[str, Any]) -> Facts:
    """A run without its notes: which flow, when, and how many things it counted."""
    counts: dict[str, int] = defaultdict(int)
    for step in (row["counts"] or {}).values():
        for name, value in step.items() if isinstance(step, dict) else ():
            counts[name] += value
    return {
        "id": row["id"],
        "flow": row["flow"],
        "now": row["now"],
        "status": row["status"],
        "error": row["error"],
        "counts": dict(counts),
    }
