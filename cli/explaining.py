"""`ripen explain`: why a lead stands where it stands, as tables for people or as one JSON object."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import Parameter
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.output import console, print_json
from cli.times import instant
from cli.workspace import Home, Json, home_of
from db import runs
from db.engine import Database
from tasks.explain import explain_lead
from tasks.wording import stage_label
from tasks.workspace import open_context

_COLOURS = {"lead": "white", "mql": "cyan", "sql": "yellow", "customer": "green"}
_MESSAGES = 12
_EVENTS = 3


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
        terminal.print(Text(f"as of {_time(as_of)}", style="italic"))
    terminal.print()
    _show_stage(terminal, facts)
    show_score(terminal, facts["score"])
    _show_missing(terminal, facts.get("missing_to_sql"))
    _show_sequences(terminal, facts["enrollments"])
    _show_messages(terminal, facts["messages"])
    _show_tasks(terminal, facts["sales_tasks"])
    _show_consents(terminal, facts["consents"])


def _show_stage(terminal: Console, facts: dict[str, Any]) -> None:
    stage = facts["stage"]
    line = Text("Stage  ")
    line.append(stage_label(stage["name"]), style=f"bold {_COLOURS.get(stage['name'], '')}")
    line.append(f" since {_day(stage['since'])}: {stage['cause']}")
    terminal.print(line)
    for move in facts["transitions"][:-1]:
        terminal.print(Text(f"       {stage_label(move['to'])} on {_day(move['at'])}: {move['why']}", style="dim"))
    terminal.print()


def show_score(terminal: Console, score: dict[str, Any]) -> None:
    """The score and every contribution; the last line is their sum."""
    table = Table(box=box.SIMPLE_HEAD, title="Score", title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("Points", justify="right")
    table.add_column("For")
    table.add_column("Times", justify="right")
    table.add_column("Last events")
    for each in score["contributions"]:
        last = [_day(event["occurred_at"]) for event in each["events"][-_EVENTS:]]
        more = len(each["events"]) - len(last)
        shown = ", ".join(last) + (f" and {more} before" if more > 0 else "")
        colour = "red" if each["points"] < 0 else ""
        table.add_row(Text(f"{each['points']:+g}", style=colour), each["label"], str(each["times"] or ""), shown)
    sums = f"interest {score['interest']:g}, fit {score['fit']:g}"
    table.add_section()
    table.add_row(Text(f"{score['total']:+g}", style="bold"), Text(f"together: {sums}", style="bold"), "", "")
    terminal.print(table)


def _show_missing(terminal: Console, missing: dict[str, Any] | None) -> None:
    if missing is None:
        return
    ways = []
    if missing["points"] is not None:
        more = f"{missing['points']:g} more points of {missing['score']} (the threshold is {missing['threshold']:g})"
        ways.append(more if missing["points"] > 0 else "the points are there")
    if missing["events"]:
        ways.append(f"one of: {', '.join(missing['events'])}")
    terminal.print(Text("To become an SQL  ", style="bold") + Text("; or ".join(ways)))
    if missing["points"] is not None and not missing["only_if_holds"]:
        terminal.print(Text("                  points count only while `only_if` of the threshold holds; it does not"))
    if missing["not_before"] is not None:
        terminal.print(Text(f"                  not before {_time(missing['not_before'])}: sales gave the lead back"))
    terminal.print()


def _show_sequences(terminal: Console, enrollments: list[dict[str, Any]]) -> None:
    table = _table("Sequences", "Sequence", "State", "Where", "Entered")
    for each in enrollments:
        if each["status"] == "active":
            where = f"{each['step'] or 'not kept'}"
            if each.get("waiting_for"):
                where += f", waits for {each['waiting_for']}"
                where += f" until {_time(each['until'])}" if each.get("until") else ""
        else:
            where = f"{each['reason']} on {_day(each['ended_at'])}, at {each['step']}"
        table.add_row(each["sequence"], each["status"], where, _day(each["entered_at"]))
    _print_or(terminal, table, "In no sequence so far.")


def _show_messages(terminal: Console, messages: list[dict[str, Any]]) -> None:
    table = _table("Messages", "When", "E-mail", "Status", "Reason")
    for each in messages[:_MESSAGES]:
        when = each["handed_over_at"] or each["settled_at"] or each["queued_at"]
        table.add_row(_time(when), each["subject"] or each["email"], each["status"], each["reason"] or "")
    _print_or(terminal, table, "No message so far.")
    if len(messages) > _MESSAGES:
        terminal.print(Text(f"and {len(messages) - _MESSAGES} before", style="dim"))


def _show_tasks(terminal: Console, tasks: list[dict[str, Any]]) -> None:
    table = _table("Sales tasks", "Opened", "Task", "Status", "Owner", "Due")
    for each in tasks:
        table.add_row(_time(each["opened_at"]), each["title"], each["status"], each["owner"], _time(each["due_at"]))
    if tasks:
        terminal.print(table)


def _show_consents(terminal: Console, consents: list[dict[str, Any]]) -> None:
    table = _table("Consent", "Topic", "Status", "Basis", "Since", "From")
    for each in consents:
        table.add_row(each["topic"], each["status"], each["basis"], _day(each["since"]), each["source"] or "")
    _print_or(terminal, table, "No consent recorded: no marketing e-mail is sent.")


def _table(title: str, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table


def _print_or(terminal: Console, table: Table, instead: str) -> None:
    terminal.print(table if table.row_count else Text(instead + "\n", style="dim"))


def _day(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d}" if instant else ""


def _time(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC" if instant else ""
