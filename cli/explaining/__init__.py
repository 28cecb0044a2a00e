"""`ripen explain`: why a lead stands where it stands, as tables for people or as one JSON object."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from cli.explaining.layout import time
from cli.explaining.ledgers import show_audiences, show_consents, show_messages, show_suppressions, show_tasks
from cli.explaining.score import show_score
from cli.explaining.sequences import show_not_in, show_sequences
from cli.explaining.stage import show_missing, show_stage
from cli.output import console, print_json
from cli.times import instant
from cli.workspace import Home, Json, home_of
from db import runs
from db.engine import Database
from tasks.explain import explain_lead
from tasks.workspace import open_context


def explain_command(
    lead: str,
    /,
    *,
    at: Annotated[str | None, Parameter(help="As of this instant, ISO 8601: score, stage and history then.")] = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Say why a lead stands where it stands; LEAD is an id, an e-mail address or any known identifier.

    Example: `ripen explain ada@example.com`, or `ripen explain 12 --at 2026-03-01T08:00 --json`
    """
    context = open_context(home_of(home))
    now = present(context.database, datetime.now(UTC))
    then = instant(at, context.settings.project.time_zone) if at is not None else None
    facts = explain_lead(context, lead, now, then)
    if json:
        print_json(facts)
    else:
        show(console(), facts, as_of=then)
    return 0


def present(database: Database, clock: datetime) -> datetime:
    """The clock, or the last run's instant when that is later: a sample workspace may live in the future."""
    with database.read() as connection:
        recent = runs.recent(connection, 1)
    return max([clock, *(each["now"] for each in recent)])


def show(terminal: Console, facts: dict[str, Any], as_of: datetime | None = None) -> None:
    """The whole explanation as tables."""
    if facts.get("erased"):
        terminal.print(Text(f"Lead {facts['lead']['id']} was erased on {time(facts['erased_at'])}."))
        return
    lead = facts["lead"]
    name = lead["name"] or " ".join(filter(None, (lead["first_name"], lead["last_name"]))) or f"Lead {lead['id']}"
    about = [lead["job_title"], lead["company"], lead["country"]]
    title = Text(str(name), style="bold")
    title.append(f"  lead {lead['id']}", style="dim")
    terminal.print(title)
    terminal.print(
        Text(", ".join(str(each) for each in about if each) or "nothing known about the person", style="dim")
    )
    if as_of is not None:
        terminal.print(Text(f"as of {time(as_of)}", style="italic"))
    terminal.print()
    show_stage(terminal, facts)
    show_score(terminal, facts["score"])
    show_missing(terminal, facts["missing_to_sql"])
    show_sequences(terminal, facts["enrollments"])
    show_not_in(terminal, facts.get("not_in", []))
    show_messages(terminal, facts["messages"])
    show_tasks(terminal, facts["sales_tasks"])
    show_audiences(terminal, facts.get("audiences", []))
    show_consents(terminal, facts["consents"])
    show_suppressions(terminal, facts["suppressions"])


__all__ = ["explain_command", "present", "show", "show_score"]
