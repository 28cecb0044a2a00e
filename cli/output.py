"""What every command prints: one JSON object on stdout, or a table for people; messages go to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table


def print_json(value: Any) -> None:
    """One JSON object on stdout and nothing else; instants in UTC with Z."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS | orjson.OPT_OMIT_MICROSECONDS
    sys.stdout.buffer.write(orjson.dumps(value, option=options, default=str) + b"\n")
    sys.stdout.buffer.flush()


def console() -> Console:
    """The terminal; plain text when it is none."""
    return Console(highlight=False, soft_wrap=False)


def say(message: str) -> None:
    """A line on stderr."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table of plain texts; markup in values is shown, never acted on."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console().print(table)


def _cell(value: Any) -> Any:
    from rich.text import Text

    if value is None:
        return Text("-", style="dim")
    shown = value.strftime("%Y-%m-%d %H:%M") if hasattr(value, "strftime") else str(value)
    return Text(shown)


def print_counts(title: str, counts: Mapping[str, Any]) -> None:
    """Counts, one a line."""
    print_table(title, ["what", "count"], counts.items())
