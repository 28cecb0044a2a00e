"""A mail that keeps every rule, as this program builds it, signed by another hand; and the zone that it comes from."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from functools import cache

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from nurture.deliverability.rules import Given
from nurture.rendering.mime import MailPlan, build_mime

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ADDRESS = "Northwind Instruments, 1 Example Street, 1000 Exampletown"
STOP = "https://mail.example.com/u/abc.def"
SIGNED = [
    "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "List-Unsubscribe",
    "List-Unsubscribe-Post", "Feedback-ID",
]  # fmt: skip
WORDS = (
    "Hello Ada, here is the white paper about calibration that you asked for. It explains which instruments need a "
    "yearly check, what a certificate has to say, and how three laboratories have halved the hours they spend on it."
)
TEXT = f"{WORDS}\n\nRead it: https://www.example.com/paper\n\n{ADDRESS}\nUnsubscribe: {STOP}\n"
HTML = (
    '<html><body><div style="display:none">Which instruments need a yearly check</div>'
    f'<p>{WORDS}</p><p><img src="https://www.example.com/paper.png" alt="The cover" width="200"></p>'
    '<p><a href="https://www.example.com/paper">Read it</a></p>'
    f'<p>{ADDRESS}<br><a href="{STOP}">Unsubscribe</a></p></body></html>'
)


def plan(**changed) -> MailPlan:
    """What the good mail says, with changes."""
    usual = {
        "message_id": "<00c0e14c67a20c4f@example.com>",
        "message_key": "00c0e14c67a20c4f",
        "from_name": "Northwind Instruments",
        "from_address": "hello@example.com",
        "to_name": "Ada Holm",
        "to_address": "ada@example.org",
        "subject": "Your white paper about calibration",
        "text": TEXT,
        "html": HTML,
        "date": NOW,
        "list_unsubscribe_url": STOP,
        "feedback_id": "papers:thanks:ripen",
    }
    return MailPlan(**(usual | changed))


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """A key, made once."""
    return rsa.generate_private_key(65_537, bits)


@cache
def ed25519_key() -> ed25519.Ed25519PrivateKey:
    """A key of the newer kind."""
    return ed25519.Ed25519PrivateKey.generate()


def key_record(bits: int = 2_048) -> str:
    """What DNS publishes for the RSA key; one below 1,024 bits is a number that nobody signs with."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    key = (
        rsa_key(bits).public_key() if bits >= 1_024 else rsa.RSAPublicNumbers(65_537, (1 << bits - 1) + 1).public_key()
    )
    public = key.public_bytes(serialization.Encoding.DER, form)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"


def ed25519_record() -> str:
    """What DNS publishes for the Ed25519 key."""
    public = ed25519_key().public_key().public_bytes_raw()
    return f"v=DKIM1; k=ed25519; p={base64.b64encode(public).decode()}"


def signed(raw: bytes, *, domain: str = "example.com", headers: list[str] | None = None, **more) -> bytes:
    """The mail with a signature by dkimpy over the headers that matter."""
    pem = rsa_key(2_048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    names = [name.encode().lower() for name in headers or SIGNED]
    usual = {"canonicalize": (b"relaxed", b"relaxed"), "include_headers": names}
    return dkim.sign(raw, b"s1", domain.encode(), pem, **(usual | more)) + raw


@cache
def good() -> bytes:
    """The mail that keeps every rule."""
    return signed(build_mime(plan()))


ZONE = {
    ("example.com", "MX"): ["10 mx1.example.com."],
    ("mx1.example.com", "A"): ["192.0.2.1"],
    ("example.com", "TXT"): ["google-site-verification=x", "v=spf1 include:_spf.provider.example -all"],
    ("_spf.provider.example", "TXT"): ["v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"],
    ("s1._domainkey.example.com", "TXT"): [key_record()],
    ("_dmarc.example.com", "TXT"): ["v=DMARC1; p=reject; rua=mailto:dmarc@example.com"],
    ("_mta-sts.example.com", "TXT"): ["v=STSv1; id=20260302"],
    ("_smtp._tls.example.com", "TXT"): ["v=TLSRPTv1; rua=mailto:tls@example.com"],
    ("default._bimi.example.com", "TXT"): ["v=BIMI1; l=https://example.com/logo.svg"],
}


def looking_in(zone: dict[tuple[str, str], list[str]]):
    """A resolver that knows one zone."""
    return lambda name, kind: zone.get((name.rstrip("."), kind), [])


def given(**changed) -> Given:
    """What is known beside the mail, with a resolver."""
    return Given(**({"now": NOW, "postal_address": ADDRESS, "lookup": looking_in(ZONE)} | changed))
