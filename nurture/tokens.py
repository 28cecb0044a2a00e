"""Signed tokens for links: each is bound to one purpose, says nothing about whom it is for, and never expires."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache

from itsdangerous import BadData, URLSafeSerializer

UNSUBSCRIBE = "unsubscribe"
CLICK, OPEN, TRAP, VIEW = "click", "open", "trap", "view"
_KEY_BYTES, _NUMBER_BYTES, _MARK_BYTES = 20, 6, 16
_SEAL_LENGTH = (_KEY_BYTES + _NUMBER_BYTES + _MARK_BYTES) * 4 // 3
PREFERENCES = "preferences"
CONFIRM = "confirm"
# Longer ones are not ours; they are not even looked at.
_MAX_LENGTH = 1_000


def sign(secret: bytes, purpose: str, value: str) -> str:
    """A URL-safe token that holds `value`; one made for another purpose, or with another secret, is worth nothing."""
    return str(_serializer(secret, purpose).dumps(value))


def read(secret: bytes, purpose: str, token: str) -> str | None:
    """The value of a token, None when it is not one of ours for this purpose."""
    if len(token) > _MAX_LENGTH or not token.isascii():
        return None
    try:
        value = _serializer(secret, purpose).loads(token)
    except BadData:
        return None
    return value if isinstance(value, str) else None


def seal(secret: bytes, purpose: str, key: str, number: int = 0) -> str:
    """A short URL-safe token of a message key (40 hex digits) and a number; one goes into each link of a mail."""
    held = bytes.fromhex(key) + number.to_bytes(_NUMBER_BYTES, "big")
    return urlsafe_b64encode(held + _mark(secret, purpose, held)).decode()


def unseal(secret: bytes, purpose: str, token: str) -> tuple[str, int] | None:
    """Key and number of a sealed token, None when it is not one of ours for this purpose."""
    if len(token) != _SEAL_LENGTH or not token.isascii():
        return None
    try:
        data = urlsafe_b64decode(token)
    except (binascii.Error, ValueError):
        return None
    held, mark = data[:-_MARK_BYTES], data[-_MARK_BYTES:]
    # Compared as text too: base64 has several ways to write the last byte.
    if not hmac.compare_digest(mark, _mark(secret, purpose, held)) or urlsafe_b64encode(data).decode() != token:
        return None
    return held[:_KEY_BYTES].hex(), int.from_bytes(held[_KEY_BYTES:], "big")


def _mark(secret: bytes, purpose: str, held: bytes) -> bytes:
    return hmac.digest(_key_of(secret, purpose), held, "sha256")[:_MARK_BYTES]


@lru_cache(maxsize=64)
def _key_of(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, f"ripen seal {purpose}".encode(), "sha256")


def _serializer(secret: bytes, purpose: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        secret,
        salt=f"ripen {purpose}".encode(),
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )
