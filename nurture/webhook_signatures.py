"""Signatures of inbound webhooks, by the rules of Standard Webhooks: HMAC-SHA256 over id, timestamp and raw body.

Beside them what senders without such signatures have: credentials in a header, a secret in the path, other HMACs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SKEW = timedelta(minutes=5)
_PREFIX = "whsec_"
_MIN_SECRET = 16
# A header may carry several signatures while a secret is rotated; more than this is no sender of ours.
_MAX_SIGNATURES = 10
_DIGITS = re.compile(r"[0-9]{1,12}", re.ASCII)


def secrets_of(setting: str) -> tuple[bytes, ...]:
    """The secrets of a setting, separated by blanks or commas; `whsec_` ones are base64, others stand for themselves.

    Too short or unreadable ones are left out, so that a mistake closes the door and never opens it.
    """
    found = []
    for word in setting.replace(",", " ").split():
        try:
            secret = (
                base64.b64decode(word.removeprefix(_PREFIX), validate=True)
                if word.startswith(_PREFIX)
                else word.encode()
            )
        except (binascii.Error, ValueError):
            continue
        if len(secret) >= _MIN_SECRET:
            found.append(secret)
    return tuple(found)


def signature(secret: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """What a sender puts in the header `webhook-signature`."""
    signed = _bytes(f"{message_id}.{timestamp}.") + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def is_genuine(
    secrets: Iterable[bytes], headers: Mapping[str, str], body: bytes, now: datetime, prefix: str = "webhook"
) -> bool:
    """Whether one of the secrets signed this body within five minutes of `now`; false for anything malformed.

    Headers have lower-case names. `prefix` is for senders that call theirs otherwise, such as `svix-id`.
    """
    message_id, timestamp, signatures = (
        headers.get(name.replace("webhook", prefix, 1), "") for name in (ID, TIMESTAMP, SIGNATURE)
    )
    if not message_id or not is_fresh(timestamp, now):
        return False
    given = [_bytes(each) for each in signatures.split()[:_MAX_SIGNATURES]]
    return _any_equal(given, [signature(secret, message_id, timestamp, body).encode() for secret in secrets])


def is_fresh(timestamp: str, now: datetime, skew: timedelta = SKEW) -> bool:
    """Whether a timestamp in seconds since 1970 lies within `skew` of now, before or after."""
    return bool(_DIGITS.fullmatch(timestamp)) and abs(now.timestamp() - int(timestamp)) <= skew.total_seconds()


def has_hex_signature(secrets: Iterable[bytes], signed: str, given: str) -> bool:
    """Whether one of the secrets made this HMAC-SHA256, written in hexadecimal."""
    expected = [hmac.new(secret, _bytes(signed), hashlib.sha256).hexdigest().encode() for secret in secrets]
    return _any_equal([_bytes(given)], expected)


def has_credentials(secrets: Iterable[str], authorization: str) -> bool:
    """Whether the header `Authorization` holds one of the secrets: `user:password` as Basic, another word as Bearer."""
    scheme, _, token = authorization.strip().partition(" ")
    expected = [
        b"basic " + base64.b64encode(_bytes(secret)) if ":" in secret else b"bearer " + _bytes(secret)
        for secret in secrets
    ]
    return _any_equal([_bytes(f"{scheme.lower()} {token.strip()}")], expected)


def has_path_secret(secrets: Iterable[str], path: str) -> bool:
    """Whether the last part of the path is one of the secrets."""
    return _any_equal([_bytes(path.rpartition("/")[2])], [_bytes(secret) for secret in secrets])


def _any_equal(given: Sequence[bytes], expected: Sequence[bytes]) -> bool:
    found = False
    for one in given:
        for other in expected:
            # Every pair is compared, each in constant time, so that the answer's time says nothing.
            found |= hmac.compare_digest(one, other)
    return found


def _bytes(text: str) -> bytes:
    # A header may hold anything; half of a surrogate pair is no reason to raise.
    return text.encode("utf-8", "surrogatepass")
