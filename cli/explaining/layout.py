"""How an explanation is laid out: plain tables, short days, times in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

COLOURS = {"lead": "white", "mql": "cyan", "sql": "yellow", "customer": "green"}


def table(title: str, *columns: str) -> Table:
    """A table without lines between its rows."""
    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column)
    return made


def print_or(terminal: Console, shown: Table, instead: str) -> None:
    """The table, or a word where it has no rows."""
    terminal.print(shown if shown.row_count else Text(instead + "\n", style="dim"))


def day(instant: datetime | None) -> str:
    """The day of an instant."""
    return f"{instant:%Y-%m-%d}" if instant else ""


def time(instant: datetime | None) -> str:
    """Day and time of an instant."""
    return f"{instant:%Y-%m-%d %H:%M} UTC" if instant else ""


def condition(held: dict[str, Any], depth: int = 0) -> list[Text]:
    """A condition part by part: what holds, what does not, and what is there instead."""
    line = Text("  " * depth)
    line.append("yes " if held["holds"] else "no  ", style="green" if held["holds"] else "red")
    line.append(held["says"])
    if held.get("now") is not None and not held["holds"]:
        present = held["now"]
        line.append(f" (now {present:g})" if isinstance(present, float) else f" (now {present})", style="dim")
    return [line, *(deeper for part in held.get("parts", []) for deeper in condition(part, depth + 1))]
