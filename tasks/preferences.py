"""What a person wants to hear about: shown and changed by whoever holds the link of one of our mails."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from db import consents, message_links, suppressions
from db.consents import Word
from db.engine import Connection, Database
from db.intake import store
from db.message_links import MessageLink
from nurture.definitions.catalogue import Catalogue, Topic
from nurture.records import EventRecord
from nurture.stops import LIFTED_BY_CHOICE, PREFERENCES_SET, scopes_of
from nurture.tokens import PREFERENCES, UNSUBSCRIBE, read

SOURCE = "web"
# What a person can switch on and off by itself; the phone has its own ways.
_CHANNELS = ("email", "ads", "tracking")


@dataclass(frozen=True, slots=True)
class TopicChoice:
    """One switch of the page: what it is called, what a yes agrees to, and whether it is on now."""

    topic: str
    label: str
    channel: str
    wording: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class Preferences:
    """The switches of one person. `stopped`: the address gets nothing, whatever is on, until it is confirmed anew."""

    topics: tuple[TopicChoice, ...]
    stopped: bool


@dataclass(frozen=True, slots=True)
class _Standing:
    """What is stored of a person: its latest words, and the scopes of its active suppressions by reason."""

    words: Mapping[str, Word]
    scopes: Mapping[str, frozenset[str]]

    def unsubscribed(self, name: str, topic: Topic) -> bool:
        """Whether the person itself has stopped the topic."""
        mine = set(scopes_of(name, topic.channel))
        return any(self.scopes.get(reason, frozenset()) & mine for reason in LIFTED_BY_CHOICE)

    def suppressed(self, name: str, topic: Topic) -> bool:
        """Whether anything stops the topic."""
        mine = set(scopes_of(name, topic.channel))
        return any(scopes & mine for scopes in self.scopes.values())


def shown(database: Database, token: str, *, catalogue: Catalogue, secret: bytes) -> Preferences | None:
    """The switches of whoever got the mail with this token; None when it is none of ours."""
    key = _key_of(secret, token)
    if key is None:
        return None
    with database.read() as connection:
        link = message_links.of_key(connection, key)
        if link is None:
            return None
        standing = _standing(connection, link)
    return Preferences(
        tuple(
            TopicChoice(name, topic.label, topic.channel, topic.wording.strip(), _allowed(name, topic, standing))
            for name, topic in _switches(catalogue).items()
        ),
        stopped="all" in standing.scopes.get("complaint", frozenset()),
    )


def set_preferences(
    database: Database, token: str, chosen: Mapping[str, bool], *, catalogue: Catalogue, secret: bytes, now: datetime
) -> bool:
    """Store what somebody switched on and off, as one fact with its effect; False when the token is none of ours.

    It holds from the commit on. A topic that is not named, or not known, stays as it is. Asking for what is so already
    is no new fact.
    """
    key = _key_of(secret, token)
    if key is None:
        return False
    topics = {name: bool(on) for name, on in sorted(chosen.items()) if name in _switches(catalogue)}
    with database.write() as connection:
        link = message_links.of_key(connection, key)
        if link is None:
            return False
        standing = _standing(connection, link)
        if not any(_differs(name, catalogue.topics[name], on, standing) for name, on in topics.items()):
            return True
        said = "".join(f"{name}={on};" for name, on in topics.items())
        digest = hashlib.sha256(said.encode()).hexdigest()[:12]
        fact = EventRecord(
            SOURCE,
            f"preferences:{key}:{link.last_word}:{digest}",
            PREFERENCES_SET,
            now,
            properties={"topics": topics},
            lead_id=link.lead_id,
            message_id=link.message_id,
        )
        store(connection, [fact], source=SOURCE, now=now, silent=False, catalogue=catalogue, secret=secret)
    return True


def _key_of(secret: bytes, token: str) -> str | None:
    """The message's key; the link to unsubscribe, which the same person got in the same mail, opens the page too."""
    return read(secret, PREFERENCES, token) or read(secret, UNSUBSCRIBE, token)


def _switches(catalogue: Catalogue) -> dict[str, Topic]:
    return {name: topic for name, topic in catalogue.topics.items() if topic.channel in _CHANNELS}


def _standing(connection: Connection, link: MessageLink) -> _Standing:
    scopes: dict[str, set[str]] = {}
    for row in suppressions.of_lead(connection, link.lead_id):
        if row["lifted_at"] is None:
            scopes.setdefault(row["reason"], set()).add(row["scope"])
    words = consents.words_of(connection, link.lead_id)
    return _Standing(words, {reason: frozenset(each) for reason, each in scopes.items()})


def _allowed(name: str, topic: Topic, standing: _Standing) -> bool:
    word = standing.words.get(name)
    if topic.channel == "tracking":
        return word is None or word.status != "withdrawn"
    granted = word is not None and word.status == "granted" and word.basis in topic.bases
    return granted and not standing.suppressed(name, topic)


def _differs(name: str, topic: Topic, on: bool, standing: _Standing) -> bool:
    """Whether the switch says something new; what nobody ever allowed is off already."""
    word = standing.words.get(name)
    if topic.channel == "tracking":
        return on == (word is not None and word.status == "withdrawn")
    if not on:
        return word is not None and word.status != "withdrawn"
    granted = word is not None and word.status == "granted" and word.basis in topic.bases
    return not granted or standing.unsubscribed(name, topic)
