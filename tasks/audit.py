"""Check every invariant at the end of the daily sync."""

from __future__ import annotations

from db.audit import run_checks
from tasks.context import Run


def audit(run: Run) -> dict[str, int]:
    """Look for broken invariants; they are counted and noted, never silently mended."""
    with run.context.database.read() as connection:
        breaches = run_checks(connection, run.now, repair=False)
    if breaches:
        run.notes["audit"] = breaches
    return {"audit_breaches": len(breaches)}
