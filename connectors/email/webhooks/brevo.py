"""Brevo's webhooks: they bear no signature, so the credentials that Brevo sends along are the proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.email.webhooks.base import (
    Delivered,
    FactKind,
    Meaning,
    ProviderFact,
    RefusedFact,
    Vocabulary,
    checked_secrets,
)
from connectors.email.webhooks.bodies import json_parts, lowered, parsed, translated
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
from nurture.errors import RefusedRow
from nurture.normalise import instant
from nurture.webhook_signatures import has_credentials

_BOUNCED, _REJECTED = FactKind.BOUNCED, FactKind.REJECTED

# `hardBounce` and `hard_bounce` are one word: Brevo writes both.
WORDS = {
    "request": Meaning(FactKind.QUEUED),
    "sent": Meaning(FactKind.SENT),
    "delivered": Meaning(FactKind.DELIVERED),
    "deferred": Meaning(FactKind.DEFERRED),
    "soft_bounce": Meaning(_BOUNCED, hard=False),
    "hard_bounce": Meaning(_BOUNCED, hard=True),
    "invalid_email": Meaning(_BOUNCED, hard=True),
    "invalid": Meaning(_BOUNCED, hard=True),
    "blocked": Meaning(_REJECTED, hard=True),
    "error": Meaning(FactKind.FAILED),
    "spam": Meaning(FactKind.COMPLAINED),
    "complaint": Meaning(FactKind.COMPLAINED),
    "unsubscribe": Meaning(FactKind.UNSUBSCRIBED),
    "unsubscribed": Meaning(FactKind.UNSUBSCRIBED),
    "opened": Meaning(FactKind.OPENED),
    "unique_opened": Meaning(FactKind.OPENED),
    "proxy_open": Meaning(FactKind.OPENED, machine=True),
    "unique_proxy_open": Meaning(FactKind.OPENED, machine=True),
    "loaded_by_proxy": Meaning(FactKind.OPENED, machine=True),
    "click": Meaning(FactKind.CLICKED),
    "reply": Meaning(FactKind.REPLIED),
    "inbound": Meaning(FactKind.REPLIED),
    "inbound / automatic": Meaning(FactKind.AUTO_REPLIED),
    "list_addition": Meaning(FactKind.UNKNOWN),  # being on a list there is no consent given to us
    "contact_updated": Meaning(FactKind.UNKNOWN),
    "contact_deleted": Meaning(FactKind.UNKNOWN),
}
VOCABULARY = Vocabulary(WORDS)
# In UTC; the others are in the account's own time.
_TIMES = ("ts_epoch", "ts_event", "s_epoch", "ts")
_DATE_ZONE = "Europe/Paris"


class BrevoWebhooks:
    """Reads what Brevo posts; the secrets are `user:password`, for Basic, or a token, for Bearer."""

    name = "brevo"

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = checked_secrets(self.name, secrets)

    def is_genuine(self, headers: Mapping[str, str], body: bytes, now: datetime, path: str = "") -> bool:
        """Whether the request bears one of the credentials."""
        return has_credentials(self._secrets, lowered(headers).get("authorization", ""))

    def read(self, headers: Mapping[str, str], body: bytes, received: datetime | None = None) -> Delivered:
        """Translate one event or a batch of them, or a batch of inbound mails."""
        parts: list[Mapping[str, Any] | RefusedFact] = []
        for part in json_parts(body):
            items = part.get("items") if isinstance(part, Mapping) and "event" not in part else None
            if isinstance(items, list):
                parts += [
                    each if isinstance(each, dict) else RefusedFact("not-an-object", "no mail", {"item": each})
                    for each in items
                ]
            else:
                parts.append(part)
        return translated(parts, lambda event: iter([_fact(event, received)]))


def _fact(event: Mapping[str, Any], received: datetime | None) -> ProviderFact:
    kind = words(event.get("event"))
    if kind is None:
        if "From" in event and "MessageId" in event:
            return _reply(event, received)
        raise RefusedRow("no-event", "the event does not say what it is: it has no `event`")
    means = VOCABULARY.meaning(kind)
    custom = event.get("X-Mailin-custom")
    values = parsed(custom) if isinstance(custom, str) else custom
    return fact(
        "brevo",
        event,
        means,
        when=moment(*(event.get(name) for name in _TIMES)) or _local_date(event) or received,
        key=message_key(at(values, "ripen"), event.get("message-id"))
        or key_in_headers(header_pairs(event.get("headers"))),
        provider_id=event.get("message-id"),
        recipient=address(event.get("email")),
        reason=(event.get("reason"),),
        url=event.get("link") or event.get("URL"),
        user_agent=event.get("user_agent"),
        topic=_list_of(event) if means.kind is FactKind.UNSUBSCRIBED else None,
    )


def _local_date(event: Mapping[str, Any]) -> datetime | None:
    for value in (event.get("date"), event.get("date_event")):
        if isinstance(value, str):
            try:
                return instant(value, _DATE_ZONE)
            except RefusedRow:
                continue
    return None


def _list_of(event: Mapping[str, Any]) -> str | None:
    found = event.get("list_id")
    if isinstance(found, list):
        found = found[0] if len(found) == 1 else None
    return words(found)


def _reply(mail: Mapping[str, Any], received: datetime | None) -> ProviderFact:
    headers = header_pairs(mail.get("Headers"))
    return fact(
        "brevo",
        mail,
        VOCABULARY.meaning("inbound", "automatic" if is_automatic(headers) else None),
        when=received or mail_date(mail.get("SentAtDate")),
        key=message_key(mail.get("InReplyTo")) or key_in_headers(headers, REPLY_HEADERS),
        recipient=address(at(mail, "From", "Address")),
    )
