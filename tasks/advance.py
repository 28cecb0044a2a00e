"""Advance everybody who is due, as far as they can go."""

from __future__ import annotations

from db import advance as steps
from nurture.failpoints import hit
from tasks.context import Run


def advance(run: Run) -> dict[str, int]:
    """Take on those whose message is settled or whose wait is over; state and ledger rows commit together."""
    context, now = run.context, run.now
    compiled = context.compiled()
    counts: dict[str, int] = {}
    with context.database.write() as connection:
        programs = compiled.programs(connection)
        counts["after_messages"] = steps.go_on_after_messages(connection, now)
        hit("advance.taken_on")
        hit("advance.before_commit")
    for version, places in _occupied(run).items():
        if version not in programs:
            # Published while this run was on its way; the next run takes it from there.
            continue
        with context.database.write() as connection:
            for key, value in programs[version].advance(connection, places, now).items():
                counts[key] = counts.get(key, 0) + value
            hit("advance.before_commit")
        hit("advance.committed")
    return counts


def _occupied(run: Run) -> dict[int, set[str]]:
    with run.context.database.read() as connection:
        return steps.occupied_places(connection, run.now)
