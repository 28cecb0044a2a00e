"""Facts that forbid: what an unsubscribe, a complaint or a hard bounce withdraws and suppresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nurture.definitions.catalogue import Catalogue
from nurture.records import is_hard_bounce


@dataclass(frozen=True, slots=True)
class Stopped:
    """Topics whose consent is withdrawn, and the scope and reason of a suppression."""

    topics: tuple[str, ...]
    scope: str
    reason: str


def stopped_by(kind: str, properties: Mapping[str, Any], catalogue: Catalogue) -> Stopped | None:
    """What a fact forbids; None for one that forbids nothing.

    An unsubscribe withdraws its `topic`, without one every e-mail topic, and advertising with it. A complaint withdraws
    all of them. A hard bounce says nothing about consent, only that the address is dead.
    """
    if kind == "email.bounced":
        return Stopped((), "all", "hard_bounce") if is_hard_bounce(properties) else None
    if kind == "email.complained":
        return Stopped((*topics_of("email", catalogue), *topics_of("ads", catalogue)), "all", "complaint")
    if kind != "email.unsubscribed":
        return None
    topic = properties.get("topic")
    ads = topics_of("ads", catalogue)
    if isinstance(topic, str) and topic in catalogue.topics:
        return Stopped(tuple(dict.fromkeys((topic, *ads))), f"topic:{topic}", "unsubscribed")
    return Stopped((*topics_of("email", catalogue), *ads), "all", "unsubscribed")


def topics_of(channel: str, catalogue: Catalogue) -> tuple[str, ...]:
    """Every topic of a channel."""
    return tuple(name for name, topic in catalogue.topics.items() if topic.channel == channel)
