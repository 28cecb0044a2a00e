"""Sequences: where the lead stands and how it came there, and why it is not in the others."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from cli.explaining.layout import condition, day, print_or, table, time


def show_sequences(terminal: Console, enrollments: list[dict[str, Any]]) -> None:
    """Each enrollment with its place, or its end, and the steps it went."""
    shown = table("Sequences", "Sequence", "State", "Where", "Entered")
    for each in enrollments:
        state = "held out" if each["holdout"] else each["status"]
        shown.add_row(each["sequence"], state, _where(each), day(each["entered_at"]))
        for step in each["steps"]:
            line = f"{day(step['at'])}  {step['step']}: {step['says']}"
            shown.add_row("", "", Text(line, style="dim"), "")
    print_or(terminal, shown, "In no sequence so far.")


def _where(each: dict[str, Any]) -> str:
    if each["status"] != "active":
        return f"{each['reason']} on {day(each['ended_at'])}, at {each['step']}"
    where = str(each["step"])
    if each.get("waiting_for"):
        where += f", waits for {each['waiting_for']}"
        where += f" until {time(each['until'])}" if each.get("until") else ""
    return where


def show_not_in(terminal: Console, others: list[dict[str, Any]]) -> None:
    """Why the lead is not in the other live sequences, with the entry condition where that is the reason."""
    shown = table("Not in", "Sequence", "Why")
    for each in others:
        why = each["says"]
        why += f", until {time(each['until'])}" if each["until"] else ""
        why += f", since {day(each['since'])}" if each["since"] else ""
        shown.add_row(each["sequence"], why)
        if each["reason"] == "condition":
            for line in condition(each["condition"]):
                shown.add_row("", line)
    if others:
        terminal.print(shown)
