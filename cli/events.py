"""`ripen events`: the opens and clicks of a lead, by a person or a machine, and a person's word on one of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from cli.output import print_json, print_table
from cli.times import instant
from cli.workspace import Home, Json, Now, home_of
from db import judgements
from nurture.errors import BadInput
from tasks.explain import find
from tasks.reasons import verdict_in_words
from tasks.workspace import open_context

app = App(name="events", help="Opens and clicks: a person's or a machine's.")
_SHOWN = ("id", "occurred_at", "type", "verdict", "by", "why", "url")


@app.default
def listing(
    lead: str,
    /,
    *,
    limit: Annotated[int, Parameter(help="How many rows.")] = 50,
    home: Home = None,
    json: Json = False,
) -> int:
    """The opens and clicks of a lead, newest first: whether a person or a machine did it, and who or what says so.

    What came within the settling time, or since the last run, is `pending`: it counts for nothing until a run has
    judged it.

    Example: `ripen events ada@example.com`
    """
    context = open_context(home_of(home))
    with context.database.read() as connection:
        lead_id = find(connection, lead, context.settings)
        rows = [_with_words(each) for each in judgements.listing(connection, lead_id, limit)]
    if json:
        print_json({"lead": lead_id, "events": rows})
        return 0
    columns = ["id", "when", "what", "verdict", "by", "why", "link"]
    print_table(f"Opens and clicks of lead {lead_id}", columns, [[row[key] for key in _SHOWN] for row in rows])
    return 0


def _with_words(row: dict[str, Any]) -> dict[str, Any]:
    """The row with `why`: the words of the person who judged it, or what the rule means."""
    return {**row, "why": row["reason"] or verdict_in_words(row["verdict"], row["by"])}


@app.command
def judge(
    event_id: int,
    verdict: Literal["human", "machine"],
    /,
    *,
    reason: Annotated[str | None, Parameter(help="Why, in a few words.")] = None,
    now: Now = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Say who did it; scores follow with the next run, and stages as far as they go forward.

    Example: `ripen events judge 4711 human --reason "she called about it"`
    """
    context = open_context(home_of(home))
    at = instant(now, context.settings.project.time_zone)
    with context.database.write() as connection:
        if not judgements.judge(connection, event_id, verdict, reason, at):
            raise BadInput(f"event {event_id} cannot be judged; `ripen events LEAD` lists a lead's opens and clicks")
    if json:
        print_json({"event": event_id, "verdict": verdict, "by": "person"})
    else:
        print(f"event {event_id}: {verdict}; the next run acts on it")
    return 0
