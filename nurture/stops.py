"""Facts that forbid or allow: what an unsubscribe, a complaint, a bounce or a preference does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nurture.definitions.catalogue import Catalogue
from nurture.records import is_hard_bounce

UNSUBSCRIBED, COMPLAINED, BOUNCED = "email.unsubscribed", "email.complained", "email.bounced"
REJECTED, PREFERENCES_SET, CONFIRMED = "email.rejected", "email.preferences_set", "email.confirmed"
# Facts that say something about consent or suppression; their effect is written in the transaction that stores them.
KINDS = (UNSUBSCRIBED, COMPLAINED, BOUNCED, REJECTED, PREFERENCES_SET, CONFIRMED)

# The sources of words that a person has said on our own pages.
PREFERENCE_PAGE, CONFIRMATION = "preference page", "confirmation"
# The channels on which an address can be suppressed; `tracking` has consents alone.
CHANNELS = ("email", "ads", "phone")
# What the person's own yes lifts: on the preference page, and by a confirmation, which is a new double opt-in.
LIFTED_BY_CHOICE = frozenset({"unsubscribed"})
LIFTED_BY_CONFIRMATION = frozenset({"unsubscribed", "complaint", "erased"})
# Of these a person of ours lifts none, whatever the reason.
NEVER_BY_OPERATOR = frozenset({"complaint", "erased"})
# They speak of a mailbox, not of the person who reads it.
OF_THE_MAILBOX = frozenset({"hard_bounce", "soft_bounce", "provider"})


@dataclass(frozen=True, slots=True)
class Effect:
    """The words about topics, the suppressions (scope and reason), and the reasons that a grant among them lifts."""

    words: tuple[tuple[str, Literal["granted", "withdrawn", "pending"]], ...] = ()
    stops: tuple[tuple[str, str], ...] = ()
    lifts: frozenset[str] = frozenset()
    # Where the words come from, when it is one of our own pages; then the topic's wording goes with a grant.
    page: str | None = None


def effect_of(
    kind: str, properties: Mapping[str, Any], catalogue: Catalogue, *, answers_mail: bool = False
) -> Effect | None:
    """What a fact does; None when it does nothing. `answers_mail`: it came through the link of a mail of ours.

    An unsubscribe withdraws its `topic`, without one every e-mail topic, and advertising with it. A complaint withdraws
    all of them. A hard bounce, and a provider that does not deliver any more, say nothing about consent.
    """
    if kind == BOUNCED:
        return Effect(stops=(("all", "hard_bounce"),)) if is_hard_bounce(properties) else None
    if kind == REJECTED:
        return Effect(stops=(("channel:email", "provider"),)) if _true(properties.get("suppressed")) else None
    if kind == COMPLAINED:
        refused = (*topics_of("email", catalogue), *topics_of("ads", catalogue))
        return Effect(_withdrawn(refused), (("all", "complaint"),))
    if kind == UNSUBSCRIBED:
        return _unsubscribed(properties.get("topic"), catalogue)
    if kind == PREFERENCES_SET:
        return _chosen(properties.get("topics"), catalogue, answers_mail)
    if kind == CONFIRMED:
        topic = properties.get("topic")
        if isinstance(topic, str) and topic in catalogue.topics:
            return Effect(((topic, "granted"),), (), LIFTED_BY_CONFIRMATION, CONFIRMATION)
    return None


def _unsubscribed(topic: Any, catalogue: Catalogue) -> Effect:
    ads = topics_of("ads", catalogue)
    if isinstance(topic, str) and topic in catalogue.topics:
        return Effect(_withdrawn((topic, *ads)), ((f"topic:{topic}", "unsubscribed"),))
    return Effect(_withdrawn((*topics_of("email", catalogue), *ads)), (("all", "unsubscribed"),))


def _chosen(chosen: Any, catalogue: Catalogue, answers_mail: bool) -> Effect | None:
    """A switch is a word about its topic; with an e-mail topic goes advertising, unless it has a switch of its own.

    Whoever holds the link of a mail has read the mailbox, which is what a double opt-in asks for; a grant that came
    without one waits for its confirmation.
    """
    if not isinstance(chosen, Mapping):
        return None
    known = {name: on for name, on in chosen.items() if isinstance(on, bool) and name in catalogue.topics}
    refused = [name for name, on in known.items() if not on]
    if any(catalogue.topics[name].channel == "email" for name in refused):
        refused += [name for name in topics_of("ads", catalogue) if name not in known]
    granted: list[tuple[str, Literal["granted", "pending"]]] = [
        (name, "pending" if catalogue.topics[name].double_opt_in and not answers_mail else "granted")
        for name, on in known.items()
        if on
    ]
    if not granted and not refused:
        return None
    stops = [(f"topic:{name}", "unsubscribed") for name in refused if catalogue.topics[name].channel in CHANNELS]
    return Effect((*_withdrawn(refused), *granted), tuple(stops), LIFTED_BY_CHOICE, PREFERENCE_PAGE)


def _withdrawn(topics: Any) -> tuple[tuple[str, Literal["withdrawn"]], ...]:
    return tuple((name, "withdrawn") for name in dict.fromkeys(topics))


def topics_of(channel: str, catalogue: Catalogue) -> tuple[str, ...]:
    """Every topic of a channel."""
    return tuple(name for name, topic in catalogue.topics.items() if topic.channel == channel)


def scopes_of(topic: str, channel: str) -> tuple[str, ...]:
    """The scopes under which an address is suppressed for a topic."""
    return "all", f"channel:{channel}", f"topic:{topic}"


def _true(value: Any) -> bool:
    return str(value).casefold() in ("true", "1", "yes")
