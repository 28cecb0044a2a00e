"""DKIM signatures (RFC 6376, RFC 8463) for what leaves byte for byte as built; other providers sign themselves.

Relaxed canonicalization of headers and body, one signature over the headers that mailbox providers ask for, among them
both unsubscribe headers, which RFC 8058 wants to be covered.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from nurture.errors import BadSetting

# What a receiver shall be able to trust; each is signed once more than it occurs, so that none can be added.
SIGNED = (
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "feedback-id",
    "mime-version",
    "content-type",
)
_ONCE = ("from", "to", "subject", "date", "message-id", "list-unsubscribe", "list-unsubscribe-post")
_LEAST_BITS = 1024
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*")
_BLANKS = re.compile(rb"[ \t]+")
_AT_LINE_END = re.compile(rb"[ \t]+(?=\r\n)")
_LINE = 68


@dataclass(frozen=True, slots=True)
class DkimSigner:
    """Signs messages of one domain with one key; `made` by `dkim_signer`."""

    domain: str
    selector: str
    algorithm: str
    key: Any = field(repr=False)

    def sign(self, raw: bytes, at: datetime) -> bytes:
        """The message with its signature as the first header; the same message at the same time signs the same."""
        head, _, body = raw.partition(b"\r\n\r\n")
        headers = _headers(head)
        names = _to_sign(headers)
        start = (
            f"v=1; a={self.algorithm}; c=relaxed/relaxed; d={self.domain}; s={self.selector};\r\n"
            f" t={int(at.timestamp())}; h={_folded_names(names)};\r\n"
            f" bh={b64encode(sha256(_relaxed_body(body)).digest()).decode()};\r\n b="
        )
        unsigned = _relaxed(b"dkim-signature", start.encode())
        signature = b64encode(self._signature(b"".join((*_chosen(headers, names), unsigned)))).decode()
        lines = "\r\n ".join(signature[i : i + _LINE] for i in range(0, len(signature), _LINE))
        return f"DKIM-Signature: {start}{lines}\r\n".encode() + raw

    def _signature(self, signed: bytes) -> bytes:
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        made: bytes = self.key.sign(sha256(signed).digest())
        return made


def dkim_signer(domain: str, selector: str, pem: str) -> DkimSigner:
    """The signer of a domain with a private key in PEM, RSA or Ed25519; raises BadSetting, never showing the key."""
    for what, value in (("domain", domain), ("selector", selector)):
        if not _NAME.fullmatch(value):
            raise BadSetting(f"email.dkim_{what} is not a DNS name; write it like `mail` or `example.com`")
    try:
        key = load_pem_private_key(pem.strip().replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadSetting("email.dkim_key is not a private key in PEM without a passphrase") from None
    if isinstance(key, RSAPrivateKey):
        if key.key_size < _LEAST_BITS:
            raise BadSetting(f"email.dkim_key has {key.key_size} bits; receivers ask for {_LEAST_BITS}, better 2048")
        return DkimSigner(domain.lower(), selector, "rsa-sha256", key)
    if isinstance(key, Ed25519PrivateKey):
        return DkimSigner(domain.lower(), selector, "ed25519-sha256", key)
    raise BadSetting("email.dkim_key is neither an RSA nor an Ed25519 key")


def _headers(head: bytes) -> list[tuple[bytes, bytes]]:
    """Name in lower case and value with its folds, in order."""
    found: list[tuple[bytes, bytes]] = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and found:
            name, value = found[-1]
            found[-1] = name, value + b"\r\n" + line
        else:
            name, _, value = line.partition(b":")
            found.append((name.lower(), value))
    return found


def _to_sign(headers: list[tuple[bytes, bytes]]) -> list[str]:
    present = [name.decode("ascii", "replace") for name, _ in headers]
    names = [name for wanted in SIGNED for name in [wanted] * present.count(wanted)]
    return [*names, *_ONCE]


def _chosen(headers: list[tuple[bytes, bytes]], names: list[str]) -> list[bytes]:
    """The lines that are signed: of a name that occurs several times the last first; what is not there is nothing."""
    left: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        left.setdefault(name, []).append(value)
    lines = []
    for wanted in names:
        values = left.get(wanted.encode())
        if values:
            lines.append(_relaxed(wanted.encode(), values.pop()) + b"\r\n")
    return lines


def _relaxed(name: bytes, value: bytes) -> bytes:
    return name + b":" + _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")


def _relaxed_body(body: bytes) -> bytes:
    body = _BLANKS.sub(b" ", _AT_LINE_END.sub(b"", body)).rstrip(b"\r\n")
    return body + b"\r\n" if body else b""


def _folded_names(names: list[str]) -> str:
    lines, line = [], ""
    for name in names:
        if line and len(line) + len(name) > _LINE:
            lines.append(line)
            line = ""
        line = f"{line}:{name}" if line else name
    return ":\r\n ".join([*lines, line])
