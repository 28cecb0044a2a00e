"""`ripen report`: pipeline, funnel of every sequence, speed to lead, attribution; in the terminal or as a page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.output import console, print_json, say
from cli.workspace import Home, Json, home_of
from db import runs
from db.engine import Database
from tasks.report_data import gather
from tasks.report_page import reached, write_report
from tasks.report_remarks import remarks
from tasks.wording import stage_label
from tasks.workspace import open_context

_BAR = 40


def report_command(
    *,
    html: Annotated[Path | None, Parameter(name="--html", help="Write the report as one HTML file here.")] = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Show what the nurture does: pipeline, funnel per step, speed to lead, attribution.

    Example: `ripen report`, or `ripen report --html report.html`
    """
    context = open_context(home_of(home))
    facts = gather(context.database, last_run(context.database) or datetime.now(UTC))
    if html is not None:
        path = write_report(context.database, html.expanduser().absolute(), facts["now"], context.settings.project)
        say(f"The report lies in {path}")
    if json:
        print_json({key: value for key, value in facts.items() if key != "labels"})
    elif html is None:
        show(console(), facts)
    return 0


def last_run(database: Database) -> datetime | None:
    """As of when the figures are: the instant of the last run."""
    with database.read() as connection:
        recent = runs.recent(connection, 1)
    return recent[0]["now"] if recent else None


def show(terminal: Console, facts: Mapping[str, Any]) -> None:
    """The report as tables."""
    terminal.print(Text(f"As of {facts['now']:%Y-%m-%d %H:%M} UTC", style="dim"))
    _show_pipeline(terminal, facts)
    for sequence in facts["sequences"]:
        _show_sequence(terminal, sequence)
    _show_speed(terminal, facts["speed_to_lead"])
    _show_attribution(terminal, facts["attribution"]["by_source"])
    _show_messages(terminal, facts["messages"])
    for said in remarks(facts):
        terminal.print(Text(f"• {said}"))


def _show_pipeline(terminal: Console, facts: Mapping[str, Any]) -> None:
    table = _table("Pipeline", "Stage", "Now", "Ever", "")
    ever = reached(facts)
    most = max([*facts["pipeline"].values(), 1])
    for stage, count in facts["pipeline"].items():
        table.add_row(stage_label(stage), f"{count:,}", f"{ever[stage]:,}", "█" * round(_BAR * count / most))
    terminal.print(table)


def _show_sequence(terminal: Console, sequence: Mapping[str, Any]) -> None:
    counts = ", ".join(
        f"{sequence[key]:,} {says}"
        for key, says in (
            ("entered", "entered"),
            ("active", "under way"),
            ("goal", "reached the goal"),
            ("completed", "walked to the end"),
            ("exited", "left"),
        )
    )
    table = _table(
        f"{sequence['title']}: {counts}", "Step", "Kind", "Done", "Opened", "Clicked", "Here now", "Goal", "Not sent"
    )
    table.columns[-1].justify = "left"
    for step in sequence["steps"]:
        mail = step["kind"] == "email"
        skipped = ", ".join(f"{reason} {count:,}" for reason, count in step["not_sent"].items())
        table.add_row(
            step["step"],
            step["kind"],
            f"{step['sent' if mail else 'executed']:,}",
            _share(step["opened"], step["sent"]) if mail else "",
            _share(step["clicked"], step["sent"]) if mail else "",
            f"{step['standing']:,}",
            f"{step['goals']:,}",
            skipped,
        )
    terminal.print(table)
    _show_experiments(terminal, sequence)


def _show_experiments(terminal: Console, sequence: Mapping[str, Any]) -> None:
    """What variants and a holdout have led to, where there are any."""
    if sequence["variants"]:
        table = _table("Variants", "Step", "Variant", "Sent", "Clicked", "Replied", "Unsubscribed", "Goal")
        table.columns[1].justify = "left"
        for row in sequence["variants"]:
            answers = [_share(row[answer], row["sent"]) for answer in ("clicked", "replied", "unsubscribed", "goals")]
            table.add_row(row["step"], row["variant"], f"{row['sent']:,}", *answers)
        terminal.print(table)
    if sequence["holdout"]:
        table = _table("Holdout", "Group", "Entered", "Goal", "Share")
        for name, says in (("others", "got the sequence"), ("held_out", "held out")):
            group = sequence["holdout"][name]
            table.add_row(
                says, f"{group['entered']:,}", f"{group['goals']:,}", _share(group["goals"], group["entered"])
            )
        terminal.print(table)


def _show_speed(terminal: Console, speed: Mapping[str, Any]) -> None:
    table = _table("Speed to lead, from qualified", "Until", "Tasks", "Median")
    for name, clock in speed.items():
        hours = clock["median_hours"]
        table.add_row(
            name,
            f"{clock['tasks']:,}",
            "" if hours is None else f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days",
        )
    terminal.print(table)


def _show_attribution(terminal: Console, sources: list[Mapping[str, Any]]) -> None:
    table = _table("Where leads and customers come from", "Source", "Leads", "MQL", "SQL", "Customers", "Share")
    for row in sources:
        table.add_row(
            row["source"],
            *(f"{row[key]:,}" for key in ("leads", "mql", "sql", "customer")),
            _share(row["customer"], row["leads"]),
        )
    terminal.print(table)


def _show_messages(terminal: Console, messages: list[Mapping[str, Any]]) -> None:
    table = _table("Messages", "Status", "Reason", "Number")
    table.columns[1].justify = "left"
    for row in messages:
        table.add_row(row["status"], row["reason"] or "", f"{row['messages']:,}")
    terminal.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place and column not in ("Kind", "") else "left")
    return table


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""
