"""What a run did and what needs a person, as Markdown and table rows; numbers and short words, no personal data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from db import attention, stages
from db.attention import Trouble
from db.engine import Database
from nurture.redaction import redact
from tasks.day import Counts, Outcome


class Advice(NamedTuple):
    """How a kind of trouble is called, and the command that helps."""

    says: str
    command: str


# One entry for each kind of `db.attention`, and for the broken invariants that the audit counts.
ADVICE: Mapping[str, Advice] = {
    "messages-unknown": Advice("messages whose reply was lost", "ripen messages --status unknown"),
    "transport-paused": Advice("e-mail transport that refuses us", "ripen doctor"),
    "sequences-held": Advice("sequences held for complaints or bounces", "ripen sequences"),
    "rates": Advice("complaint or bounce rates near their limit", "ripen report"),
    "messages-cannot-render": Advice("messages that lack a field", "ripen messages --status queued"),
    "tasks-overdue": Advice("sales tasks past their time", "ripen tasks"),
    "crm-failed": Advice("sales tasks that the CRM refused", "ripen tasks"),
    "letters-waiting": Advice("records that cannot be used", "ripen letters"),
    "audit": Advice("rows that break an invariant", "ripen audit --repair"),
}


@dataclass(frozen=True)
class Summary:
    """A run as its operator sees it."""

    outcome: Outcome
    pipeline: Mapping[str, int]
    messages: Sequence[Mapping[str, Any]]
    troubles: Sequence[Trouble]
    transports: Sequence[Mapping[str, Any]] = field(default_factory=list)
    time_zone: str = "UTC"

    @property
    def unknowns(self) -> int:
        """Messages of which nobody knows whether they were sent."""
        return sum(each.count for each in self.troubles if each.kind == "messages-unknown")


def summarise(database: Database, outcome: Outcome, time_zone: str) -> Summary:
    """Read what the summary of a run needs beside its own counts."""
    with database.read() as connection:
        troubles = attention.troubles(connection, outcome.now)
        breaches = sum(int(each["rows"]) for each in outcome.notes.get("audit", ()))
        warnings = sum(not each["hold"] for each in outcome.notes.get("rates", ()))
        if warnings:
            troubles.append(Trouble("rates", warnings, None))
        if breaches:
            troubles.append(Trouble("audit", breaches, None))
        return Summary(
            outcome,
            stages.counts(connection),
            attention.messages_of_run(connection, outcome.now),
            troubles,
            attention.paused_transports(connection, outcome.now),
            time_zone,
        )


def headline(summary: Summary) -> str:
    """One line: whether unknowns remain, and what the run did."""
    unknown = f"completed with {summary.unknowns} unknown{_s(summary.unknowns)}: " if summary.unknowns else ""
    return unknown + in_words(summary.outcome.counts)


def in_words(counts: Counts) -> str:
    """Counts as one line, zeros left out: `leads rescored 40, transitions 1`."""
    said = [f"{_word(key)} {value:,}" for key, value in counts.items() if value]
    return ", ".join(said) or "nothing to do"


def markdown(summary: Summary) -> str:
    """The whole run: what needs a person first, then what happened, then where the pipeline stands."""
    outcome = summary.outcome
    parts = [
        f"# {outcome.flow}: {local_time(outcome.now, summary.time_zone)}",
        f"Run {outcome.run_id}, as of {outcome.now:%Y-%m-%d %H:%M} UTC: {headline(summary)}.",
        "## What needs attention",
        _attention(summary),
    ]
    if outcome.notes.get("published"):
        parts.append(f"*{_plain(str(outcome.notes['published']))}.*")
    parts += [
        "## Messages by outcome and reason",
        _table(("outcome", "reason", "messages"), message_rows(summary)) or "No message was due.",
        "## Pipeline",
        _table(("stage", "leads"), pipeline_rows(summary)),
        "## Steps",
        _table(("step", "did"), step_rows(summary)),
    ]
    return "\n\n".join(parts) + "\n"


def attention_rows(summary: Summary) -> list[dict[str, Any]]:
    """What needs a person, one row a kind."""
    return [
        {
            "what": ADVICE[each.kind].says,
            "how many": each.count,
            "since": local_time(each.since, summary.time_zone) if each.since else "",
            "command": ADVICE[each.kind].command,
        }
        for each in summary.troubles
    ]


def message_rows(summary: Summary) -> list[dict[str, Any]]:
    """The run's messages by outcome and reason."""
    return [
        {"outcome": _word(each["outcome"]), "reason": _word(each["reason"] or ""), "messages": each["messages"]}
        for each in summary.messages
    ]


def pipeline_rows(summary: Summary) -> list[dict[str, Any]]:
    """Leads per stage now."""
    return [{"stage": stage, "leads": leads} for stage, leads in summary.pipeline.items()]


def step_rows(summary: Summary) -> list[dict[str, Any]]:
    """What each step did, in order."""
    return [{"step": _word(step), "did": in_words(counts)} for step, counts in summary.outcome.steps.items()]


def local_time(instant: datetime, time_zone: str) -> str:
    """An instant as people say it: `Mon 3 Mar 06:30`, in this time zone."""
    local = instant.astimezone(ZoneInfo(time_zone))
    return f"{local:%a} {local.day} {local:%b %H:%M}"


def _attention(summary: Summary) -> str:
    if not summary.troubles:
        return "Nothing."
    rows = [{**row, "command": f"`{row['command']}`"} for row in attention_rows(summary)]
    lines = [_table(("how many", "what", "since", "command"), rows, code=True)]
    lines += [
        f"Transport {_plain(each['name'])} rests until {local_time(each['paused_until'], summary.time_zone)}: "
        f"{_plain(each['reason'] or 'no reason given')}"
        for each in summary.transports
    ]
    return "\n\n".join(lines)


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, code: bool = False) -> str:
    if not rows:
        return ""
    lines = [" | ".join(columns), " | ".join("---:" if isinstance(rows[0][name], int) else "---" for name in columns)]
    lines += [" | ".join(_cell(row[name], code) for name in columns) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _cell(value: Any, code: bool) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    # Only our own commands come in backticks.
    return value if code and value.startswith("`ripen ") else _plain(value)


def _word(key: str) -> str:
    """A key as words: `tasks_opened` is `tasks opened`, `left:goal-reached` is `left by goal reached`."""
    return key.replace("_", " ").replace("-", " ").replace(":", " by ")


def _plain(text: str) -> str:
    """Any text as Markdown shows it letter for letter: no markup, no links, nothing that looks personal."""
    shown = redact(text).replace("\n", " ").replace("://", ": //").replace("www.", "www .")
    return re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", escape(shown, quote=False))


def _s(count: int) -> str:
    return "" if count == 1 else "s"
