"""Signatures of inbound webhooks, by the rules of Standard Webhooks: HMAC-SHA256 over id, timestamp and raw body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
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
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def is_genuine(secrets: Iterable[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether one of the secrets signed this body within five minutes of `now`; false for anything malformed."""
    message_id, timestamp = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not message_id or not _DIGITS.fullmatch(timestamp):
        return False
    if abs(now.timestamp() - int(timestamp)) > SKEW.total_seconds():
        return False
    given = [each.encode() for each in headers.get(SIGNATURE, "").split()[:_MAX_SIGNATURES]]
    expected = [signature(secret, message_id, timestamp, body).encode() for secret in secrets]
    genuine = False
    for one in given:
        for other in expected:
            # Every pair is compared, each in constant time, so that the answer's time says nothing.
            genuine |= hmac.compare_digest(one, other)
    return genuine
