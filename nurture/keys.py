"""Keys: each built here and nowhere else, from stable ids, so that a thing has the same key after any restart."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson

# Normalised identifiers hold no control characters, so this can stand between them.
_BETWEEN = "\x1f"


def event_tiebreak(source: str, source_event_id: str) -> int:
    """A number from 0 to 2^63 - 1 that orders the events of one instant, whatever arrived first."""
    digest = hashlib.sha256(f"{source}{_BETWEEN}{source_event_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def content_event_id(
    source: str,
    kind: str,
    occurred_at: datetime,
    identities: Iterable[tuple[str, str]],
    properties: Mapping[str, Any],
    number: int = 0,
) -> str:
    """The id of an event whose source gives none: a hash of what it says.

    Two events are one when source, type, whole second, identifiers, properties and number are equal.
    """
    content = [
        source,
        kind,
        int(occurred_at.timestamp()),
        sorted(list(each) for each in identities),
        properties,
        number,
    ]
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return "content:" + hashlib.sha256(text).hexdigest()[:40]


def email_hash(secret: bytes, address: str) -> str:
    """The keyed hash of a normalised address: suppressions keep it, so that a stop outlives an erasure."""
    return _keyed(secret, "email", address)


def mark_of(secret: bytes) -> str:
    """What tells one secret from another and gives none of them away."""
    return _keyed(secret, "mark")[:32]


def platform_hash(address: str) -> str:
    """The plain SHA-256 of a normalised address, as advertising platforms match it."""
    return hashlib.sha256(address.encode()).hexdigest()


def message_key(secret: bytes, enrollment_id: int, step_id: str) -> str:
    """The key of the one message of an enrollment and step; Message-ID and idempotency key derive from it."""
    return _keyed(secret, "message", str(enrollment_id), step_id)[:40]


# A prime below 2^31: products of two numbers below it fit 64 bits, so that both databases compute the same.
SHARE_PRIME = 2**31 - 1
SHARE_PARTS = 10_000


def share_seeds(purpose: str, *parts: str) -> tuple[int, int]:
    """The two numbers that make the shares of one purpose independent of those of any other."""
    digest = hashlib.sha256(_BETWEEN.join((f"ripen share {purpose}", *parts)).encode()).digest()
    factor, shift = (int.from_bytes(digest[start : start + 8], "big") for start in (0, 8))
    return 1 + factor % (SHARE_PRIME - 1), shift % SHARE_PRIME


def share_of(lead_id: int, seeds: tuple[int, int]) -> int:
    """Where a lead falls, from 0 to 9,999: sticky for holdouts and variants, never a random draw.

    The square keeps leads that came one after the other from falling one after the other.
    """
    factor, shift = seeds
    place = (lead_id % SHARE_PRIME * factor + shift) % SHARE_PRIME
    return (place * place + shift) % SHARE_PRIME % SHARE_PARTS


def record_digest(*parts: str | bytes) -> str:
    """One hash over several parts; the same parts in the same order give the same digest."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


def _keyed(secret: bytes, purpose: str, *parts: str) -> str:
    # The purpose is part of what is signed: a hash made for one use is worth nothing in another.
    return hmac.new(secret, _BETWEEN.join((f"ripen {purpose}", *parts)).encode(), hashlib.sha256).hexdigest()
