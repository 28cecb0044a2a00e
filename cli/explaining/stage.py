"""The stage, how it came about, and what is missing to become an SQL."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from cli.explaining.layout import COLOURS, condition, day, time
from tasks.wording import stage_label

_INDENT = " " * 18


def show_stage(terminal: Console, facts: dict[str, Any]) -> None:
    """The stage with its cause, and the moves before."""
    stage = facts["stage"]
    line = Text("Stage  ")
    line.append(stage_label(stage["name"]), style=f"bold {COLOURS.get(stage['name'], '')}")
    line.append(f" since {day(stage['since'])}: {stage['cause']}")
    terminal.print(line)
    for move in facts["transitions"][:-1]:
        terminal.print(Text(f"       {stage_label(move['to'])} on {day(move['at'])}: {move['why']}", style="dim"))
    terminal.print()


def show_missing(terminal: Console, missing: dict[str, Any] | None) -> None:
    """What would make the lead an SQL, and what stands in the way."""
    if missing is None:
        return
    ways = []
    if missing["points"] is not None:
        more = f"{missing['points']:g} more points of {missing['score']} (the threshold is {missing['threshold']:g})"
        ways.append(more if missing["points"] > 0 else "the points are there")
    ways += [way["says"] for way in missing["ways"]]
    terminal.print(Text("To become an SQL  ", style="bold") + Text("; or ".join(ways) or "no rule leads there"))
    if missing["points"] is not None and not missing["only_if_holds"]:
        terminal.print(Text(f"{_INDENT}points count only while this holds:"))
        for line in condition(missing["only_if"]):
            terminal.print(Text(_INDENT) + line)
    for said in _after_rejection(missing):
        terminal.print(Text(_INDENT + said))
    terminal.print()


def _after_rejection(missing: dict[str, Any]) -> list[str]:
    if missing["only_events_after"] is None:
        return []
    why = f", {missing['given_back_for']}" if missing["given_back_for"] else ""
    lines = [f"only what happens after {time(missing['only_events_after'])} counts: sales gave the lead back{why}"]
    if missing["not_before"] is not None:
        lines.append(f"not before {time(missing['not_before'])}: the cool-down")
    if missing["needs_new_evidence"]:
        lines.append("nothing that earns points has happened since")
    return lines
