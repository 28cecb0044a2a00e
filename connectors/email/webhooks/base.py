"""What an e-mail provider tells by webhook, as one neutral fact; each provider's words are translated by a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from nurture.errors import BadSetting

MIN_SECRET = 16


class FactKind(StrEnum):
    """What happened to a message or an address, in our words."""

    QUEUED = "queued"  # the provider has taken the message and waits
    SENT = "sent"  # the provider is handing it over
    DELIVERED = "delivered"  # the recipient's server has taken it
    DEFERRED = "deferred"  # not yet; the provider tries again by itself
    BOUNCED = "bounced"  # the recipient's server refused it; `hard` says whether for good
    REJECTED = "rejected"  # the provider did not even try; `hard` says whether the address is the reason
    FAILED = "failed"  # broken on the way: a template, a quota, an error at the provider
    COMPLAINED = "complained"  # reported as spam
    UNSUBSCRIBED = "unsubscribed"  # wants no more, said at the provider
    OPENED = "opened"  # a picture was loaded, by whomever
    CLICKED = "clicked"  # a link was followed, by whomever
    AUTO_REPLIED = "auto_replied"  # a machine answered: out of office, address change, challenge
    REPLIED = "replied"  # somebody answered
    SUBSCRIBED = "subscribed"  # wants mail again, said at the provider
    UNKNOWN = "unknown"  # a word that we have no meaning for; kept as it came


@dataclass(frozen=True, slots=True)
class ProviderFact:
    """One thing that happened, about one recipient."""

    kind: FactKind
    fact_id: str  # the provider's own id, else a hash of the content: the same delivery twice has the same id
    occurred_at: datetime  # UTC
    message_key: str | None  # our own key of the message, when the payload carries it
    provider_id: str | None  # the provider's id of the message, as its send API returned it
    recipient: str | None  # the bare address that the fact is about; for replies the one who replied
    hard: bool | None  # for bounces and rejections: for good or not
    reason: str | None  # the provider's words, addresses blacked out
    url: str | None  # the link that was clicked; http and https only
    user_agent: str | None
    machine: bool  # the provider itself says that it was a bot, a privacy proxy or a prefetch
    unsubscribed_from: str | None  # the topic, stream or group, when the provider names one
    raw: Mapping[str, Any]  # this one fact as it came

    def __repr__(self) -> str:
        return f"ProviderFact({self.kind}, {self.fact_id!r})"


@dataclass(frozen=True, slots=True)
class RefusedFact:
    """One part of a request that cannot be read; it is kept with its reason and never stops the others."""

    reason: str  # a stable word
    message: str  # what is wrong, without values
    raw: bytes | Mapping[str, Any]

    def __repr__(self) -> str:
        return f"RefusedFact({self.reason!r}, {self.message!r})"


@dataclass(frozen=True, slots=True)
class Delivered:
    """Everything that one request held."""

    facts: tuple[ProviderFact, ...] = ()
    refused: tuple[RefusedFact, ...] = ()
    confirm_url: str | None = None  # Amazon SNS alone: the address to visit once, checked to be one of SNS


class WebhookReader(Protocol):
    """Reads the webhooks of one provider; safe to share between threads."""

    @property
    def name(self) -> str:
        """The provider, as addresses, settings and modules spell it."""

    def is_genuine(self, headers: Mapping[str, str], body: bytes, now: datetime, path: str = "") -> bool:
        """Whether the provider sent this; never raises, and false without a configured secret."""

    def read(self, headers: Mapping[str, str], body: bytes, received: datetime | None = None) -> Delivered:
        """Translate a request; never raises, whatever the bytes.

        `received` stands in where a payload says no time; without it such a part is refused as `no-time`.
        """


class Meaning(NamedTuple):
    """What a provider's word becomes."""

    kind: FactKind
    hard: bool | None = None
    machine: bool = False


class Vocabulary:
    """A provider's words, from the general to the special (`Bounce / HardBounce`); the longest known one counts."""

    def __init__(self, words: Mapping[str, Meaning]) -> None:
        self.words = words
        self._known = {tuple(_folded(part) for part in word.split(" / ")): means for word, means in words.items()}

    def meaning(self, *words: str | None) -> Meaning:
        """The meaning of the words up to the first that is None or unknown."""
        parts = tuple(_folded(word or "") for word in words)
        for length in range(len(parts), 0, -1):
            if (found := self._known.get(parts[:length])) is not None:
                return found
        return Meaning(FactKind.UNKNOWN)


def checked_secrets(provider: str, secrets: Sequence[str]) -> tuple[str, ...]:
    """The secrets, when each is long enough to be one; raises BadSetting."""
    for number, secret in enumerate(secrets, 1):
        if len(secret) < MIN_SECRET:
            raise BadSetting(f"secret {number} of the webhooks of '{provider}' needs {MIN_SECRET} characters or more")
    return tuple(secrets)


def _folded(word: str) -> str:
    # One provider writes both `hard_bounce` and `hardBounce`.
    return word.strip().casefold().replace("_", "")
