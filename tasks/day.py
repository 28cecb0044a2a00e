"""The order of a day, written once; whoever runs it gives the seam through which each step is called.

Plainly called it is the CLI, the simulator, the demo and the tests; inside Prefect the seam makes each step a task run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any

from db import runs
from db.engine import DatabaseBusy
from nurture.errors import RipenError
from tasks.advance import advance
from tasks.audit import audit
from tasks.context import Context, Run
from tasks.deliver import deliver
from tasks.enroll import enroll, enroll_by_time
from tasks.escalate import escalate
from tasks.expire_consents import expire_consents
from tasks.privacy.retention import retention
from tasks.protect import protect
from tasks.publish import publish_if_nothing_is
from tasks.pull_events import pull_events
from tasks.report import report
from tasks.rescore import rescore
from tasks.restage import restage
from tasks.sync_audiences import sync_audiences

Counts = dict[str, int]
# A step may make work for an earlier one: a settled message takes its lead to the next step, which may be a message.
MOST_ROUNDS = 50
MOST_TRIES = 5
Step = Callable[[Run], Counts]
Seam = Callable[[str, Step, Run], Counts]

PARTS: Mapping[str, tuple[Step, ...]] = {
    "pull-events": (pull_events,),
    "rescore": (rescore,),
    "restage": (restage,),
    "enroll": (enroll,),
    "advance": (advance,),
    "deliver": (protect, deliver),
    "sync-audiences": (sync_audiences,),
    "escalate": (escalate,),
    "retention": (retention,),
    "audit": (audit,),
    "report": (report,),
}
DAILY_SYNC: tuple[Step, ...] = (
    pull_events,
    expire_consents,
    rescore,
    restage,
    enroll,
    enroll_by_time,
    advance,
    protect,
    deliver,
    sync_audiences,
    escalate,
    retention,
    audit,
    report,
)
FOLLOW_UP: tuple[Step, ...] = (pull_events, rescore, restage, enroll, advance, protect, deliver, escalate)
FLOWS: Mapping[str, tuple[Step, ...]] = {"daily-sync": DAILY_SYNC, "follow-up": FOLLOW_UP, **PARTS}


@dataclass(frozen=True)
class Outcome:
    """What a run did: counts by step, and notes for the operator that hold no personal data."""

    run_id: int
    flow: str
    now: datetime
    steps: dict[str, Counts]
    notes: dict[str, Any]

    @property
    def counts(self) -> Counts:
        """All counts of the run, added up over its steps."""
        total: Counts = {}
        for counts in self.steps.values():
            for key, value in counts.items():
                total[key] = total.get(key, 0) + value
        return total


def plainly(name: str, step: Step, run: Run) -> Counts:
    """The seam without Prefect."""
    return step(run)


def run_flow(context: Context, flow: str, now: datetime, seam: Seam = plainly) -> Outcome:
    """Run a flow's steps in order at one instant, and keep what it did; raises what a step raises, after noting it."""
    run = Run(context, now)
    steps: dict[str, Counts] = {}
    first = publish_if_nothing_is(run)
    with context.database.write() as connection:
        run_id = runs.start(connection, flow, now)
    run.notes["run_id"] = run_id
    run.notes["flow"] = flow
    run.notes["steps"] = steps
    try:
        if first:
            steps["publish"] = first
        for step in FLOWS[flow]:
            counts = _call(step, seam, run, steps)
            if step is advance and deliver in FLOWS[flow]:
                _follow_updates(counts, seam, run, steps)
            if step is deliver and advance in FLOWS[flow]:
                _until_nothing_moves(seam, run, steps)
    except BaseException as error:
        kind = str(error) if isinstance(error, RipenError) else type(error).__name__
        with context.database.write() as connection:
            runs.fail(connection, run_id, steps, kind[:500])
        raise
    with context.database.write() as connection:
        runs.finish(connection, run_id, steps, context.compiled().live.publication_id)
    return Outcome(run_id, flow, now, steps, run.notes)


def _call(step: Step, seam: Seam, run: Run, steps: dict[str, Counts]) -> Counts:
    counts = seam(step.__name__.replace("_", "-"), _again_when_busy(step), run)
    total = steps.setdefault(step.__name__, {})
    for key, value in counts.items():
        total[key] = total.get(key, 0) + value
    return counts


def _again_when_busy(step: Step) -> Step:
    """The step, done again when PostgreSQL rolled it back; what it has committed before stands, every step repeats."""

    @wraps(step)
    def patient(run: Run) -> Counts:
        for _ in range(MOST_TRIES - 1):
            try:
                return step(run)
            except DatabaseBusy:
                continue
        return step(run)

    return patient


def _until_nothing_moves(seam: Seam, run: Run, steps: dict[str, Counts]) -> None:
    """Go on from the messages just settled, until a run at the same instant would change nothing."""
    for _ in range(MOST_ROUNDS):
        counts = _call(advance, seam, run, steps)
        if not counts.get("fields_updated") and not counts.get("messages_queued"):
            return
        _follow_updates(counts, seam, run, steps)
        _call(deliver, seam, run, steps)


def _follow_updates(counts: Counts, seam: Seam, run: Run, steps: dict[str, Counts]) -> None:
    """A field that a step has set may be worth points, and let its lead enter elsewhere; before anything is sent."""
    if counts.get("fields_updated"):
        for step in (rescore, restage, enroll):
            _call(step, seam, run, steps)
