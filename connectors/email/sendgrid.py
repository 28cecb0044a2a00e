"""Mail through SendGrid, one message a call: a call with several says yes or no to all of them at once.

Source: twilio.com/docs/sendgrid/api-reference/mail-send, email-activity; github.com/sendgrid/sendgrid-oai.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from connectors.email.api_session import FindingApiSession, Kind, Said, by_status
from connectors.email.base import Abilities, OutgoingMail
from connectors.email.http_api import Answer, Call, HttpLine, check_secret, check_settings, objects, text
from connectors.email.mail_parts import check_size, check_tags, parts_of
from nurture.errors import RenderRefused

_MAIL_BYTES = 30 * 1024 * 1024
_RESERVED = frozenset({"x-sg-id", "x-sg-eid", "received", "dkim-signature", "cc", "bcc"})
_OFF = {"enable": False}


@dataclass(frozen=True, slots=True)
class SendGrid:
    """Mail through one SendGrid account; `api_url` is https://api.eu.sendgrid.com for EU subusers."""

    api_key: str = field(repr=False)
    connections: int = 4
    timeout_s: float = 30.0  # for a whole call
    test_mode: bool = False
    api_url: str = "https://api.sendgrid.com"
    pause: Callable[[float], None] = field(default=time.sleep, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_secret(self.name, "api_key", self.api_key)
        check_settings(self.name, api_url=self.api_url, timeout_s=self.timeout_s, connections=self.connections)

    @property
    def name(self) -> str:
        return "sendgrid"

    @property
    def abilities(self) -> Abilities:
        return Abilities(connections=self.connections, takes_raw=False)

    @property
    def remedy(self) -> str:
        return "check `api_key`, its permission Mail Send, the credits, and that the sender is verified"

    def open(self) -> FindingApiSession:
        """Give a session that connects when the first message is staged."""
        return FindingApiSession(self, HttpLine(self.name, self.api_url, self.timeout_s, (self.api_key,)), self.pause)

    def prepare(self, mail: OutgoingMail) -> dict[str, Any]:
        """The message as SendGrid's JSON; raises SkipThis."""
        parts = parts_of(mail)
        check_size("message", len(mail.raw), _MAIL_BYTES, "SendGrid")
        check_tags(mail.tags, most=10, longest=255, provider="SendGrid")
        if taken := [name for name in parts.headers if name.lower() in _RESERVED]:
            raise RenderRefused(f"SendGrid keeps the header {taken[0]} for itself; take it out of the e-mail")
        if not (parts.subject and parts.text and parts.html):
            raise RenderRefused("SendGrid takes no message without a subject, a text and an HTML part")
        return {
            "personalizations": [
                {"to": [_mailbox(parts.to_name, parts.to_address)], "custom_args": {"ripen": mail.message_key}}
            ],
            "from": _mailbox(parts.from_name, parts.from_address),
            **({"reply_to": {"email": parts.reply_to}} if parts.reply_to else {}),
            "subject": parts.subject,
            "content": [
                {"type": "text/plain", "value": parts.text},
                {"type": "text/html", "value": parts.html},
            ],
            "headers": parts.headers,
            **({"categories": list(dict.fromkeys(mail.tags))} if mail.tags else {}),
            "tracking_settings": {
                "click_tracking": {"enable": False, "enable_text": False},
                "open_tracking": _OFF,
                "subscription_tracking": _OFF,
                "ganalytics": _OFF,
            },
            **({"mail_settings": {"sandbox_mode": {"enable": True}}} if self.test_mode else {}),
        }

    def call(self, mails: Sequence[OutgoingMail], prepared: Sequence[Any]) -> Call:
        """One message."""
        return Call("/v3/mail/send", self._headers(), orjson.dumps(prepared[0]))

    def read(self, answer: Answer, mails: Sequence[OutgoingMail]) -> Said:
        """202 with a message id is the yes, and has no body; the sandbox says 200."""
        provider_id = answer.headers.get("x-message-id")
        if answer.status == 202 and provider_id:
            return Said(Kind.ACCEPTED, "202", provider_id)
        if answer.status == 200 and self.test_mode and answer.body == b"":
            return Said(Kind.ACCEPTED, "200 from the sandbox")
        errors = objects(answer.object().get("errors"))
        messages = [str(each.get("message", "")) for each in errors]
        if answer.status == 400 and any(str(each.get("field", "")).startswith("from") for each in errors):
            return Said(Kind.DOWN, f"400 {'; '.join(messages)}")
        return by_status(answer, "; ".join(messages) or None)

    def question(self, message_key: str) -> Call:
        """The search of the e-mail activity by our key; it needs that add-on and its permission."""
        query = {"query": f"(unique_args['ripen']=\"{message_key}\")", "limit": "1"}
        return Call("/v3/messages", self._headers(), method="GET", query=query)

    def found(self, answer: Answer, message_key: str) -> Said | None:
        """The message of the search; also one that was not delivered had been accepted."""
        messages = objects(answer.object().get("messages"))
        if len(messages) == 1 and (provider_id := text(messages[0].get("msg_id"))):
            return Said(Kind.ACCEPTED, f"found: {messages[0].get('status', '')}", provider_id)
        return None

    def _headers(self) -> dict[str, str]:
        key = f"Bearer {self.api_key}"
        return {"Accept": "application/json", "Content-Type": "application/json", "Authorization": key}


def _mailbox(name: str, address: str) -> dict[str, str]:
    return {"email": address, "name": name} if name else {"email": address}
