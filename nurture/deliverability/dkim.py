"""DKIM (RFC 6376, RFC 8463): signatures and key records read, and the cryptography checked by `cryptography`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_SPACE = re.compile(rb"[ \t]+")
_LAST_LINES = re.compile(rb"(?:\r\n)+\Z")
ALGORITHMS = ("rsa-sha256", "ed25519-sha256")


class BadSignature(Exception):
    """The signature does not hold; the text says why."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A DKIM-Signature header by its tags."""

    tags: dict[str, str]

    @property
    def domain(self) -> str:
        """Who signs."""
        return self.tags.get("d", "").lower()

    @property
    def selector(self) -> str:
        """Under which name the key is published."""
        return self.tags.get("s", "")

    @property
    def signed(self) -> list[str]:
        """The headers that are covered, in lower case."""
        return [name.strip().lower() for name in self.tags.get("h", "").split(":") if name.strip()]

    @property
    def key_name(self) -> str:
        """Where DNS has the key."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A published key; `bits` 0 when it cannot be read, `revoked` when it is empty."""

    kind: str
    bits: int
    revoked: bool
    testing: bool
    key: RSAPublicKey | Ed25519PublicKey | None = None


def tags_of(text: str) -> dict[str, str]:
    """The `name=value` pairs of a tag list, white space at their ends left out."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals and name.strip()}


def key_of(record: str) -> KeyRecord:
    """A key record as published; one that is no DKIM record has 0 bits."""
    tags = tags_of(record)
    kind = tags.get("k", "rsa").lower()
    testing = "y" in tags.get("t", "").split(":")
    packed = "".join(tags.get("p", "").split())
    if "p" in tags and not packed:
        return KeyRecord(kind, 0, True, testing)
    try:
        raw = base64.b64decode(packed, validate=True)
        if kind == "ed25519":
            return KeyRecord(kind, 256, False, testing, Ed25519PublicKey.from_public_bytes(raw))
        key = serialization.load_der_public_key(raw)
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return KeyRecord(kind, 0, False, testing)
    if not isinstance(key, RSAPublicKey):
        return KeyRecord(kind, 0, False, testing)
    return KeyRecord(kind, key.key_size, False, testing, key)


def verify(raw: bytes, header: bytes, record: str) -> None:
    """Check one signature of a mail with a key record; `header` is the DKIM-Signature field as it stands in the mail.

    Raises BadSignature.
    """
    head, body = _split(raw)
    signature = Signature(tags_of(_unfolded(header.partition(b":")[2])))
    tags = signature.tags
    if tags.get("a") not in ALGORITHMS:
        raise BadSignature(f"the algorithm {tags.get('a') or 'none'} is not one that is trusted")
    for_head, _, for_body = tags.get("c", "simple/simple").partition("/")
    _check_body(body, for_body or "simple", tags)
    signed = _signed_head(head, header, for_head, signature.signed)
    published = key_of(record)
    if published.key is None:
        raise BadSignature("the key is revoked" if published.revoked else "the key record cannot be read")
    try:
        value = base64.b64decode("".join(tags.get("b", "").split()), validate=True)
        if isinstance(published.key, RSAPublicKey):
            if tags["a"] != "rsa-sha256":
                raise BadSignature("the key is of another kind than the signature")
            published.key.verify(value, signed, padding.PKCS1v15(), hashes.SHA256())
        else:
            if tags["a"] != "ed25519-sha256":
                raise BadSignature("the key is of another kind than the signature")
            published.key.verify(value, hashlib.sha256(signed).digest())
    except InvalidSignature:
        raise BadSignature("a signed header has changed, or the key is another one") from None
    except (ValueError, binascii.Error):
        raise BadSignature("its value `b=` cannot be read") from None


def fields_of(raw: bytes) -> list[bytes]:
    """The header fields as they stand, folds included, with CRLF line ends and without the last one."""
    return _split(raw)[0]


def _split(raw: bytes) -> tuple[list[bytes], bytes]:
    wire = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    head, _, body = wire.partition(b"\r\n\r\n")
    fields: list[bytes] = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += b"\r\n" + line
        elif line:
            fields.append(line)
    return fields, body


def _check_body(body: bytes, form: str, tags: dict[str, str]) -> None:
    canonical = _relaxed_body(body) if form == "relaxed" else _simple_body(body)
    if "l" in tags:
        length = int(tags["l"]) if tags["l"].isascii() and tags["l"].isdigit() and len(tags["l"]) < 12 else -1
        if not 0 <= length <= len(canonical):
            raise BadSignature("its body length `l=` is longer than the body")
        canonical = canonical[:length]
    found = base64.b64encode(hashlib.sha256(canonical).digest()).decode()
    if found != "".join(tags.get("bh", "").split()):
        raise BadSignature("the body has changed after it was signed")


def _signed_head(fields: Sequence[bytes], own: bytes, form: str, names: Sequence[str]) -> bytes:
    make = _relaxed_field if form == "relaxed" else bytes
    left: dict[str, list[bytes]] = {}
    for each in fields:
        left.setdefault(_name(each), []).append(each)
    chosen = [left[name].pop() for name in names if left.get(name)]
    return b"".join(make(each) + b"\r\n" for each in chosen) + make(_without_value(own))


def _without_value(own: bytes) -> bytes:
    """The signature's own field with nothing after `b=`."""
    name, colon, value = own.partition(b":")
    tags = value.split(b";")
    tags = [tag.partition(b"=")[0] + b"=" if tag.partition(b"=")[0].strip() == b"b" else tag for tag in tags]
    return name + colon + b";".join(tags)


def _name(each: bytes) -> str:
    return each.partition(b":")[0].strip().lower().decode("ascii", "replace")


def _unfolded(value: bytes) -> str:
    return value.replace(b"\r\n", b"").decode("ascii", "replace")


def _simple_body(body: bytes) -> bytes:
    return _LAST_LINES.sub(b"", body) + b"\r\n"


def _relaxed_body(body: bytes) -> bytes:
    lines = [_SPACE.sub(b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def _relaxed_field(each: bytes) -> bytes:
    name, _, value = each.partition(b":")
    return name.strip().lower() + b":" + _SPACE.sub(b" ", value.replace(b"\r\n", b"")).strip()
