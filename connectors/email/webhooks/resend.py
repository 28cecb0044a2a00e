"""Resend's webhooks, signed by the rules of Standard Webhooks under the header names `svix-*` or `webhook-*`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.email.webhooks.base import Delivered, FactKind, Meaning, ProviderFact, Vocabulary
from connectors.email.webhooks.bodies import json_parts, lowered, translated
from connectors.email.webhooks.payloads import (
    REPLY_HEADERS,
    address,
    addresses,
    at,
    fact,
    fact_id,
    header_pairs,
    is_automatic,
    key_in_headers,
    message_key,
    moment,
    words,
)
from nurture.errors import BadSetting, RefusedRow
from nurture.webhook_signatures import is_genuine, secrets_of

_BOUNCED, _REJECTED = FactKind.BOUNCED, FactKind.REJECTED

WORDS = {
    "email.scheduled": Meaning(FactKind.QUEUED),
    "email.sent": Meaning(FactKind.SENT),
    "email.delivered": Meaning(FactKind.DELIVERED),
    "email.delivery_delayed": Meaning(FactKind.DEFERRED),
    "email.bounced": Meaning(_BOUNCED, hard=True),  # "permanently rejected", where no type is named
    "email.bounced / Permanent": Meaning(_BOUNCED, hard=True),
    "email.bounced / Transient": Meaning(_BOUNCED, hard=False),
    "email.bounced / Undetermined": Meaning(_BOUNCED, hard=False),
    "email.suppressed": Meaning(_REJECTED, hard=True),
    "email.suppressed / previous_bounce": Meaning(_REJECTED, hard=True),
    "email.suppressed / previous_complaint": Meaning(_REJECTED, hard=True),
    "email.failed": Meaning(FactKind.FAILED),
    "email.complained": Meaning(FactKind.COMPLAINED),
    "email.opened": Meaning(FactKind.OPENED),
    "email.clicked": Meaning(FactKind.CLICKED),
    "email.received": Meaning(FactKind.REPLIED),
    "email.received / automatic": Meaning(FactKind.AUTO_REPLIED),
    "contact.updated": Meaning(FactKind.UNKNOWN),  # being on a list there is no consent given to us
    "contact.updated / unsubscribed": Meaning(FactKind.UNSUBSCRIBED),
    "contact.created": Meaning(FactKind.UNKNOWN),
    "contact.deleted": Meaning(FactKind.UNKNOWN),
    "suppression.added": Meaning(FactKind.UNKNOWN),  # its bounce or complaint comes by itself
    "suppression.removed": Meaning(FactKind.UNKNOWN),
    "domain.created": Meaning(FactKind.UNKNOWN),
    "domain.updated": Meaning(FactKind.UNKNOWN),
    "domain.deleted": Meaning(FactKind.UNKNOWN),
}
VOCABULARY = Vocabulary(WORDS)


class ResendWebhooks:
    """Reads what Resend posts; the secrets are those that it shows for the webhook, `whsec_...`."""

    name = "resend"

    def __init__(self, secrets: Sequence[str]) -> None:
        for number, secret in enumerate(secrets, 1):
            if len(secrets_of(secret)) != 1 or secret.replace(",", " ").split() != [secret]:
                raise BadSetting(f"secret {number} of the webhooks of 'resend' is none; copy it whole, with `whsec_`")
        self._secrets = tuple(key for secret in secrets for key in secrets_of(secret))

    def is_genuine(self, headers: Mapping[str, str], body: bytes, now: datetime, path: str = "") -> bool:
        """Whether one of the secrets signed id, timestamp and body, within five minutes of now."""
        given = lowered(headers)
        return is_genuine(self._secrets, given, body, now, "svix" if "svix-id" in given else "webhook")

    def read(self, headers: Mapping[str, str], body: bytes, received: datetime | None = None) -> Delivered:
        """Translate one event; one fact for each recipient that it names."""
        given = lowered(headers)
        own_id = given.get("svix-id") or given.get("webhook-id")
        parts = json_parts(body)
        # The id is that of the request; a list would be something new.
        return translated(parts, lambda event: _facts(event, own_id if len(parts) == 1 else None, received))


def _facts(event: Mapping[str, Any], own_id: str | None, received: datetime | None) -> Iterator[ProviderFact]:
    kind = words(event.get("type"))
    if kind is None:
        raise RefusedRow("no-event", "the event does not say what it is: it has no `type`")
    data = event.get("data")
    headers = header_pairs(at(data, "headers"))
    inbound = kind == "email.received"
    request_id = own_id or fact_id("resend", event, None)
    for number, recipient in enumerate(_recipients(kind, data)):
        yield fact(
            "resend",
            event,
            VOCABULARY.meaning(kind, _special(kind, data, headers)),
            when=moment(at(data, "click", "timestamp"), event.get("created_at"), at(data, "created_at")) or received,
            own_id=f"{request_id}:{number}" if number else request_id,
            key=key_in_headers(headers, REPLY_HEADERS) if inbound else _key(data) or key_in_headers(headers),
            provider_id=None if inbound else at(data, "email_id"),
            recipient=recipient,
            reason=_reasons(data),
            url=at(data, "click", "link"),
            user_agent=at(data, "click", "userAgent"),
        )


def _recipients(kind: str, data: Any) -> list[str | None]:
    if kind.startswith(("contact.", "suppression.")):
        return [address(at(data, "email"))]
    return [address(at(data, "from"))] if kind == "email.received" else addresses(at(data, "to"))


def _special(kind: str, data: Any, headers: list[tuple[str, str]]) -> str | None:
    if kind == "email.received":
        return "automatic" if is_automatic(headers) else None
    if kind == "contact.updated":
        return "unsubscribed" if at(data, "unsubscribed") is True else None
    return words(at(data, "bounce", "type")) or words(at(data, "suppressed", "reason"))


def _key(data: Any) -> str | None:
    tags = at(data, "tags")
    if isinstance(tags, list):
        return message_key(*(each.get("value") for each in tags if at(each, "name") == "ripen"))
    return message_key(at(tags, "ripen"))


def _reasons(data: Any) -> list[Any]:
    found = []
    for name in ("bounce", "suppressed", "failed"):
        found += [at(data, name, "subType"), at(data, name, "reason"), at(data, name, "message")]
        codes = at(data, name, "diagnosticCode")
        found += codes if isinstance(codes, list) else [codes]
    return found
