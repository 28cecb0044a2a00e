"""What each provider does when it posts: the same signatures, made with keys of our own."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from connectors.email.webhooks import ProviderFact, build_webhook_reader
from connectors.email.webhooks.sns import signed_text

NOW = datetime(2026, 3, 4, 10, 2, tzinfo=UTC)
KEY = "0123456789abcdef0123456789abcdef01234567"
SECRETS = {
    "postmark": "ripen:a-long-password",
    "brevo": "a-long-bearer-token",
    "mailgun": "a-webhook-signing-key",
    "resend": "whsec_" + base64.b64encode(b"a secret of resend").decode(),
    "amazon_ses": "arn:aws:sns:eu-west-1:123456789012:mail",
}
OTHERS = {
    "postmark": "ripen:another-password",
    "brevo": "another:long-password",
    "mailgun": "another-signing-key",
    "resend": "another-secret-in-plain-text",
    "amazon_ses": "arn:aws:sns:eu-west-1:123456789012:other",
}
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
JSON = {"Content-Type": "application/json"}


@dataclass
class Request:
    """One request as a provider makes it."""

    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))


def stamp(when: datetime) -> str:
    """Seconds since 1970."""
    return str(int(when.timestamp()))


def basic(secret: str) -> dict[str, str]:
    """The header of credentials."""
    word = f"Basic {base64.b64encode(secret.encode()).decode()}" if ":" in secret else f"Bearer {secret}"
    return JSON | {"Authorization": word}


# --- Keys, made once --------------------------------------------------------------------------------------------------


@lru_cache
def ec_key(number: int) -> ec.EllipticCurvePrivateKey:
    """A key of SendGrid's kind."""
    return ec.generate_private_key(ec.SECP256R1())


def ec_secret(number: int = 1) -> str:
    """What SendGrid's settings would show of it."""
    return base64.b64encode(
        ec_key(number).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()


@lru_cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    """A key of SNS's kind."""
    return rsa.generate_private_key(65537, 2048)


@lru_cache
def certificate(start: int = -10, end: int = 10, number: int = 1) -> bytes:
    """A certificate that is valid some days before and after NOW."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.example.com")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(rsa_key(number).public_key())
        .serial_number(1)
        .not_valid_before(NOW + timedelta(days=start))
        .not_valid_after(NOW + timedelta(days=end))
        .sign(rsa_key(number), SHA256())
        .public_bytes(Encoding.PEM)
    )


# --- Requests ---------------------------------------------------------------------------------------------------------


def by_credentials(body: bytes, secret: str, when: datetime = NOW) -> Request:
    """As Postmark and Brevo post."""
    return Request(body, basic(secret))


def by_sendgrid(body: bytes, number: int = 1, when: datetime = NOW) -> Request:
    """As SendGrid signs."""
    signature = ec_key(number).sign(stamp(when).encode() + body, ec.ECDSA(SHA256()))
    return Request(
        body,
        JSON
        | {
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": stamp(when),
        },
    )


def by_resend(body: bytes, secret: str, when: datetime = NOW, prefix: str = "svix") -> Request:
    """As Svix signs for Resend."""
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    made = hmac.new(key, f"msg_1.{stamp(when)}.".encode() + body, hashlib.sha256).digest()
    return Request(
        body,
        JSON
        | {
            f"{prefix}-id": "msg_1",
            f"{prefix}-timestamp": stamp(when),
            f"{prefix}-signature": "v1," + base64.b64encode(made).decode(),
        },
    )


def mailgun_block(secret: str, when: datetime = NOW, token: str = "token-1") -> dict[str, str]:
    """The signature that Mailgun puts into a body."""
    made = hmac.new(secret.encode(), f"{stamp(when)}{token}".encode(), hashlib.sha256).hexdigest()
    return {"timestamp": stamp(when), "token": token, "signature": made}


def by_mailgun(event: Any, secret: str, when: datetime = NOW, token: str = "token-1") -> Request:
    """As Mailgun posts an event."""
    return Request(orjson.dumps({"signature": mailgun_block(secret, when, token), "event-data": event}))


def by_mailgun_form(
    fields: Mapping[str, Any], secret: str = SECRETS["mailgun"], when: datetime = NOW, token: str = "token-1"
) -> Request:
    """As Mailgun posts a form: the signature comes last."""
    pairs = [*fields.items(), *mailgun_block(secret, when, token).items()]
    return Request(urlencode(pairs, doseq=True).encode(), {"Content-Type": "application/x-www-form-urlencoded"})


def sns(event: Any, when: datetime = NOW, topic: str = SECRETS["amazon_ses"], **changed: Any) -> dict[str, Any]:
    """A message of SNS, signed; values that are None are left out."""
    message = {
        "Type": "Notification",
        "MessageId": "19ba9823-d7f2-53c1-860e-cb10e0d13dfc",
        "TopicArn": topic,
        "Subject": "Amazon SES Email Event Notification",
        "Message": event if isinstance(event, str) else orjson.dumps(event).decode(),
        "Timestamp": when.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_URL,
    } | changed
    message = {name: value for name, value in message.items() if value is not None}
    hashed = SHA1() if message.get("SignatureVersion") == "1" else SHA256()  # noqa: S303 - version 1 is so
    made = rsa_key(1).sign(signed_text(message) or b"", padding.PKCS1v15(), hashed)
    return {"Signature": base64.b64encode(made).decode()} | message


def by_amazon_ses(event: Any, topic: str = SECRETS["amazon_ses"], when: datetime = NOW) -> Request:
    """As SNS posts for SES."""
    return Request(orjson.dumps(sns(event, when, topic)), {"Content-Type": "text/plain; charset=UTF-8"})


# --- One genuine request of each --------------------------------------------------------------------------------------

EVENTS: dict[str, Any] = {
    "postmark": {"RecordType": "Delivery", "MessageID": "m-1", "Recipient": "ada@example.com"}
    | {"DeliveredAt": "2026-03-04T10:01:00Z", "Metadata": {"ripen": KEY}},
    "sendgrid": [{"event": "delivered", "email": "ada@example.com", "timestamp": 1772618460, "ripen": KEY}],
    "mailgun": {"event": "delivered", "id": "e-1", "timestamp": 1772618460.5, "recipient": "ada@example.com"}
    | {"user-variables": {"ripen": KEY}},
    "amazon_ses": {
        "eventType": "Delivery",
        "mail": {"messageId": "m-1", "destination": ["ada@example.com"], "tags": {"ripen": [KEY]}},
        "delivery": {"timestamp": "2026-03-04T10:01:00Z", "recipients": ["ada@example.com"]},
    },
    "resend": {
        "type": "email.delivered",
        "created_at": "2026-03-04T10:01:00Z",
        "data": {"email_id": "m-1", "to": ["ada@example.com"], "tags": {"ripen": KEY}},
    },
    "brevo": {"event": "delivered", "email": "ada@example.com", "ts_epoch": 1772618460000, "message-id": "<m-1@relay>"}
    | {"X-Mailin-custom": f'{{"ripen": "{KEY}"}}'},
}

SIGN: dict[str, Callable[..., Request]] = {
    "postmark": by_credentials,
    "brevo": by_credentials,
    "resend": by_resend,
    "mailgun": by_mailgun,
    "amazon_ses": by_amazon_ses,
}


def genuine(provider: str, when: datetime = NOW, other: bool = False) -> Request:
    """A request as the provider makes it, signed with the usual secret or with the other one."""
    event = EVENTS[provider]
    if provider == "sendgrid":
        return by_sendgrid(orjson.dumps(event), 2 if other else 1, when)
    secret = (OTHERS if other else SECRETS)[provider]
    content = event if provider in ("mailgun", "amazon_ses") else orjson.dumps(event)
    return SIGN[provider](content, secret, when=when)


def secret_of(provider: str, other: bool = False) -> str:
    """The setting that belongs to it."""
    if provider == "sendgrid":
        return ec_secret(2 if other else 1)
    return (OTHERS if other else SECRETS)[provider]


def options_of(provider: str) -> dict[str, Any]:
    """The option that a reader needs so that nothing leaves this machine."""
    return {"fetch": lambda url: certificate()} if provider == "amazon_ses" else {}


def one_fact(provider: str, event: Any, headers: Mapping[str, str] | None = None) -> ProviderFact:
    """The only fact of an event, received at NOW."""
    reader = build_webhook_reader(provider, [])
    found = reader.read(JSON | dict(headers or {}), orjson.dumps(event), NOW)
    assert found.refused == ()
    (fact,) = found.facts
    return fact


def said(fact: ProviderFact) -> tuple[str, bool | None, bool]:
    """What a fact says happened: the kind, whether for good, whether by a machine."""
    return str(fact.kind), fact.hard, fact.machine
