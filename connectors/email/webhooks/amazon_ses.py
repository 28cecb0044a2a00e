"""Amazon SES through SNS: signed messages, each an event about one or more recipients."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
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
from connectors.email.webhooks.bodies import json_parts, parsed, translated
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
from connectors.email.webhooks.sns import Certificates, Fetch, fetch_certificate, is_confirm_url
from nurture.errors import BadSetting, RefusedRow
from nurture.keys import record_digest
from nurture.webhook_signatures import has_path_secret

_BOUNCED, _REJECTED = FactKind.BOUNCED, FactKind.REJECTED
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]{1,256}", re.ASCII)

# Amazon SES developer guide, "Contents of notifications" and "Contents of event data".
WORDS = {
    "Send": Meaning(FactKind.SENT),
    "Delivery": Meaning(FactKind.DELIVERED),
    "DeliveryDelay": Meaning(FactKind.DEFERRED),
    "Bounce": Meaning(_BOUNCED, hard=False),
    "Bounce / Permanent": Meaning(_BOUNCED, hard=True),
    "Bounce / Permanent / General": Meaning(_BOUNCED, hard=True),
    "Bounce / Permanent / NoEmail": Meaning(_BOUNCED, hard=True),
    "Bounce / Permanent / Suppressed": Meaning(_BOUNCED, hard=True),
    "Bounce / Permanent / OnAccountSuppressionList": Meaning(_BOUNCED, hard=True),
    "Bounce / Permanent / UnsubscribedRecipient": Meaning(_REJECTED, hard=True),
    "Bounce / Transient": Meaning(_BOUNCED, hard=False),
    "Bounce / Transient / General": Meaning(_BOUNCED, hard=False),
    "Bounce / Transient / MailboxFull": Meaning(_BOUNCED, hard=False),
    "Bounce / Transient / MessageTooLarge": Meaning(_BOUNCED, hard=False),
    "Bounce / Transient / ContentRejected": Meaning(_BOUNCED, hard=False),
    "Bounce / Transient / AttachmentRejected": Meaning(_BOUNCED, hard=False),
    "Bounce / Transient / CustomTimeoutExceeded": Meaning(_BOUNCED, hard=False),
    "Bounce / Undetermined": Meaning(_BOUNCED, hard=False),
    "Complaint": Meaning(FactKind.COMPLAINED),
    "Complaint / not-spam": Meaning(FactKind.UNKNOWN),  # the opposite of a complaint
    "Reject": Meaning(_REJECTED, hard=False),
    "Rendering Failure": Meaning(FactKind.FAILED),
    "Open": Meaning(FactKind.OPENED),
    "Click": Meaning(FactKind.CLICKED),
    "Subscription": Meaning(FactKind.UNKNOWN),
    "Subscription / OptOut": Meaning(FactKind.UNSUBSCRIBED),
    "Subscription / OptIn": Meaning(FactKind.SUBSCRIBED),
    "Received": Meaning(FactKind.REPLIED),
    "Received / automatic": Meaning(FactKind.AUTO_REPLIED),
}
VOCABULARY = Vocabulary(WORDS)

# Under which name an event keeps what is special about it, and where its recipients stand there.
_PARTS = {
    "bounce": ("bounce", "bouncedRecipients"),
    "complaint": ("complaint", "complainedRecipients"),
    "delivery": ("delivery", "recipients"),
    "deliverydelay": ("deliveryDelay", "delayedRecipients"),
    "rendering failure": ("failure", ""),
}


class AmazonSesWebhooks:
    """Reads what SNS posts for SES.

    Secrets that begin with `arn:` are the topics that may post; any other must be the last part of the path, too.
    `topics` adds to the former. `max_age_s` is in seconds. Without a topic nothing is genuine: every customer of
    Amazon can have SNS sign messages.
    """

    name = "amazon_ses"

    def __init__(
        self,
        secrets: Sequence[str],
        topics: Sequence[str] = (),
        fetch: Fetch = fetch_certificate,
        max_age_s: float = 300,
    ) -> None:
        arns = [*topics, *(each for each in secrets if each.startswith("arn:"))]
        for number, arn in enumerate(arns, 1):
            if not _TOPIC.fullmatch(arn):
                raise BadSetting(
                    f"topic {number} of the webhooks of 'amazon_ses' is not the ARN of an SNS topic; "
                    "write it like `arn:aws:sns:eu-west-1:123456789012:mail`"
                )
        self._topics = frozenset(arns)
        self._secrets = checked_secrets(self.name, [each for each in secrets if not each.startswith("arn:")])
        self._certificates = Certificates(fetch)
        self._skew = timedelta(seconds=max_age_s)

    def is_genuine(self, headers: Mapping[str, str], body: bytes, now: datetime, path: str = "") -> bool:
        """Whether SNS signed this lately, for one of the topics, and posted it to the secret path if there is one."""
        message = parsed(body)
        topic = at(message, "TopicArn")
        if not isinstance(topic, str) or topic not in self._topics:
            return False
        if self._secrets and not has_path_secret(self._secrets, path):
            return False
        sent = moment(words(message.get("Timestamp")))
        # The cheap questions come first: only the last one may fetch something.
        return sent is not None and abs(now - sent) <= self._skew and self._certificates.signed(message, now)

    def read(self, headers: Mapping[str, str], body: bytes, received: datetime | None = None) -> Delivered:
        """Translate one message of SNS, or the event alone as `raw message delivery` posts it."""
        parts = json_parts(body)
        if len(parts) == 1 and isinstance(parts[0], Mapping) and str(parts[0].get("Type")).endswith("Confirmation"):
            return _confirmation(parts[0])
        return translated(parts, lambda part: _facts(part, received))


def _confirmation(message: Mapping[str, Any]) -> Delivered:
    url = message.get("SubscribeURL")
    if message.get("Type") != "SubscriptionConfirmation":
        text = "the topic no longer posts here; if that was a mistake, subscribe it again in the console of Amazon SNS"
        return Delivered(refused=(RefusedFact("unsubscribed-topic", text, message),))
    if not isinstance(url, str) or not is_confirm_url(url):
        text = "the address that would confirm the subscription is not one of Amazon SNS"
        return Delivered(refused=(RefusedFact("bad-confirm-url", text, message),))
    return Delivered(confirm_url=url)


# --- Events -----------------------------------------------------------------------------------------------------------


def _facts(part: Mapping[str, Any], received: datetime | None) -> Iterator[ProviderFact]:
    event = part
    if "Message" in part:
        event = parsed(part["Message"]) if isinstance(part["Message"], str) else part["Message"]
        if not isinstance(event, dict):
            raise RefusedRow("no-event", "the message of SNS holds no event; SES sends such ones to try a topic")
    kind = words(event.get("eventType")) or words(event.get("notificationType"))
    if kind is None:
        raise RefusedRow("no-event", "the event does not say what it is: no eventType and no notificationType")
    if kind.casefold() == "subscription":
        yield from _subscription(part, event, received)
        return
    inbound = kind.casefold() == "received"
    name, listed = _PARTS.get(kind.casefold(), (kind.casefold(), ""))
    special, mail = event.get(name), event.get("mail")
    headers = header_pairs(at(mail, "headers"))
    for recipient, about in _recipients(event, special, listed, inbound):
        yield fact(
            "amazon_ses",
            part,
            VOCABULARY.meaning(kind, *_special(name, special, headers)),
            when=_when(part, special, mail) or received,
            own_id=_own_id(part, special, kind, recipient),
            key=key_in_headers(headers, REPLY_HEADERS) if inbound else _key(mail, headers),
            provider_id=None if inbound else at(mail, "messageId"),
            recipient=recipient,
            reason=_reasons(special, about),
            url=at(special, "link"),
            user_agent=at(special, "userAgent") if name in ("open", "click") else None,
        )


def _special(name: str, special: Any, headers: list[tuple[str, str]]) -> tuple[str | None, ...]:
    if name == "bounce":
        return words(at(special, "bounceType")), words(at(special, "bounceSubType"))
    if name == "complaint":
        return (words(at(special, "complaintFeedbackType")),)
    return ("automatic",) if name == "received" and is_automatic(headers) else ()


def _recipients(
    event: Mapping[str, Any], special: Any, listed: str, inbound: bool
) -> list[tuple[str | None, Mapping[str, Any]]]:
    """Whom the event is about, each with what is said of this one."""
    if inbound:
        return [(address(at(event, "mail", "source")), {})]
    own = at(special, listed) if listed else None
    if isinstance(own, list) and own:
        return [
            (addresses(each, "emailAddress")[0], each) if isinstance(each, dict) else (address(each), {})
            for each in own
        ]
    return [(each, {}) for each in addresses(at(event, "mail", "destination"))]


def _when(part: Mapping[str, Any], special: Any, mail: Any) -> datetime | None:
    sent = part.get("Timestamp") if "Message" in part else None
    return moment(*(words(each) for each in (at(special, "timestamp"), sent, at(mail, "timestamp"))))


def _own_id(part: Mapping[str, Any], special: Any, kind: str, *about: str | None) -> str:
    """One message is about several recipients; two topics may bring the same one."""
    number = words(at(special, "feedbackId")) or (words(part.get("MessageId")) if "Message" in part else None)
    if number is None:
        number = fact_id("amazon_ses", part, None)
    return "ses:" + record_digest(number, kind.casefold(), *(each or "" for each in about))[:40]


def _key(mail: Any, headers: list[tuple[str, str]]) -> str | None:
    tags = at(mail, "tags", "ripen")
    named = message_key(*tags) if isinstance(tags, list) else message_key(tags)
    return named or key_in_headers(headers) or message_key(at(mail, "commonHeaders", "messageId"))


def _reasons(special: Any, about: Mapping[str, Any]) -> list[Any]:
    names = ("bounceType", "bounceSubType", "delayType", "complaintFeedbackType", "complaintSubType", "reason")
    said = [at(special, name) for name in (*names, "errorMessage", "smtpResponse")]
    return [*said, about.get("status"), about.get("diagnosticCode")]


def _subscription(
    part: Mapping[str, Any], event: Mapping[str, Any], received: datetime | None
) -> Iterator[ProviderFact]:
    special, mail = event.get("subscription"), event.get("mail")
    headers = header_pairs(at(mail, "headers"))
    for recipient in addresses(at(mail, "destination")):
        for choice, topic in _choices(special):
            yield fact(
                "amazon_ses",
                part,
                VOCABULARY.meaning("Subscription", choice),
                when=_when(part, special, mail) or received,
                own_id=_own_id(part, special, "subscription", recipient, choice, topic),
                key=_key(mail, headers),
                provider_id=at(mail, "messageId"),
                recipient=recipient,
                reason=(at(special, "source"),),
                topic=topic,
            )


def _choices(special: Any) -> list[tuple[str | None, str | None]]:
    """What changed: everything, or topic by topic; one of nothing when nothing can be seen."""
    new, old = at(special, "newTopicPreferences"), at(special, "oldTopicPreferences")
    if at(new, "unsubscribeAll") is True:
        return [("OptOut", None)]
    before, after = _statuses(old), _statuses(new)
    changed: list[tuple[str | None, str | None]] = [
        (status, topic) for topic, status in after.items() if before.get(topic) != status
    ]
    if at(old, "unsubscribeAll") is True:
        changed.insert(0, ("OptIn", None))
    return changed or [(None, None)]


def _statuses(preferences: Any) -> dict[str, str | None]:
    listed = at(preferences, "topicSubscriptionStatus")
    each = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return {topic: words(one.get("subscriptionStatus")) for one in each if (topic := words(one.get("topicName")))}
