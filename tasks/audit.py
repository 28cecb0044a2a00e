"""Check every invariant at the end of the daily sync, and mend what can be mended when a person asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db import runs
from db.audit import Scene, look, run_checks
from db.engine import Connection
from tasks.context import Context, Run
from tasks.rescore import rescore


@dataclass(frozen=True)
class Examined:
    """What was broken, what became of it, and the instant at which it was judged."""

    at: datetime
    breaches: list[dict[str, Any]]

    @property
    def broken(self) -> list[dict[str, Any]]:
        """What is still broken."""
        return [breach for breach in self.breaches if breach["left"]]


def audit(run: Run) -> dict[str, int]:
    """Look for broken invariants; they are counted and noted, never silently mended."""
    with run.context.database.read() as connection:
        scene = _scene(connection, run.context, run.now, in_sync=run.notes.get("flow") == "daily-sync", whole=False)
        breaches = run_checks(connection, run.now, repair=False, scene=scene)
    if breaches:
        run.notes["audit"] = breaches
    return {"audit_breaches": len(breaches)}


def examine(context: Context, now: datetime, *, repair: bool) -> Examined:
    """Check every invariant; with `repair` mend what is safe, score anew who is due, and look again.

    Each breach says how many rows are `left`, and how many are `repaired`.
    """
    before = _look(context, now)
    if not repair or not before:
        return Examined(now, [{**breach, "left": breach["rows"]} for breach in before])
    with context.database.write() as connection:
        mended = {
            breach["check"]: breach
            for breach in run_checks(connection, now, repair=True, scene=_scene(connection, context, now))
        }
    rescore(Run(context, now))
    after = {breach["check"]: breach for breach in _look(context, now)}
    return Examined(now, _compared(before, mended, after))


def _compared(
    before: list[dict[str, Any]], mended: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """What was broken before or is so now, with what is left of it; a repair may mend another check's rows, too."""
    found = []
    for breach in (*before, *(each for name, each in after.items() if name not in {old["check"] for old in before})):
        name, left = breach["check"], after.get(breach["check"], {"rows": 0, "examples": []})
        rows = max(breach["rows"], left["rows"])
        told = {**breach, **mended.get(name, {}), "rows": rows, "left": left["rows"], "repaired": rows - left["rows"]}
        found.append({**told, "examples": left["examples"] or breach["examples"]})
    return found


def _look(context: Context, now: datetime) -> list[dict[str, Any]]:
    with context.database.read() as connection:
        return run_checks(connection, now, repair=False, scene=_scene(connection, context, now))


def _scene(
    connection: Connection, context: Context, now: datetime, *, in_sync: bool = False, whole: bool = True
) -> Scene:
    compiled = context.compiled()
    return look(
        connection,
        now,
        bundle=compiled.bundle,
        audiences=compiled.audiences,
        platforms=context.audiences,
        in_sync=in_sync,
        whole=whole,
        statements=compiled.audit_statements,
    )


def judged_at(context: Context, clock: datetime) -> datetime:
    """The instant at which a workspace is judged by itself: the end of its last run, for that is what must hold then.

    A sample workspace lives in a time of its own; the clock judges only where no run has ever been.
    """
    with context.database.read() as connection:
        recent = runs.recent(connection, 1)
    return recent[0]["now"] if recent else clock
