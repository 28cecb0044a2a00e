"""Mail through Resend, alone or in batches that are accepted as a whole or not at all; it knows our keys for a day.

Source: resend.com/docs/api-reference (emails, errors, batch), dashboard/emails/idempotency-keys,
changelog/batch-validation-modes; github.com/resend/resend-openapi.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import orjson

from connectors.email.api_session import ApiSession, Kind, Said, by_status
from connectors.email.base import Abilities, OutgoingMail
from connectors.email.http_api import (
    MAX_WAIT,
    Answer,
    Call,
    HttpLine,
    check_batch,
    check_secret,
    check_settings,
    objects,
    text,
)
from connectors.email.mail_parts import check_size, check_tags, encoded, needs_quotes, parts_of
from nurture.errors import BadSetting, RenderRefused

_MOST = 100
_MAIL_BYTES = 40 * 1024 * 1024
_KEY_LIVES = timedelta(hours=24)

# The names of its errors where they say more than the status.
_NAMES = {
    "concurrent_idempotent_requests": Kind.UNKNOWN,  # the first request is still at work
    "daily_quota_exceeded": Kind.LATER,
    "invalid_api_key": Kind.DOWN,
    "invalid_from_address": Kind.DOWN,
    "invalid_idempotent_request": Kind.USED,  # something else was sent with this key
    "missing_api_key": Kind.DOWN,
    "monthly_quota_exceeded": Kind.LATER,
    "rate_limit_exceeded": Kind.LATER,
    "restricted_api_key": Kind.DOWN,
    "security_error": Kind.REJECTED,
}


@dataclass(frozen=True, slots=True)
class Resend:
    """Mail through one Resend account."""

    api_key: str = field(repr=False)
    batch: int = 20  # messages of one act; a lost reply leaves so many in doubt
    connections: int = 4
    timeout_s: float = 30.0  # for a whole call
    test_mode: bool = False
    api_url: str = "https://api.resend.com"
    pause: Callable[[float], None] = field(default=time.sleep, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_secret(self.name, "api_key", self.api_key)
        check_settings(self.name, api_url=self.api_url, timeout_s=self.timeout_s, connections=self.connections)
        check_batch(self.name, self.batch, _MOST)
        if self.test_mode:
            raise BadSetting(
                "`resend` has no test mode in its API; set `test_mode` to false and write to "
                "delivered@resend.dev, or choose `eml` to send nothing"
            )

    @property
    def name(self) -> str:
        return "resend"

    @property
    def abilities(self) -> Abilities:
        return Abilities(batch=self.batch, connections=self.connections, key_lives=_KEY_LIVES, takes_raw=False)

    @property
    def remedy(self) -> str:
        return "check `api_key`, and that Resend has verified the sender's domain"

    def open(self) -> ApiSession:
        """Give a session that connects when the first message is staged."""
        return ApiSession(self, HttpLine(self.name, self.api_url, self.timeout_s, (self.api_key,)), self.pause)

    def prepare(self, mail: OutgoingMail) -> dict[str, Any]:
        """The message as Resend's JSON; raises SkipThis."""
        # Resend hands on to a system that writes its own Message-ID.
        parts = parts_of(mail, leave_out=["message-id"])
        check_size("message", len(mail.raw), _MAIL_BYTES, "Resend")
        check_tags((mail.message_key, *mail.tags), most=50, longest=256, signs="[A-Za-z0-9_-]", provider="Resend")
        if not parts.subject:
            raise RenderRefused("Resend takes no message without a subject")
        # Its sender field is no address of RFC 5322: it takes Unicode as it is, and no quotes and no encoded words.
        if needs_quotes(parts.from_name) or "=?" in parts.from_name:
            raise RenderRefused("Resend takes no comma, quote or bracket in the sender's name; change `from_name`")
        names = ["tag" if number == 1 else f"tag{number}" for number in range(1, len(mail.tags) + 1)]
        tags = [("ripen", mail.message_key), *zip(names, mail.tags, strict=True)]
        return {
            "from": _mailbox(parts.from_name, parts.from_address),
            "to": [_mailbox(_recipient_name(parts.to_name), parts.to_address)],
            "subject": parts.subject,
            "text": parts.text,
            "html": parts.html,
            **({"reply_to": [parts.reply_to]} if parts.reply_to else {}),
            "headers": parts.headers,
            "tags": [{"name": name, "value": value} for name, value in tags],
        }

    def call(self, mails: Sequence[OutgoingMail], prepared: Sequence[Any]) -> Call:
        """One message under its own key, several under a key that is made of theirs."""
        alone = len(mails) == 1
        joined = "\n".join(mail.message_key for mail in mails)
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self.api_key}",
            "Idempotency-Key": f"ripen-{joined if alone else sha256(joined.encode()).hexdigest()}",
        }
        body = orjson.dumps(prepared[0] if alone else list(prepared))
        return Call("/emails" if alone else "/emails/batch", headers, body)

    def read(self, answer: Answer, mails: Sequence[OutgoingMail]) -> Said | list[Said]:
        """A yes is an id for each message; a batch of which one message is not valid is refused as a whole."""
        told = answer.object()
        if answer.status == 200:
            entries = [told] if len(mails) == 1 else objects(told.get("data"))
            ids = [provider_id for each in entries if (provider_id := text(each.get("id")))]
            if len(ids) == len(mails):
                return [Said(Kind.ACCEPTED, "200", each) for each in ids]
            return Said(Kind.UNKNOWN, "200, and the ids do not fit the messages")
        name, message = text(told.get("name")), str(told.get("message", ""))
        said = by_status(answer, f"{name}: {message}" if name else None)
        if answer.status >= 500 or name is None:
            return said
        kind = _NAMES.get(name, said.kind)
        if name == "validation_error" and "api key" in message.lower():
            kind = Kind.DOWN
        if len(mails) > 1 and kind is Kind.REJECTED:
            kind = Kind.SPLIT
        quota = name in ("daily_quota_exceeded", "monthly_quota_exceeded") and said.after is None
        return replace(said, kind=kind, after=MAX_WAIT if quota else said.after)


def _mailbox(name: str, address: str) -> str:
    return f"{name} <{address}>" if name else address


def _recipient_name(name: str) -> str:
    """Resend refuses quoted names; here, other than in the sender, it takes encoded words."""
    return encoded(name) if needs_quotes(name) or "=?" in name else name
