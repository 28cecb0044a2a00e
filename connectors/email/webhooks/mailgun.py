"""Mailgun's webhooks, as JSON and in the older form, and mail that its routes forward.

Mailgun signs a timestamp and a random token, not the body: whoever has seen one signature could put it on another body
while it is fresh. So a token stands for the facts that it came with first, and never for others.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
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
from connectors.email.webhooks.bodies import form_of, is_form, json_parts, parsed, refusal, translated
from connectors.email.webhooks.payloads import (
    REPLY_HEADERS,
    address,
    at,
    fact,
    header_pairs,
    is_automatic,
    key_in_headers,
    message_key,
    moment,
    words,
)
from nurture.errors import RefusedRow
from nurture.keys import record_digest
from nurture.webhook_signatures import has_hex_signature, is_fresh

_BOUNCED, _REJECTED = FactKind.BOUNCED, FactKind.REJECTED
MAX_TOKENS = 100_000

WORDS = {
    "accepted": Meaning(FactKind.QUEUED),
    "delivered": Meaning(FactKind.DELIVERED),
    "rejected": Meaning(_REJECTED, hard=False),
    "failed": Meaning(_BOUNCED, hard=False),
    "failed / temporary": Meaning(FactKind.DEFERRED),
    "failed / permanent": Meaning(_BOUNCED, hard=False),
    "failed / permanent / bounce": Meaning(_BOUNCED, hard=True),
    "failed / permanent / hardfail": Meaning(_BOUNCED, hard=True),
    "failed / permanent / generic": Meaning(_BOUNCED, hard=False),
    "failed / permanent / generic / no such mailbox": Meaning(_BOUNCED, hard=True),
    "failed / permanent / old": Meaning(_BOUNCED, hard=False),
    "failed / permanent / espblock": Meaning(_BOUNCED, hard=False),
    "failed / permanent / greylisted": Meaning(_BOUNCED, hard=False),
    "failed / permanent / suppress-bounce": Meaning(_REJECTED, hard=True),
    "failed / permanent / suppress-complaint": Meaning(_REJECTED, hard=True),
    "failed / permanent / suppress-unsubscribe": Meaning(_REJECTED, hard=True),
    "opened": Meaning(FactKind.OPENED),
    "opened / bot": Meaning(FactKind.OPENED, machine=True),
    "clicked": Meaning(FactKind.CLICKED),
    "clicked / bot": Meaning(FactKind.CLICKED, machine=True),
    "unsubscribed": Meaning(FactKind.UNSUBSCRIBED),
    "complained": Meaning(FactKind.COMPLAINED),
    "stored": Meaning(FactKind.REPLIED),
    "inbound": Meaning(FactKind.REPLIED),
    "inbound / automatic": Meaning(FactKind.AUTO_REPLIED),
    # Of the older form alone.
    "bounced": Meaning(_BOUNCED, hard=True),
    "dropped": Meaning(_REJECTED, hard=False),
    "dropped / 605": Meaning(_REJECTED, hard=True),  # bounced before
    "dropped / 606": Meaning(_REJECTED, hard=True),  # unsubscribed before
    "dropped / 607": Meaning(_REJECTED, hard=True),  # complained before
}
VOCABULARY = Vocabulary(WORDS)
# SMTP replies that speak of the mailbox, where no enhanced status code (RFC 3463) does.
_NO_MAILBOX = ("550", "551", "553")


class MailgunWebhooks:
    """Reads what Mailgun posts; the secrets are its webhook signing keys. `max_age_s` is in seconds."""

    name = "mailgun"

    def __init__(self, secrets: Sequence[str], max_age_s: float = 300) -> None:
        self._keys = tuple(secret.encode() for secret in checked_secrets(self.name, secrets))
        self._skew = timedelta(seconds=max_age_s)
        self._tokens = _Tokens()

    def is_genuine(self, headers: Mapping[str, str], body: bytes, now: datetime, path: str = "") -> bool:
        """Whether one of the keys signed the token in the body, lately, and for these facts."""
        signed = _signature(headers, body)
        if signed is None:
            return False
        timestamp, token, given = signed
        if not is_fresh(timestamp, now, self._skew) or not has_hex_signature(self._keys, timestamp + token, given):
            return False
        found = self.read(headers, body, now)
        about = record_digest(*(each.fact_id for each in found.facts), *(str(each.raw) for each in found.refused))
        return self._tokens.stand_for(token, about, now, self._skew)

    def read(self, headers: Mapping[str, str], body: bytes, received: datetime | None = None) -> Delivered:
        """Translate one event, one event of the older form, or one forwarded mail."""
        if is_form(headers, body):
            try:
                fields = form_of(headers, body)
            except RefusedRow as error:
                return Delivered(refused=(refusal(error, body),))
            return translated([fields], lambda form: iter([_from_form(form, received)]))
        return translated(_events(body), lambda event: iter([_from_event(event, received)]))


class _Tokens:
    """What each fresh token came with first; only tokens that Mailgun signed get here."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[datetime, str]] = {}
        self._lock = threading.Lock()

    def stand_for(self, token: str, about: str, now: datetime, skew: timedelta) -> bool:
        """Whether the token is new, or came with the same before."""
        with self._lock:
            while self._seen:
                oldest = next(iter(self._seen))
                # A timestamp may lie in the future by as much as in the past.
                if now - self._seen[oldest][0] <= 2 * skew and len(self._seen) < MAX_TOKENS:
                    break
                del self._seen[oldest]
            return self._seen.setdefault(token, (now, about))[1] == about


def _signature(headers: Mapping[str, str], body: bytes) -> tuple[str, str, str] | None:
    names = ("timestamp", "token", "signature")
    if is_form(headers, body):
        try:
            fields = form_of(headers, body)
        except RefusedRow:
            return None
        # A message's own variables are mixed in before them.
        values = [fields.get(name, [""])[-1] for name in names]
    else:
        block = at(parsed(body), "signature")
        values = [words(at(block, name)) or "" for name in names]
    return (values[0], values[1], values[2]) if all(values) else None


def _events(body: bytes) -> list[Mapping[str, Any] | RefusedFact]:
    """The events of a webhook, and of a page of its events API, which has the same ones."""
    parts: list[Mapping[str, Any] | RefusedFact] = []
    for part in json_parts(body):
        items = part.get("items") if isinstance(part, Mapping) else None
        if not isinstance(items, list):
            parts.append(part)
            continue
        for item in items:
            parts.append(item if isinstance(item, dict) else RefusedFact("not-an-object", "no event", {"item": item}))
    return parts


# --- Events -----------------------------------------------------------------------------------------------------------


def _from_event(part: Mapping[str, Any], received: datetime | None) -> ProviderFact:
    event = part.get("event-data", part)
    kind = words(at(event, "event"))
    if kind is None:
        raise RefusedRow("no-event", "the event does not say what it is: it has no `event`")
    status = at(event, "delivery-status")
    headers = header_pairs(at(event, "message", "headers"))
    inbound = kind == "stored"
    when = moment(at(event, "timestamp"))
    return fact(
        "mailgun",
        part,
        VOCABULARY.meaning(kind, *_special(kind, event)),
        when=when or moment(at(part, "signature", "timestamp")) or received,
        own_id=_own_id(words(at(event, "id")), when),
        key=key_in_headers(headers, REPLY_HEADERS)
        if inbound
        else message_key(at(event, "user-variables", "ripen")) or key_in_headers(headers),
        provider_id=None if inbound else _bracketed(dict(headers).get("message-id")),
        recipient=_recipient(event, dict(headers), inbound),
        reason=(
            at(event, "reason"),
            at(event, "reject", "reason"),
            at(event, "reject", "description"),
            at(status, "code"),
            at(status, "description"),
            at(status, "message"),
        ),
        url=at(event, "url"),
        user_agent=at(event, "client-info", "user-agent"),
        topic=(at(event, "mailing-list", "list-id") or at(event, "mailing-list", "address"))
        if kind == "unsubscribed"
        else None,
    )


def _special(kind: str, event: Any) -> tuple[str | None, ...]:
    if kind == "failed":
        status = at(event, "delivery-status")
        enhanced = words(at(status, "enhanced-code")) or words(at(status, "bounce-code"))
        gone = enhanced.startswith("5.1.") if enhanced else words(at(status, "code")) in _NO_MAILBOX
        reason = words(at(event, "reason"))
        return words(at(event, "severity")), reason, "no such mailbox" if gone else None
    return ("bot",) if words(at(event, "client-info", "bot")) else ()


def _own_id(number: str | None, when: datetime | None) -> str | None:
    # It is unique within a day alone.
    return f"{when:%Y-%m-%d}:{number}" if number and when else None


def _recipient(event: Any, headers: Mapping[str, str], inbound: bool) -> str | None:
    if inbound:
        return address(headers.get("from"))
    found = address(at(event, "recipient")) or address(at(event, "member", "address"))
    return found or address(headers.get("to"))


def _bracketed(message_id: str | None) -> str | None:
    # The send API returns it in brackets, the events bear it without.
    return f"<{message_id.strip().strip('<>')}>" if message_id and message_id.strip("<> ") else None


# --- The older form, and forwarded mail -------------------------------------------------------------------------------


def _from_form(form: Mapping[str, Any], received: datetime | None) -> ProviderFact:
    """Fields of the event come first; those of the signature come last."""
    kind = _first(form, "event")
    if kind is None and not any(name in form for name in ("body-plain", "body-mime", "stripped-text", "sender")):
        raise RefusedRow("no-event", "the form does not say what happened: it has no `event`")
    headers = header_pairs(parsed(_first(form, "message-headers") or ""))
    own = message_key(_first(form, "ripen"), at(parsed(_header(headers, "x-mailgun-variables") or ""), "ripen"))
    message_id = _first(form, "Message-Id", "message-id") or _header(headers, "message-id")
    inbound = kind is None
    word = kind or "inbound"
    special = ("automatic" if is_automatic(headers) else None) if inbound else _first(form, "code")
    return fact(
        "mailgun",
        form,
        VOCABULARY.meaning(word, special),
        when=moment(form.get("timestamp", [None])[-1]) or received,
        own_id=form.get("token", [None])[-1],
        key=_reply_key(form, headers) if inbound else own or message_key(message_id) or key_in_headers(headers),
        provider_id=None if inbound else _bracketed(message_id),
        recipient=address(_first(form, "from", "From", "sender") if inbound else _first(form, "recipient")),
        reason=() if inbound else (_first(form, name) for name in ("reason", "code", "description", "error")),
        url=_first(form, "url"),
        user_agent=_first(form, "user-agent"),
        topic=_first(form, "mailing-list") if word == "unsubscribed" else None,
    )


def _reply_key(form: Mapping[str, Any], headers: list[tuple[str, str]]) -> str | None:
    fields = [(name.lower(), value) for name in ("In-Reply-To", "References") if (value := _first(form, name))]
    return key_in_headers([*headers, *fields], REPLY_HEADERS)


def _first(form: Mapping[str, Any], *names: str) -> str | None:
    return next((form[name][0] for name in names if form.get(name)), None)


def _header(pairs: list[tuple[str, str]], wanted: str) -> str | None:
    return next((value for name, value in pairs if name == wanted), None)
