"""Enroll those for whom an entry condition has become true, and let go those who reached a goal or an exit."""

from __future__ import annotations

from uuid import uuid4

from db import advance, holds, sequences, work
from db.engine import Connection
from nurture.conditions import depends_on_time
from nurture.failpoints import hit
from tasks.context import Compiled, Run


def enroll(run: Run) -> dict[str, int]:
    """Look at the leads that changed: entries, goals, exits and awaited events of every sequence."""
    context = run.context
    compiled = context.compiled()
    counts: dict[str, int] = {"entered": 0}
    with context.database.write() as connection:
        resumed = holds.release(connection, run.now)
    if resumed > 0:
        counts["resumed"] = resumed
    while True:
        batch = uuid4().hex
        with context.database.write() as connection:
            claimed = work.claim(connection, "entry", batch, context.batch_size)
            if claimed:
                _look_at(connection, compiled, batch, run, counts)
                work.finish(connection, "entry", batch)
            hit("enroll.before_commit")
        hit("enroll.committed")
        if claimed < context.batch_size:
            return counts


def _look_at(connection: Connection, compiled: Compiled, batch: str, run: Run, counts: dict[str, int]) -> None:
    concerned = advance.versions_of_batch(connection, batch)
    programs = [program for version, program in compiled.programs(connection).items() if version in concerned]
    for program in programs:
        for label, statement in program.leave_changed:
            left = connection.execute(statement, {"now": run.now, "batch": batch}).rowcount
            if left > 0:
                counts[label] = counts.get(label, 0) + left
    if compiled.colleague_pause is not None:
        held = compiled.colleague_pause.pause(connection, batch, run.now)
        if held > 0:
            counts["held:colleague-replied"] = counts.get("held:colleague-replied", 0) + held
    hit("enroll.left")
    states = sequences.states(connection)
    for name, plan in compiled.entries.items():
        if name in states and states[name] != "on":
            plan.pass_by(connection, batch, run.now)
            continue
        counts["entered"] += plan.enter(connection, batch, run.now, compiled.version(f"sequences/{name}"))["entered"]
    hit("enroll.entered")
    for program in programs:
        for statement in program.awaited:
            woken = connection.execute(statement, {"now": run.now, "batch": batch}).rowcount
            if woken > 0:
                counts["events_awaited"] = counts.get("events_awaited", 0) + woken


def enroll_by_time(run: Run) -> dict[str, int]:
    """Look at everybody, for the sequences whose entry condition time alone can make true (quiet leads) or end."""
    context, now = run.context, run.now
    compiled = context.compiled()
    entered = 0
    for name, plan in compiled.entries.items():
        # Also where time alone can only end it: what becomes true again later is an edge.
        if not depends_on_time(plan.sequence.entry.when):
            continue
        with context.database.write() as connection:
            if name in sequences.closed(connection):
                plan.pass_by(connection, None, now)
            else:
                entered += plan.enter(connection, None, now, compiled.version(f"sequences/{name}"))["entered"]
            hit("enroll.before_commit")
    return {"entered_by_time": entered}
