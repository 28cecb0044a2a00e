"""What is worth a look in a report, in sentences: what is weak, what was not sent, what waits for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]

# Fewer than so many say nothing about a share.
_ENOUGH = 30


def remarks(facts: Facts) -> list[str]:
    """The remarks that the figures give rise to, most useful first."""
    return _rates(facts) + [
        said
        for said in (_weakest_mail(facts), _not_sent(facts), _rejections(facts), _best_source(facts), _letters(facts))
        if said
    ]


def _rates(facts: Facts) -> list[str]:
    said = []
    for row in facts["rates"]:
        names = ", ".join(row["sequences"])
        if row["resting"]:
            said.append(f"{names} rests, {row['says']}: look at its mails, then `ripen sequences resume {names}`.")
        else:
            said.append(f"Near the limit, {names}, {row['says']}.")
    return said


def _weakest_mail(facts: Facts) -> str | None:
    mails = [
        (step["clicked"] / step["sent"], sequence, step)
        for sequence in facts["sequences"]
        for step in sequence["steps"]
        if step["sent"] >= _ENOUGH
    ]
    if len(mails) < 2:
        return None
    (low, sequence, step), (high, _, best) = min(mails, key=_first), max(mails, key=_first)
    return (
        f"The e-mail {step['email']} in “{sequence['title']}” is clicked least, "
        f"by {_percent(low)} of {step['sent']:,}; "
        f"{best['email']} by {_percent(high)}."
    )


def _not_sent(facts: Facts) -> str | None:
    skipped = [row for row in facts["messages"] if row["status"] == "skipped"]
    total, number = sum(row["messages"] for row in facts["messages"]), sum(row["messages"] for row in skipped)
    if not number:
        return None
    top = max(skipped, key=lambda row: int(row["messages"]))
    often = f"{_words(top['reason'])} ({top['messages']:,})"
    return f"{_percent(number / total)} of all messages were not sent, most often: {often}."


def _rejections(facts: Facts) -> str | None:
    sources = [row for row in facts["sales"]["by_source"] if row["tasks"] >= 10]
    if not sources:
        return None
    worst = max(sources, key=lambda row: row["rejected"] / row["tasks"])
    share = worst["rejected"] / worst["tasks"]
    return (
        f"Sales gave back {_percent(share)} of the leads from {worst['source']}, more than from any other source."
        if share
        else None
    )


def _best_source(facts: Facts) -> str | None:
    sources = [row for row in facts["attribution"]["by_source"] if row["leads"] >= _ENOUGH and row["customer"]]
    if len(sources) < 2:
        return None
    best = max(sources, key=lambda row: row["customer"] / row["leads"])
    share = best["customer"] / best["leads"]
    return f"Leads from {best['source']} buy most often: {_percent(share)} of {best['leads']:,}."


def _letters(facts: Facts) -> str | None:
    waiting = sum(row["letters"] for row in facts["dead_letters"] if row["status"] == "waiting")
    return f"{waiting:,} records could not be used and wait for a person: `ripen letters`." if waiting else None


def _first(entry: tuple[float, Any, Any]) -> float:
    return entry[0]


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %" if share < 0.1 else f"{share * 100:.0f} %"


def _words(reason: str) -> str:
    return reason.replace("-", " ").replace("_", " ")
