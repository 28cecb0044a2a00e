"""What the demo prints at its end: the pipeline, the messages, the tasks, one brief, one score, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.demo.life import Life
from cli.explaining import show_score
from db import explain, sales_tasks
from tasks.explain import explain_lead
from tasks.wording import stage_label

_COLOURS = {"lead": "bright_black", "mql": "cyan", "sql": "yellow", "customer": "green"}
_BAR = 44


def show(terminal: Console, life: Life, found: Mapping[str, Any], home: Path, seconds: float) -> None:
    """Print the end of a demo for people."""
    terminal.print()
    terminal.rule(Text(f"{found['leads']:,} leads, {found['events']:,} events, {found['days']} days"))
    terminal.print(_pipeline(found["stages"]))
    terminal.print(_messages(found))
    terminal.print(_tasks(found["tasks"]))
    task = _worth_showing(life)
    if task is not None:
        brief = life.context.settings.inside(life.context.settings.crm_folder) / f"task-{task['id']}.md"
        terminal.print(
            Panel(
                Markdown(brief.read_text(encoding="utf-8")),
                title="One brief for sales",
                title_align="left",
                subtitle=Text(_shown(brief)),
                subtitle_align="left",
                box=box.ROUNDED,
            )
        )
        facts = explain_lead(life.context, str(task["lead_id"]), life.last_run)
        terminal.print(Text(f"One score explained: lead {task['lead_id']}", style="bold"))
        show_score(terminal, facts["score"])
    terminal.print(_next(life, home, task, found["report"], seconds))


def _pipeline(stages: Mapping[str, int]) -> Table:
    table = Table(
        box=None, show_header=False, title="Pipeline", title_justify="left", title_style="bold", pad_edge=False
    )
    most = max([*stages.values(), 1])
    for stage, count in stages.items():
        bar = Text("█" * max(1 if count else 0, round(_BAR * count / most)), style=_COLOURS.get(stage, ""))
        table.add_row(stage_label(stage), Text(f"{count:,}", justify="right"), bar)
    return table


def _messages(found: Mapping[str, Any]) -> Table:
    table = Table(
        box=None, show_header=False, title="\nMessages", title_justify="left", title_style="bold", pad_edge=False
    )
    for status, count in found["messages"].items():
        table.add_row(status, Text(f"{count:,}", justify="right"), "")
    for reason, count in found["not_sent"].items():
        table.add_row("", Text(f"{count:,}", justify="right", style="dim"), Text(f"not sent: {reason}", style="dim"))
    return table


def _tasks(tasks: Mapping[str, int]) -> Text:
    line = Text("\nSales tasks  ", style="bold")
    line.append(
        ", ".join(f"{count:,} {status}" for status, count in sorted(tasks.items(), key=lambda each: -each[1]))
        or "none",
        style="not bold",
    )
    line.append("\n")
    return line


def _worth_showing(life: Life) -> Mapping[str, Any] | None:
    """An open task of a lead with a story: the one with the most points among the newest."""
    with life.context.database.read() as connection:
        rows = [row for row in sales_tasks.listing(connection, status=None, limit=60) if row["kind"] == "sql"]
        points = {row["id"]: (explain.score(connection, row["lead_id"]) or {"total": 0.0})["total"] for row in rows}
    waiting = [row for row in rows if row["status"] in ("open", "accepted")] or rows
    best = max(waiting, key=lambda row: (points[row["id"]], -row["id"]), default=None)
    return None if best is None else dict(best)


def _next(life: Life, home: Path, task: Mapping[str, Any] | None, report: str, seconds: float) -> Group:
    where = _shown(home)
    tomorrow = life.last_run + timedelta(days=1)
    commands = [
        (f"open {_shown(Path(report))}", "the report in a browser"),
        (f"ripen explain {task['lead_id'] if task else 1} --home {where}", "why a lead stands where it stands"),
        (f"ripen tasks --home {where}", "what sales has been asked to do"),
        (f"ripen messages --status skipped --home {where}", "what was not sent, and why"),
        (f"ripen run daily-sync --now {tomorrow:%Y-%m-%dT%H:%MZ} --home {where}", "live one day more"),
        (f"ripen serve --home {where}", "Prefect with the last day's run, and the web door"),
    ]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for command, says in commands:
        table.add_row(Text(command, style="cyan"), Text(says, style="dim"))
    mails = _shown(life.context.settings.inside(life.context.settings.email.folder))
    made = Text(f"Report  {_shown(Path(report))}\nMails   {mails}/*.eml\nTook    {seconds:.0f} seconds\n")
    return Group(made, Text("What to do next", style="bold"), table)


def _shown(path: Path) -> str:
    """A path as one would type it from here."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
