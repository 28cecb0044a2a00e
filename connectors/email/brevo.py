"""Mail through Brevo, one message a call; it knows our keys for a quarter of an hour.

Its `messageVersions` have subject, texts and recipients of their own but share the headers, and List-Unsubscribe
differs for each recipient. Source: developers.brevo.com (send a transactional email, batch email idempotency,
sandbox mode); github.com/getbrevo/brevo-python.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from connectors.email.api_session import ApiSession, Kind, Said, by_status
from connectors.email.base import Abilities, OutgoingMail
from connectors.email.http_api import Answer, Call, HttpLine, check_secret, check_settings, text
from connectors.email.mail_parts import check_size, check_tags, encoded, needs_quotes, parts_of
from nurture.errors import RenderRefused

_MAIL_BYTES = 20 * 1024 * 1024
# Its guide says 30 minutes, its change log 15.
_KEY_LIVES = timedelta(minutes=15)

# The codes of its errors where they say more than the status.
_CODES = {
    "account_under_validation": Kind.DOWN,
    "duplicate_parameter": Kind.USED,  # the key was used before
    "duplicate_request": Kind.USED,
    "not_enough_credits": Kind.DOWN,
    "permission_denied": Kind.DOWN,
    "reseller_permission_denied": Kind.DOWN,
    "too_many_requests": Kind.LATER,
    "unauthorized": Kind.DOWN,
}
_ABOUT_THE_SENDER = re.compile(r"\bsender\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Brevo:
    """Mail through one Brevo account."""

    api_key: str = field(repr=False)
    connections: int = 4
    timeout_s: float = 30.0  # for a whole call
    test_mode: bool = False
    api_url: str = "https://api.brevo.com"
    pause: Callable[[float], None] = field(default=time.sleep, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_secret(self.name, "api_key", self.api_key)
        check_settings(self.name, api_url=self.api_url, timeout_s=self.timeout_s, connections=self.connections)

    @property
    def name(self) -> str:
        return "brevo"

    @property
    def abilities(self) -> Abilities:
        return Abilities(connections=self.connections, key_lives=_KEY_LIVES, takes_raw=False)

    @property
    def remedy(self) -> str:
        return "check `api_key`, the credits, the addresses that may use the key, and that Brevo knows the sender"

    def open(self) -> ApiSession:
        """Give a session that connects when the first message is staged."""
        return ApiSession(self, HttpLine(self.name, self.api_url, self.timeout_s, (self.api_key,)), self.pause)

    def prepare(self, mail: OutgoingMail) -> dict[str, Any]:
        """The message as Brevo's JSON; raises SkipThis."""
        # Brevo takes no standard headers beside its own, and gives a Message-ID of its own.
        parts = parts_of(mail, leave_out=["message-id"])
        check_size("message", len(mail.raw), _MAIL_BYTES, "Brevo")
        check_tags(mail.tags, most=10, longest=128, provider="Brevo")
        if not (parts.subject and parts.html):
            raise RenderRefused("Brevo takes no message without a subject and an HTML part")
        return {
            "sender": _mailbox(parts.from_name, parts.from_address),
            "to": [_mailbox(_safe_name(parts.to_name), parts.to_address)],
            "subject": parts.subject,
            "textContent": parts.text,
            "htmlContent": parts.html,
            **({"replyTo": {"email": parts.reply_to}} if parts.reply_to else {}),
            "headers": {
                **parts.headers,
                "X-Mailin-custom": orjson.dumps({"ripen": mail.message_key}).decode(),
                "idempotencyKey": _uuid(mail.message_key),
                **({"X-Sib-Sandbox": "drop"} if self.test_mode else {}),
            },
            **({"tags": list(mail.tags)} if mail.tags else {}),
        }

    def call(self, mails: Sequence[OutgoingMail], prepared: Sequence[Any]) -> Call:
        """One message, its key among its headers."""
        headers = {"Accept": "application/json", "Content-Type": "application/json", "api-key": self.api_key}
        return Call("/v3/smtp/email", headers, orjson.dumps(prepared[0]))

    def read(self, answer: Answer, mails: Sequence[OutgoingMail]) -> Said:
        """201 with an id is the yes; refusals have a code."""
        told = answer.object()
        if answer.status in (200, 201, 202):
            if provider_id := text(told.get("messageId")):
                return Said(Kind.ACCEPTED, str(answer.status), provider_id.strip("<>"))
            return Said(Kind.UNKNOWN, f"{answer.status} without a messageId")
        code, message = text(told.get("code")), str(told.get("message", ""))
        said = by_status(answer, f"{code}: {message}" if code else None)
        if answer.status >= 500 or code is None:
            return said
        if said.kind is Kind.REJECTED and code not in _CODES and _ABOUT_THE_SENDER.search(message):
            return replace(said, kind=Kind.DOWN)
        return replace(said, kind=_CODES.get(code, said.kind))


def _uuid(message_key: str) -> str:
    """Brevo wants a UUID: always the same one for the same message."""
    return str(UUID(bytes=sha256(message_key.encode()).digest()[:16], version=4))


def _mailbox(name: str, address: str) -> dict[str, str]:
    return {"email": address, "name": name} if name else {"email": address}


def _safe_name(name: str) -> str:
    """Brevo writes a name with both foreign letters and punctuation wrongly; encoded words pass unharmed."""
    return encoded(name) if not name.isascii() and needs_quotes(name) else name
