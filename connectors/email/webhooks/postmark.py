"""Postmark's webhooks: they bear no signature, so the credentials in the address registered there are the proof."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.email.webhooks.base import Delivered, FactKind, Meaning, ProviderFact, Vocabulary, checked_secrets
from connectors.email.webhooks.bodies import json_parts, lowered, translated
from connectors.email.webhooks.payloads import (
    REPLY_HEADERS,
    address,
    at,
    fact,
    header_pairs,
    is_automatic,
    key_in_headers,
    mail_date,
    message_key,
    moment,
    words,
)
from nurture.errors import BadSetting, RefusedRow
from nurture.webhook_signatures import has_credentials

_BOUNCED, _REJECTED = FactKind.BOUNCED, FactKind.REJECTED

# The types of a bounce: postmarkapp.com, Bounce API, "Bounce types".
WORDS = {
    "Delivery": Meaning(FactKind.DELIVERED),
    "Open": Meaning(FactKind.OPENED),
    "Click": Meaning(FactKind.CLICKED),
    "SpamComplaint": Meaning(FactKind.COMPLAINED),
    "Inbound": Meaning(FactKind.REPLIED),
    "Inbound / automatic": Meaning(FactKind.AUTO_REPLIED),
    "SubscriptionChange": Meaning(FactKind.UNSUBSCRIBED),
    "SubscriptionChange / ManualSuppression": Meaning(FactKind.UNSUBSCRIBED),
    "SubscriptionChange / HardBounce": Meaning(_BOUNCED, hard=True),
    "SubscriptionChange / SpamComplaint": Meaning(FactKind.COMPLAINED),
    "SubscriptionChange / reactivated": Meaning(FactKind.SUBSCRIBED),
    "Bounce": Meaning(_BOUNCED, hard=False),
    "Bounce / HardBounce": Meaning(_BOUNCED, hard=True),
    "Bounce / Transient": Meaning(FactKind.DEFERRED),
    "Bounce / Unsubscribe": Meaning(FactKind.UNSUBSCRIBED),
    "Bounce / Subscribe": Meaning(FactKind.SUBSCRIBED),
    "Bounce / AutoResponder": Meaning(FactKind.AUTO_REPLIED),
    "Bounce / AddressChange": Meaning(FactKind.AUTO_REPLIED),
    "Bounce / DnsError": Meaning(FactKind.DEFERRED),
    "Bounce / SpamNotification": Meaning(_BOUNCED, hard=False),
    "Bounce / OpenRelayTest": Meaning(FactKind.DEFERRED),
    "Bounce / Unknown": Meaning(_BOUNCED, hard=False),
    "Bounce / SoftBounce": Meaning(_BOUNCED, hard=False),
    "Bounce / VirusNotification": Meaning(_BOUNCED, hard=False),
    "Bounce / ChallengeVerification": Meaning(FactKind.AUTO_REPLIED),
    "Bounce / BadEmailAddress": Meaning(_REJECTED, hard=True),
    "Bounce / SpamComplaint": Meaning(FactKind.COMPLAINED),
    "Bounce / ManuallyDeactivated": Meaning(_REJECTED, hard=True),
    "Bounce / Unconfirmed": Meaning(_REJECTED, hard=False),
    "Bounce / Blocked": Meaning(_REJECTED, hard=False),
    "Bounce / SMTPApiError": Meaning(FactKind.FAILED),
    "Bounce / InboundError": Meaning(FactKind.UNKNOWN),
    "Bounce / DMARCPolicy": Meaning(_REJECTED, hard=False),
    "Bounce / TemplateRenderingFailed": Meaning(FactKind.FAILED),
}
VOCABULARY = Vocabulary(WORDS)

# For payloads that name no type.
TYPE_CODES = {
    1: "HardBounce",
    2: "Transient",
    16: "Unsubscribe",
    32: "Subscribe",
    64: "AutoResponder",
    128: "AddressChange",
    256: "DnsError",
    512: "SpamNotification",
    1024: "OpenRelayTest",
    2048: "Unknown",
    4096: "SoftBounce",
    8192: "VirusNotification",
    16384: "ChallengeVerification",
    100000: "BadEmailAddress",
    100001: "SpamComplaint",
    100002: "ManuallyDeactivated",
    100003: "Unconfirmed",
    100006: "Blocked",
    100007: "SMTPApiError",
    100008: "InboundError",
    100009: "DMARCPolicy",
    100010: "TemplateRenderingFailed",
}
# Record types whose number is the provider's own id of the fact.
_NUMBERED = ("Bounce", "SpamComplaint")
_STREAM_KINDS = (FactKind.UNSUBSCRIBED, FactKind.SUBSCRIBED)


class PostmarkWebhooks:
    """Reads what Postmark posts; the secrets are `user:password`, one of them stands in the registered address."""

    name = "postmark"

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = checked_secrets(self.name, secrets)
        for number, secret in enumerate(secrets, 1):
            if not all(secret.partition(":")):
                raise BadSetting(f"secret {number} of the webhooks of 'postmark' must be written `user:password`")

    def is_genuine(self, headers: Mapping[str, str], body: bytes, now: datetime, path: str = "") -> bool:
        """Whether the request bears one of the credentials."""
        return has_credentials(self._secrets, lowered(headers).get("authorization", ""))

    def read(self, headers: Mapping[str, str], body: bytes, received: datetime | None = None) -> Delivered:
        """Translate one record."""
        return translated(json_parts(body), lambda record: _facts(record, received))


def _facts(record: Mapping[str, Any], received: datetime | None) -> Iterator[ProviderFact]:
    kind = words(record.get("RecordType")) or ("Inbound" if "FromFull" in record else None)
    if kind is None:
        raise RefusedRow("no-event", "the record has no RecordType")
    if kind == "Inbound":
        yield _reply(record, received)
        return
    means = VOCABULARY.meaning(kind, _special(kind, record))
    number = words(record.get("ID")) if kind in _NUMBERED else None
    yield fact(
        "postmark",
        record,
        means,
        when=moment(*(record.get(name) for name in ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")))
        or received,
        own_id=f"{kind}:{number}" if number else None,
        key=message_key(at(record, "Metadata", "ripen")) or key_in_headers(header_pairs(record.get("Headers"))),
        provider_id=record.get("MessageID"),
        recipient=address(record.get("Email")) or address(record.get("Recipient")),
        reason=(record.get("Description"), record.get("Details"), record.get("SuppressionReason")),
        url=record.get("OriginalLink"),
        user_agent=record.get("UserAgent"),
        topic=record.get("MessageStream") if means.kind in _STREAM_KINDS else None,
    )


def _special(kind: str, record: Mapping[str, Any]) -> str | None:
    if kind == "Bounce":
        code = record.get("TypeCode")
        return words(record.get("Type")) or (TYPE_CODES.get(code) if isinstance(code, int) else None)
    if kind == "SubscriptionChange":
        # Anything but a plain `false` is taken for a stop.
        return "reactivated" if record.get("SuppressSending") is False else words(record.get("SuppressionReason"))
    return None


def _reply(record: Mapping[str, Any], received: datetime | None) -> ProviderFact:
    headers = header_pairs(record.get("Headers"))
    return fact(
        "postmark",
        record,
        VOCABULARY.meaning("Inbound", "automatic" if is_automatic(headers) else None),
        # The date in a mail is its sender's word.
        when=received or mail_date(record.get("Date")),
        key=key_in_headers(headers, REPLY_HEADERS) or message_key(record.get("MailboxHash")),
        recipient=address(at(record, "FromFull", "Email")) or address(record.get("From")),
    )
