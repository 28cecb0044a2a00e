"""`ripen run`: a flow or one part of it by hand, without Prefect unless asked."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from cli.output import print_json, print_table, say
from cli.times import instant
from cli.workspace import Home, Json, Now, home_of
from tasks.day import Outcome, run_flow
from tasks.workspace import open_context

Flow = Literal[
    "daily-sync",
    "follow-up",
    "pull-events",
    "rescore",
    "restage",
    "enroll",
    "advance",
    "deliver",
    "sync-audiences",
    "escalate",
    "retention",
    "audit",
    "report",
]


def run(
    flow: Flow,
    /,
    *,
    now: Now = None,
    home: Home = None,
    json: Json = False,
    prefect: Annotated[bool, Parameter(negative="", help="Run it as a Prefect flow run.")] = False,
) -> int:
    """Run a flow at one instant; repeating it changes nothing.

    Example: `ripen run daily-sync`, or `ripen run deliver --json`
    """
    folder = home_of(home)
    context = open_context(folder)
    at = instant(now, context.settings.project.time_zone)
    if prefect:
        from cli.prefect_runs import run_with_prefect

        return run_with_prefect(folder, flow, at, json)
    outcome = run_flow(context, flow, at)
    show(outcome, json)
    return 3 if "transport" in outcome.notes else 0


def show(outcome: Outcome, json: bool) -> None:
    """What a run did."""
    notes = {key: value for key, value in outcome.notes.items() if key not in ("steps", "run_id", "flow")}
    if json:
        print_json(
            {
                "run_id": outcome.run_id,
                "flow": outcome.flow,
                "now": outcome.now,
                "counts": outcome.counts,
                "steps": outcome.steps,
                "notes": notes,
            }
        )
        return
    rows = [(step, key, value) for step, counts in outcome.steps.items() for key, value in counts.items() if value]
    print_table(
        f"{outcome.flow}, run {outcome.run_id}, {outcome.now:%Y-%m-%d %H:%M} UTC",
        ["step", "what", "count"],
        rows or [("all", "nothing to do", 0)],
    )
    for key, value in notes.items():
        say(f"{key}: {value}")
