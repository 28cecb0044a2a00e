"""Complaint and bounce rates: when so many readers object that a sequence must rest until a person has looked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nurture.definitions.lifecycle import Deliverability, Rate

COMPLAINT_RATE, BOUNCE_RATE = "complaint-rate", "bounce-rate"
# One person is not a rate.
_ALONE = 1


@dataclass(frozen=True, slots=True)
class Sending:
    """What was sent for a sequence over a transport within the window, and what came of it, in messages."""

    sequence: str
    transport: str
    sent: int
    complaints: int = 0
    hard_bounces: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """A rate past a limit: of which sequences, under which code, in figures, and whether they must rest."""

    sequences: tuple[str, ...]
    code: str
    figures: str
    hold: bool

    @property
    def reason(self) -> str:
        """The reason of a hold."""
        return f"{self.code}: {self.figures}"


def findings(sendings: Iterable[Sending], limits: Deliverability) -> list[Finding]:
    """Every rate past its limit: of each sequence by itself, then of each transport as a whole; holds first."""
    rows = list(sendings)
    found = []
    for name in sorted({each.sequence for each in rows}):
        found += _judged([each for each in rows if each.sequence == name], "", limits)
    for name in sorted({each.transport for each in rows}):
        mine = [each for each in rows if each.transport == name]
        if len({each.sequence for each in mine}) > 1:
            found += _judged(mine, f" of all mail by {name}", limits)
    return sorted(found, key=lambda each: not each.hold)


def _judged(rows: list[Sending], of: str, limits: Deliverability) -> list[Finding]:
    sent = sum(each.sent for each in rows)
    if sent < limits.at_least:
        return []
    names = tuple(sorted({each.sequence for each in rows}))
    found = []
    for code, harm, rate in (
        (COMPLAINT_RATE, sum(each.complaints for each in rows), limits.complaints),
        (BOUNCE_RATE, sum(each.hard_bounces for each in rows), limits.hard_bounces),
    ):
        limit = _passed(harm / sent * 100, rate)
        if limit is not None and harm > _ALONE:
            figures = (
                f"{harm:,} of {sent:,} mails in {limits.window.text}{of}, {harm / sent * 100:.2f} % (limit {limit:g} %)"
            )
            found.append(Finding(names, code, figures, hold=limit == rate.hold))
    return found


def _passed(percent: float, rate: Rate) -> float | None:
    """The highest limit that a rate has reached."""
    return next((limit for limit in (rate.hold, rate.warn) if limit is not None and percent >= limit), None)
