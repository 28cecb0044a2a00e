"""One rule: what it asks, how much it matters, and what to do; and what looking at a mail or a domain has found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, NamedTuple, TypeVar

# must: mail is refused, filed as spam, or unlawful without it; should: it costs trust or readers;
# info: good to know, never a fault.
Severity = Literal["must", "should", "info"]
Subject = TypeVar("Subject")
# Records of a name and type, empty when there are none; raises RetryLater when DNS does not answer.
Lookup = Callable[[str, str], Sequence[str]]


class Seen(NamedTuple):
    """What a rule has found; its remedy goes before the rule's own, as it may name the very thing."""

    ok: bool
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Rule(Generic[Subject]):
    """A rule by its name; `look` gives None when it does not concern this mail or domain."""

    name: str
    severity: Severity
    asks: str
    remedy: str
    look: Callable[[Subject], Seen | None]


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one rule."""

    name: str
    severity: Severity
    ok: bool
    found: str
    remedy: str  # empty when all is well

    @property
    def failed(self) -> bool:
        """Whether it is a fault, not only good to know."""
        return not self.ok and self.severity != "info"


@dataclass(frozen=True, slots=True)
class Given:
    """What is known beside the mail: what it is for, the business, and a way to ask DNS, if any."""

    now: datetime
    transactional: bool = False
    postal_address: str | None = None
    pixel_allowed: bool = False
    lookup: Lookup | None = None


def checks_of(rules: Sequence[Rule[Subject]], subject: Subject) -> list[Check]:
    """Every rule that concerns the mail or domain, in their order."""
    found = []
    for rule in rules:
        seen = rule.look(subject)
        if seen is not None:
            remedy = "" if seen.ok else seen.remedy or rule.remedy
            found.append(Check(rule.name, rule.severity, seen.ok, seen.found or "nothing", remedy))
    return found


def several(things: Sequence[str], most: int = 3) -> str:
    """Some things in words, the first few and how many more."""
    shown = ", ".join(things[:most])
    return shown if len(things) <= most else f"{shown} and {len(things) - most} more"
