"""Signed tokens for links: each is bound to one purpose, says nothing about whom it is for, and never expires."""

from __future__ import annotations

import hashlib

from itsdangerous import BadData, URLSafeSerializer

UNSUBSCRIBE = "unsubscribe"
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


def _serializer(secret: bytes, purpose: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        secret,
        salt=f"ripen {purpose}".encode(),
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )
