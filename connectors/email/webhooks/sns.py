"""Messages of Amazon SNS: their signature, the certificate behind it, and which addresses of theirs may be visited."""

from __future__ import annotations

import base64
import binascii
import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from nurture.errors import OutsideFailed, RetryLater

# At INFO it would write whole addresses, with what secrets they hold.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_log = logging.getLogger(__name__)

Fetch = Callable[[str], bytes]

_REGION = r"[a-z]{2}(?:-[a-z]{2,12}){1,2}-[0-9]{1,2}"
_CERTIFICATE_URL = re.compile(
    rf"https://sns\.{_REGION}\.amazonaws\.com/SimpleNotificationService-[0-9A-Za-z]{{1,64}}\.pem", re.ASCII
)
_CONFIRM_HOST = re.compile(rf"sns\.{_REGION}\.amazonaws\.com", re.ASCII)
_CONFIRM_SIGNS = re.compile(r"[A-Za-z0-9:/?&=._%~+-]{1,2000}", re.ASCII)

_HASHES: dict[str, Callable[[], HashAlgorithm]] = {"1": SHA1, "2": SHA256}
# What is signed, by the type of the message and in this order.
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}

MAX_CERTIFICATE = 64 * 1024
MAX_CERTIFICATES = 8
# Forged messages must not make this machine fetch without end.
MAX_FAILURES, FAILURE_WINDOW = 5, timedelta(minutes=1)
ATTEMPTS = 2
CALL_DEADLINE = 10.0


def is_certificate_url(url: str) -> bool:
    """Whether this is exactly the address of a signing certificate of SNS."""
    return _CERTIFICATE_URL.fullmatch(url) is not None


def is_confirm_url(url: str) -> bool:
    """Whether visiting this confirms a subscription at SNS, and nothing else."""
    if not url.startswith("https://") or not _CONFIRM_SIGNS.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query, max_num_fields=10)
    except ValueError:
        return False
    # The whole authority is compared, so that there is no user, password or port in it.
    plain = _CONFIRM_HOST.fullmatch(parts.netloc) is not None and parts.path in ("", "/") and not parts.fragment
    return plain and query.get("Action") == ["ConfirmSubscription"]


def signed_text(message: Mapping[str, Any]) -> bytes | None:
    """The text that SNS signs, or None when the message is none of SNS."""
    lines = []
    for name in _SIGNED.get(str(message.get("Type")), ()):
        value = message.get(name)
        if value is None and name == "Subject":
            continue
        if not isinstance(value, str):
            return None
        lines.append(f"{name}\n{value}\n")
    return "".join(lines).encode("utf-8", "surrogatepass") or None


class Certificates:
    """The signing certificates of SNS, fetched once each; safe to share between threads."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._known: dict[str, x509.Certificate] = {}
        self._failures: deque[datetime] = deque(maxlen=MAX_FAILURES)
        self._lock = threading.Lock()

    def signed(self, message: Mapping[str, Any], now: datetime) -> bool:
        """Whether SNS signed this message with a certificate that is valid now; never raises."""
        url, text, hashed = message.get("SigningCertURL"), signed_text(message), _HASHES.get(_version(message))
        if not isinstance(url, str) or not is_certificate_url(url) or text is None or hashed is None:
            return False
        certificate = self._certificate(url, now)
        if certificate is None or not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return False
        try:
            key = certificate.public_key()
            signature = base64.b64decode(str(message.get("Signature")), validate=True)
            if not isinstance(key, rsa.RSAPublicKey):
                return False
            key.verify(signature, text, padding.PKCS1v15(), hashed())
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, binascii.Error):
            return False
        return True

    def _certificate(self, url: str, now: datetime) -> x509.Certificate | None:
        with self._lock:
            if url in self._known:
                return self._known[url]
            if len(self._failures) == MAX_FAILURES and abs(now - self._failures[0]) < FAILURE_WINDOW:
                return None
        certificate = None
        # SNS takes a refusal for its last word, so a hiccup of the network must not be one.
        for _ in range(ATTEMPTS):
            try:
                certificate = x509.load_pem_x509_certificate(self._fetch(url))
                break
            except Exception as error:
                # Whatever goes wrong on the way to the proof, there is no proof.
                _log.warning("the signing certificate of Amazon SNS cannot be had (%s)", type(error).__name__)
        with self._lock:
            if certificate is None:
                self._failures.append(now)
                return None
            if len(self._known) >= MAX_CERTIFICATES:
                self._known.pop(next(iter(self._known)))
            self._known[url] = certificate
            return certificate


def _version(message: Mapping[str, Any]) -> str:
    return str(message.get("SignatureVersion"))


def fetch_certificate(url: str) -> bytes:
    """The bytes at this address; raises RetryLater. No redirect, no proxy, 64 KiB, ten seconds in all."""
    return _fetched(url, "the signing certificate of Amazon SNS")


def confirm_subscription(url: str) -> None:
    """Visit the address that confirms a subscription, if it is one; raises RetryLater and OutsideFailed."""
    if not is_confirm_url(url):
        raise OutsideFailed("the address that would confirm the subscription is not one of Amazon SNS")
    _fetched(url, "the confirmation at Amazon SNS")


def _fetched(url: str, what: str) -> bytes:
    end = monotonic() + CALL_DEADLINE
    limits = httpx.Timeout(5.0)
    headers = {"Accept-Encoding": "identity", "User-Agent": "ripen"}
    parts: list[bytes] = []
    size = 0
    try:
        with (
            httpx.Client(headers=headers, timeout=limits, follow_redirects=False, trust_env=False) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != 200:
                raise RetryLater(f"{what}: answers {answer.status_code}")
            for part in answer.iter_raw():
                size += len(part)
                if size > MAX_CERTIFICATE:
                    raise RetryLater(f"{what} is larger than it can be")
                if monotonic() > end:
                    raise RetryLater(f"{what} takes too long to come")
                parts.append(part)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RetryLater(f"{what}: no answer ({type(error).__name__})") from None
    return b"".join(parts)
