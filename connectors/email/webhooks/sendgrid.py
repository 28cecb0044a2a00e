"""SendGrid's event webhooks and parsed inbound mail, signed by ECDSA over timestamp and body."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from connectors.email.webhooks.base import Delivered, FactKind, Meaning, ProviderFact, Vocabulary
from connectors.email.webhooks.bodies import form_of, is_form, json_parts, lowered, refusal, translated
from connectors.email.webhooks.payloads import (
    REPLY_HEADERS,
    address,
    fact,
    header_pairs,
    is_automatic,
    key_in_headers,
    message_key,
    moment,
    words,
)
from nurture.errors import BadSetting, RefusedRow
from nurture.webhook_signatures import is_fresh

SIGNATURE, TIMESTAMP = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"
_BOUNCED, _REJECTED = FactKind.BOUNCED, FactKind.REJECTED

WORDS = {
    "processed": Meaning(FactKind.QUEUED),
    "deferred": Meaning(FactKind.DEFERRED),
    "delivered": Meaning(FactKind.DELIVERED),
    "bounce": Meaning(_BOUNCED, hard=True),
    "bounce / bounce": Meaning(_BOUNCED, hard=True),
    "bounce / blocked": Meaning(_BOUNCED, hard=False),
    "bounce / expired": Meaning(_BOUNCED, hard=False),
    "blocked": Meaning(_BOUNCED, hard=False),
    "dropped": Meaning(_REJECTED, hard=False),
    "dropped / Bounced Address": Meaning(_REJECTED, hard=True),
    "dropped / Spam Reporting Address": Meaning(_REJECTED, hard=True),
    "dropped / Unsubscribed Address": Meaning(_REJECTED, hard=True),
    "dropped / Invalid": Meaning(_REJECTED, hard=True),
    "dropped / Invalid SMTPAPI header": Meaning(_REJECTED, hard=False),
    "dropped / Spam Content": Meaning(_REJECTED, hard=False),
    "dropped / Recipient List over Package Quota": Meaning(_REJECTED, hard=False),
    "open": Meaning(FactKind.OPENED),
    "open / machine": Meaning(FactKind.OPENED, machine=True),
    "click": Meaning(FactKind.CLICKED),
    "spamreport": Meaning(FactKind.COMPLAINED),
    "unsubscribe": Meaning(FactKind.UNSUBSCRIBED),
    "resubscribe": Meaning(FactKind.SUBSCRIBED),
    "group_unsubscribe": Meaning(FactKind.UNSUBSCRIBED),
    "group_resubscribe": Meaning(FactKind.SUBSCRIBED),
    "account_status_change": Meaning(FactKind.UNKNOWN),
    "inbound": Meaning(FactKind.REPLIED),
    "inbound / automatic": Meaning(FactKind.AUTO_REPLIED),
}
VOCABULARY = Vocabulary(WORDS)

# The send API's id is the part of `sg_message_id` before the machine that filtered the message.
_SENT_ID = re.compile(r"(.+?)\.[a-z]*(?:filter|recvd)")


class SendGridWebhooks:
    """Reads what SendGrid posts; the secrets are the verification keys that its settings show."""

    name = "sendgrid"

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = tuple(_public_key(number, secret) for number, secret in enumerate(secrets, 1))

    def is_genuine(self, headers: Mapping[str, str], body: bytes, now: datetime, path: str = "") -> bool:
        """Whether one of the keys signed timestamp and body, within five minutes of now."""
        given = lowered(headers)
        timestamp = given.get(TIMESTAMP, "")
        if not is_fresh(timestamp, now):
            return False
        try:
            signature = base64.b64decode(given.get(SIGNATURE, ""), validate=True)
        except (binascii.Error, ValueError):
            return False
        return any(_signed(key, signature, timestamp.encode() + body) for key in self._keys)

    def read(self, headers: Mapping[str, str], body: bytes, received: datetime | None = None) -> Delivered:
        """Translate a list of events, or one parsed mail as a form."""
        if not is_form(headers, body):
            return translated(json_parts(body), lambda event: _facts(event, received))
        try:
            form = form_of(headers, body)
        except RefusedRow as error:
            return Delivered(refused=(refusal(error, body),))
        return translated([form], lambda mail: iter([_reply(mail, received)]))


def _public_key(number: int, secret: str) -> ec.EllipticCurvePublicKey:
    try:
        key = load_der_public_key(base64.b64decode(secret, validate=True))
    except (binascii.Error, ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadSetting(
            f"secret {number} of the webhooks of 'sendgrid' is not a verification key; copy the one from its settings"
        )
    return key


def _signed(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _facts(event: Mapping[str, Any], received: datetime | None) -> Iterator[ProviderFact]:
    word = words(event.get("event"))
    if word is None:
        raise RefusedRow("no-event", "the event does not say what it is: it has no `event`")
    kind = word.lower()
    means = VOCABULARY.meaning(kind, _special(kind, event))
    yield fact(
        "sendgrid",
        event,
        means,
        when=moment(event.get("timestamp")) or received,
        own_id=words(event.get("sg_event_id")),
        key=message_key(event.get("ripen"), event.get("smtp-id")),
        provider_id=_provider_id(event),
        recipient=address(event.get("email")),
        reason=(event.get("reason"), event.get("response"), event.get("status")),
        url=event.get("url"),
        user_agent=event.get("useragent"),
        topic=event.get("asm_group_id") if kind.startswith("group_") else None,
    )


def _special(kind: str, event: Mapping[str, Any]) -> str | None:
    if kind == "open":
        return "machine" if event.get("sg_machine_open") in (True, "true") else None
    if kind == "dropped":
        # One reason is followed by a remark in brackets.
        return (words(event.get("reason")) or "").partition(" (")[0]
    return words(event.get("type")) if kind == "bounce" else None


def _provider_id(event: Mapping[str, Any]) -> str | None:
    whole = words(event.get("sg_message_id")) or ""
    if found := _SENT_ID.match(whole):
        return found[1]
    if whole and not whole.startswith("filter"):
        return whole.partition(".")[0]
    # Some dropped messages have none; SendGrid's own Message-ID begins with it.
    local, _, domain = (words(event.get("smtp-id")) or "").strip("<>").partition("@")
    return local if local and domain.startswith("ismtpd") else None


def _reply(mail: Mapping[str, Any], received: datetime | None) -> ProviderFact:
    if "headers" not in mail and "from" not in mail:
        raise RefusedRow("no-event", "the form is no parsed mail: it has neither `headers` nor `from`")
    # Long headers go on in lines that begin with a blank.
    lines = re.sub(r"\r?\n[ \t]+", " ", "".join(mail.get("headers", [])[:1])).splitlines()
    headers = header_pairs([tuple(line.split(":", 1)) for line in lines if ":" in line])
    return fact(
        "sendgrid",
        mail,
        VOCABULARY.meaning("inbound", "automatic" if is_automatic(headers) else None),
        when=received,
        key=key_in_headers(headers, REPLY_HEADERS),
        recipient=address(next(iter(mail.get("from", [])), None)),
    )
