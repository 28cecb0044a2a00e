"""The score and every contribution to it."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from cli.explaining.layout import day, table

_EVENTS = 3


def show_score(terminal: Console, score: dict[str, Any]) -> None:
    """The score and every contribution; the last line is their sum."""
    faded = any(_faded(each) for each in score["contributions"])
    shown = table("Score", "Points", "For", "Times", "Last events", *(["Before decay"] if faded else []))
    for column in (0, 2):
        shown.columns[column].justify = "right"
    for each in score["contributions"]:
        last = [day(event["occurred_at"]) for event in each["events"][-_EVENTS:]]
        more = len(each["events"]) - len(last)
        events = ", ".join(last) + (f" and {more} before" if more > 0 else "")
        before = f"{each['raw_points']:+g}" if _faded(each) else ""
        points = Text(f"{each['points']:+g}", style="red" if each["points"] < 0 else "")
        shown.add_row(points, each["label"], str(each["times"] or ""), events, *([before] if faded else []))
    sums = f"interest {score['interest']:g}, fit {score['fit']:g}"
    shown.add_section()
    total = Text(f"{score['total']:+g}", style="bold")
    shown.add_row(total, Text(f"together: {sums}", style="bold"))
    terminal.print(shown)
    _show_worth_nothing(terminal, score["worth_nothing"])
    if score.get("waits_for_rescore"):
        terminal.print(Text("Something has changed since; the next run computes the score anew.\n", style="dim"))


def _faded(contribution: dict[str, Any]) -> bool:
    return contribution["kind"] == "rule" and abs(contribution["raw_points"] - contribution["points"]) > 1e-9


def _show_worth_nothing(terminal: Console, events: list[dict[str, Any]]) -> None:
    kinds: dict[tuple[str, str], int] = {}
    for each in events:
        kinds[each["label"], each["why"]] = kinds.get((each["label"], each["why"]), 0) + 1
    for (label, why), times in kinds.items():
        terminal.print(Text(f"Worth nothing  {label}, {times} times: {why}", style="dim"))
    if kinds:
        terminal.print()
