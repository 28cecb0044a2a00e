"""Consent and suppression of one person in plain loops: the latest word, and what stands against it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

EMAIL, ADS = ("nurture", "letter"), ("ads",)
STRICT = {"granted": 0, "pending": 1, "withdrawn": 2}
BARRED = {("nurture", "legitimate_interest")}


@dataclass(frozen=True)
class Said:
    """One thing that happened: a form (topic, status, basis) or a fact (its kind and properties)."""

    at: datetime
    what: str
    detail: Any = None


def latest(said: list[Said]) -> dict[str, tuple[str, str]]:
    """The latest word on each topic with its basis, of two at one instant the stricter."""
    best: dict[str, tuple[datetime, int, str, str]] = {}
    for each in said:
        for topic, status, basis in _words(each):
            rank = (each.at, STRICT[status], status, basis)
            if topic not in best or rank[:2] > best[topic][:2]:
                best[topic] = rank
    return {topic: (status, basis) for topic, (_, _, status, basis) in best.items()}


def _words(each: Said) -> list[tuple[str, str, str]]:
    if each.what == "form":
        return [each.detail]
    off = [(topic, "withdrawn", "consent") for topic in (*EMAIL, *ADS)]
    if each.what == "email.complained":
        return off
    if each.what == "email.unsubscribed":
        return [(topic, *_) for topic, *_ in off if each.detail in (None, topic) or topic in ADS]
    if each.what == "email.preferences_set":
        words = [(topic, "granted" if on else "withdrawn", "consent") for topic, on in each.detail.items()]
        if any(not on for topic, on in each.detail.items() if topic in EMAIL):
            words += [(topic, "withdrawn", "consent") for topic in ADS if topic not in each.detail]
        return words
    return [(each.detail, "granted", "consent")] if each.what == "email.confirmed" else []


def stopped(said: list[Said]) -> set[tuple[str, str]]:
    """The topics that something stops, with the reason, when everything was heard of in its order."""
    found: set[tuple[str, str]] = set()
    every = (*EMAIL, *ADS)
    for each in said:
        if each.what == "email.complained":
            found |= {(topic, "complaint") for topic in every}
        elif each.what == "email.bounced":
            found |= {(topic, "hard_bounce") for topic in every}
        elif each.what == "email.unsubscribed":
            found |= {(topic, "unsubscribed") for topic in ([each.detail] if each.detail else every)}
        elif each.what == "email.preferences_set":
            off = {topic for topic, status, _ in _words(each) if status == "withdrawn"}
            on = {topic for topic, status, _ in _words(each) if status == "granted"}
            found -= {(topic, "unsubscribed") for topic in on}
            found |= {(topic, "unsubscribed") for topic in off}
        elif each.what == "email.confirmed":
            found -= {(each.detail, reason) for reason in ("unsubscribed", "complaint")}
    return found


def allows(said: list[Said], topic: str) -> bool:
    """Whether a marketing mail about the topic may go."""
    status, basis = latest(said).get(topic, ("", "none"))
    granted = status == "granted" and basis != "none" and (topic, basis) not in BARRED
    return granted and not any(each == topic for each, _ in stopped(said))
