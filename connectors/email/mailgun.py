"""Mail through Mailgun's MIME endpoint: the message as built, one a call.

Its batches put the same text with small variables to many; they cannot carry a text and headers for each recipient.
Source: documentation.mailgun.com, sending and events; github.com/mailgun/documentation.
"""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from connectors.email.api_session import FindingApiSession, Kind, Said, by_status
from connectors.email.base import Abilities, OutgoingMail
from connectors.email.http_api import Answer, Call, HttpLine, check_secret, check_settings, objects, seconds_until, text
from connectors.email.mail_parts import ascii_recipient, check_size, check_tags
from nurture.errors import BadSetting

_MAIL_BYTES = 25 * 1024 * 1024
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
# Refusals with 400 or 429 that are about us and not about this message.
_ABOUT_US = re.compile(r"is not allowed to send|^from parameter|^domain .* unverified", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mailgun:
    """Mail through one Mailgun domain; `api_url` is https://api.eu.mailgun.net for domains in the EU."""

    api_key: str = field(repr=False)
    domain: str
    message_domain: str = ""  # where Message-IDs end, which is the domain of the sender; empty: the same as `domain`
    connections: int = 4
    timeout_s: float = 30.0  # for a whole call
    test_mode: bool = False
    api_url: str = "https://api.mailgun.net"
    pause: Callable[[float], None] = field(default=time.sleep, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_secret(self.name, "api_key", self.api_key)
        check_settings(self.name, api_url=self.api_url, timeout_s=self.timeout_s, connections=self.connections)
        if not _DOMAIN.fullmatch(self.domain):
            raise BadSetting("the setting `domain` of `mailgun` must be a domain in ASCII, such as mg.example.com")
        if self.message_domain and not _DOMAIN.fullmatch(self.message_domain):
            raise BadSetting("the setting `message_domain` of `mailgun` must be a domain in ASCII")

    @property
    def name(self) -> str:
        return "mailgun"

    @property
    def abilities(self) -> Abilities:
        return Abilities(connections=self.connections)

    @property
    def remedy(self) -> str:
        return "check `api_key`, `domain`, and `api_url` (domains in the EU have their own)"

    def open(self) -> FindingApiSession:
        """Give a session that connects when the first message is staged."""
        secrets = (self.api_key, self._basic())
        return FindingApiSession(self, HttpLine(self.name, self.api_url, self.timeout_s, secrets), self.pause)

    def prepare(self, mail: OutgoingMail) -> list[tuple[str, str]]:
        """The fields beside the message; raises SkipThis."""
        recipient = ascii_recipient(mail)
        check_size("message", len(mail.raw), _MAIL_BYTES, "Mailgun")
        check_tags(mail.tags, most=3, longest=128, provider="Mailgun")
        return [
            ("to", recipient),
            ("v:ripen", mail.message_key),
            ("o:tracking", "no"),
            ("o:tracking-clicks", "no"),
            ("o:tracking-opens", "no"),
            *(("o:tag", tag) for tag in mail.tags),
            *((("o:testmode", "yes"),) if self.test_mode else ()),
        ]

    def call(self, mails: Sequence[OutgoingMail], prepared: Sequence[Any]) -> Call:
        """One message as a form with a file."""
        boundary = "ripen-" + sha256(mails[0].message_key.encode() + mails[0].raw).hexdigest()
        body = _form(boundary, prepared[0], mails[0].raw)
        headers = {**self._headers(), "Content-Type": f"multipart/form-data; boundary={boundary}"}
        return Call(f"/v3/{self.domain}/messages.mime", headers, body)

    def read(self, answer: Answer, mails: Sequence[OutgoingMail]) -> Said:
        """200 with an id is the yes; refusals come with a sentence."""
        told = answer.object()
        words = text(told.get("message"))
        if answer.status == 200:
            if provider_id := text(told.get("id")):
                return Said(Kind.ACCEPTED, words or "200", provider_id.strip("<>"))
            return Said(Kind.UNKNOWN, "200 without an id")
        said = by_status(answer, words)
        if answer.status == 400 and words and _ABOUT_US.search(words):
            return replace(said, kind=Kind.DOWN)
        if (
            said.kind is Kind.LATER
            and said.after is None
            and (until := re.search(r"try again after (.+)$", words or ""))
        ):
            return replace(said, after=seconds_until(until[1], answer.headers))
        return said

    def question(self, message_key: str) -> Call:
        """The events of our Message-ID, which Mailgun keeps, newest first."""
        message_id = f"{message_key}@{self.message_domain or self.domain}"
        query = {"message-id": message_id, "ascending": "no", "limit": "25"}
        return Call(f"/v3/{self.domain}/events", self._headers(), method="GET", query=query)

    def found(self, answer: Answer, message_key: str) -> Said | None:
        """Any event but `rejected` proves that the message had been accepted."""
        ours = [each for each in objects(answer.object().get("items")) if _key_of(each) == message_key]
        events = [str(each.get("event", "")) for each in ours]
        if not events:
            return None
        kind = Kind.REJECTED if set(events) == {"rejected"} else Kind.ACCEPTED
        return Said(kind, f"found: {events[0]}", f"{message_key}@{self.message_domain or self.domain}")

    def _basic(self) -> str:
        return b64encode(f"api:{self.api_key}".encode()).decode()

    def _headers(self) -> dict[str, str]:
        return {"Accept": "application/json", "Authorization": f"Basic {self._basic()}"}


def _key_of(event: dict[str, Any]) -> str | None:
    variables = event.get("user-variables")
    return text(variables.get("ripen")) if isinstance(variables, dict) else None


def _form(boundary: str, fields: Sequence[tuple[str, str]], message: bytes) -> bytes:
    """A multipart form by hand, so that a message always becomes the same bytes."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields
    ]
    file = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="message"; filename="message.eml"\r\n'
        "Content-Type: message/rfc822\r\n\r\n"
    )
    return b"".join((*parts, file.encode(), message, f"\r\n--{boundary}--\r\n".encode()))
