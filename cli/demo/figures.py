"""What a demo came to: the figures that two demos of the same seed share, and a digest that proves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from cli.demo.life import Life
from db import outcomes, reports, sales_tasks
from nurture.keys import record_digest


def figures(life: Life, report: Path) -> dict[str, Any]:
    """The counts for `--json`; `digest` is equal when everything that was counted is equal."""
    with life.context.database.read() as connection:
        totals = reports.totals(connection)
        messages = reports.messages_by_status(connection)
        tasks = sales_tasks.counts(connection)
        audiences = reports.audience_sizes(connection)
        found: dict[str, Any] = {
            "leads": totals["leads"],
            "events": totals["events"],
            "days": (life.business.last_day - life.business.first_day).days + 1,
            "stages": reports.pipeline(connection),
            "messages": _by(messages, "status"),
            "not_sent": _by([row for row in messages if row["status"] not in ("accepted", "queued")], "reason"),
            "sales_tasks": sum(tasks.values()),
            "tasks": tasks,
            "audience_members": sum(row["members"] for row in audiences),
            "enrollments": _by(reports.enrollment_counts(connection), "status", "enrollments"),
            "dead_letters": _by(reports.dead_letters_by_reason(connection), "reason", "letters"),
        }
        behind = [
            found,
            messages,
            audiences,
            reports.enrollment_counts(connection),
            reports.steps_executed(connection),
            reports.step_answers(connection),
            reports.score_histogram(connection),
            outcomes.attribution_by_source(connection),
            outcomes.tasks_by_reason(connection),
        ]
    ordered = [sorted(map(_canonical, each)) if isinstance(each, list) else [_canonical(each)] for each in behind]
    digest = record_digest(*(line for part in ordered for line in part))
    return {**found, "report": str(report), "digest": digest[:16]}


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def _by(rows: list[dict[str, Any]], key: str, number: str = "messages") -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        name = str(row[key] or "none")
        found[name] = found.get(name, 0) + int(row[number])
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
