"""A preview in the terminal: plain where it is no terminal, and nothing of a lead's data moves the cursor."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from cli.output import console

_WIDEST = 88  # longer lines are hard to read
_LABEL = 11
# Of our own pages the token says nothing to a person.
_LONGEST_GOAL = 60
_ITEM = re.compile(r"\s*(?:[-*\N{BULLET}]|\d{1,2}[.)])\s+")
_CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}


def print_preview(facts: Mapping[str, Any]) -> None:
    """Everything that a person wants to know, in the order in which a reader would meet it."""
    screen = console()
    width = min(screen.width, _WIDEST)
    for line in _lines(facts, width):
        screen.print(line, soft_wrap=True)
    if facts["links"]:
        screen.print(_links(facts))
    for line in (*_size(facts), *_reach(facts), *_problems(facts, width)):
        screen.print(line, soft_wrap=True)


def _lines(facts: Mapping[str, Any], width: int) -> Iterator[Text]:
    locales = ", ".join(facts["locales"]) or "none"
    reader = f"lead {facts['lead']}" if facts["lead"] else "a made-up reader"
    yield Text.assemble((facts["email"], "bold"), (f"  in {facts['locale']} of {locales}, for {reader}", "dim"))
    for label, key in (("Subject", "subject"), ("Preheader", "preheader"), ("From", "from"), ("To", "to")):
        if facts["subject"]:
            style = "bold" if key == "subject" else ""
            yield _labelled(label, facts[key] or ("no address" if key == "to" else "none"), style)
    for name in ("List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID"):
        for header in facts["headers"]:
            if header["name"] == name:
                yield _labelled("", f"{name}: {header['value']}", "dim")
    if facts["text"]:
        yield Text()
        for line in facts["text"].splitlines():
            for piece in _wrapped(line, width - 2) or [""]:
                yield _safe(f"  {piece}".rstrip())
        yield Text()


def _links(facts: Mapping[str, Any]) -> Table:
    table = Table(title="Links", title_justify="left", header_style="bold")
    for column in ("words", "leads to", ""):
        table.add_column(column, overflow="fold")
    for link in facts["links"]:
        goal = link["goal"]
        if link["ours"] and len(goal) > _LONGEST_GOAL:
            goal = f"{goal[:_LONGEST_GOAL]}..."
        kind = "our page" if link["ours"] else "counted" if link["counted"] else "not counted"
        table.add_row(_safe(link["text"] or "-"), _safe(goal), kind)
    return table


def _size(facts: Mapping[str, Any]) -> Iterator[Text]:
    if facts["size"]:
        html, limit, whole = (f"{facts[key] / 1024:.1f} KB" for key in ("size", "size_limit", "message_size"))
        yield _labelled("Size", f"{html} of HTML (Gmail cuts off after {limit}), {whole} as a message")


def _reach(facts: Mapping[str, Any]) -> Iterator[Text]:
    reach = facts["reach"]
    if reach is None:
        return
    until = f", until {reach['until']:%Y-%m-%d %H:%M} UTC" if reach["until"] else ""
    said = ("may get it now", "green") if reach["allowed"] else ("would not get it now", "yellow")
    yield Text.assemble(f"{'Lead':<{_LABEL}}", said, f": {reach['says']}{until}")
    for place in reach["sequences"]:
        yield _labelled("", f"{place['sequence']}, step {place['step']}: {place['says']}")
    for mail in reach["earlier"]:
        why = f"; {mail['says']}" if mail["says"] else ""
        yield _labelled("", f"message {mail['id']} of {mail['at']:%Y-%m-%d}: {mail['status']}{why}")


def _problems(facts: Mapping[str, Any], width: int) -> Iterator[Text]:
    if not facts["problems"]:
        yield _labelled("Problems", "none", "green")
    for each in sorted(facts["problems"], key=lambda each: str(each["severity"])):
        style = "bold red" if each["severity"] == "error" else "yellow"
        place = f"{each['file']}:{each['line']}: " if each["line"] else f"{each['file']}: " if each["file"] else ""
        yield Text.assemble((each["severity"], style), _safe(f" {place}{each['code']}"))
        for part, dim in ((each["message"], ""), (each["remedy"], "dim")):
            for piece in _wrapped(part or "", width - 4):
                yield _safe(f"    {piece}", dim)


def _wrapped(line: str, width: int) -> list[str]:
    """The line in pieces; addresses stay whole, and items of a list keep their margin."""
    item = _ITEM.match(line)
    margin = " " * (item.end() if item else 0)
    return textwrap.wrap(line, width, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False)


def _labelled(label: str, value: str, style: str = "") -> Text:
    return Text.assemble((f"{label:<{_LABEL}}", "dim"), _safe(value, style))


def _safe(text: str, style: str = "") -> Text:
    return Text(text.translate(_CONTROLS), style=style)
