"""`ripen tasks`: what sales has been asked, and what it answers."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from cli.output import print_json, print_table
from cli.times import instant
from cli.workspace import Home, Json, Now, home_of
from db import sales_tasks
from tasks.sales_answers import ANSWERS, record_answer
from tasks.workspace import open_context

app = App(name="tasks", help="Sales tasks, and the sales side's answer.")


@app.default
def listing(*, status: str | None = None, limit: int = 50, home: Home = None, json: Json = False) -> int:
    """Sales tasks, newest first.

    Example: `ripen tasks --status open`
    """
    context = open_context(home_of(home))
    with context.database.read() as connection:
        rows = sales_tasks.listing(connection, status=status, limit=limit)
        counts = sales_tasks.counts(connection)
    if json:
        print_json({"tasks": [dict(row) for row in rows], "counts": counts})
    else:
        print_table(
            "Sales tasks: " + (", ".join(f"{count} {name}" for name, count in counts.items()) or "none"),
            ["id", "kind", "status", "title", "lead", "company", "owner", "due", "brief"],
            [
                (
                    row["id"],
                    row["kind"],
                    row["status"],
                    row["title"],
                    row["lead_name"] or row["lead_id"],
                    row["company"],
                    row["owner"],
                    row["due_at"],
                    row["crm_reference"],
                )
                for row in rows
            ],
        )
    return 0


@app.command
def accept(task_id: int, /, *, now: Now = None, home: Home = None, json: Json = False) -> int:
    """Take a task.

    Example: `ripen tasks accept 12`
    """
    return _answer(task_id, "accepted", None, now, home_of(home), json)


@app.command
def reject(task_id: int, /, *, reason: str, now: Now = None, home: Home = None, json: Json = False) -> int:
    """Give a task back with a reason; the lead is recycled.

    Example: `ripen tasks reject 12 --reason not-now`
    """
    return _answer(task_id, "rejected", reason, now, home_of(home), json)


@app.command
def won(task_id: int, /, *, reason: str | None = None, now: Now = None, home: Home = None, json: Json = False) -> int:
    """The lead bought.

    Example: `ripen tasks won 12`
    """
    return _answer(task_id, "won", reason, now, home_of(home), json)


@app.command
def lost(task_id: int, /, *, reason: str, now: Now = None, home: Home = None, json: Json = False) -> int:
    """The deal is lost.

    Example: `ripen tasks lost 12 --reason competitor`
    """
    return _answer(task_id, "lost", reason, now, home_of(home), json)


def _answer(task_id: int, answer: str, reason: str | None, now: str | None, home: Path, json: bool) -> int:
    context = open_context(home)
    record_answer(context, task_id, answer, reason, instant(now, context.settings.project.time_zone))
    if json:
        print_json({"task": task_id, "answer": answer, "event": ANSWERS[answer]})
    else:
        print(f"task {task_id}: {answer}; the next follow-up acts on it")
    return 0
