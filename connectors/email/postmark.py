"""Mail through Postmark: its own JSON form, alone or in batches, each message judged by an error code.

Source: postmarkapp.com/developer/api/email-api, messages-api and overview (error codes).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from connectors.email.api_session import FindingApiSession, Kind, Said, by_status
from connectors.email.base import Abilities, OutgoingMail
from connectors.email.http_api import Answer, Call, HttpLine, check_batch, check_secret, check_settings, objects, text
from connectors.email.mail_parts import ascii_recipient, check_size, check_tags, parts_of, quoted
from nurture.errors import RenderRefused

_TEST_TOKEN = "POSTMARK_API_TEST"  # noqa: S105 - a word of the documentation: everything is checked, nothing is sent
_MOST = 500
_PART_BYTES = 5 * 1024 * 1024
_MAIL_BYTES = 10 * 1024 * 1024
_METADATA_CHARACTERS = 80
_METADATA_FIELDS = 10

# Error codes: what they mean for the message. A code that is not here certainly did not accept it.
_CODES = {
    0: Kind.ACCEPTED,
    10: Kind.DOWN,  # bad or missing token
    100: Kind.LATER,  # maintenance
    300: Kind.REJECTED,  # invalid e-mail request
    400: Kind.DOWN,  # sender signature not found
    401: Kind.DOWN,  # sender signature not confirmed
    402: Kind.REJECTED,  # invalid JSON
    403: Kind.REJECTED,  # incompatible JSON
    405: Kind.DOWN,  # not allowed to send: no credits
    406: Kind.REJECTED,  # inactive recipient
    409: Kind.REJECTED,  # JSON required
    410: Kind.REJECTED,  # too many messages in a batch
    411: Kind.REJECTED,  # forbidden attachment type
    412: Kind.DOWN,  # account pending approval
    413: Kind.DOWN,  # account may not send
    429: Kind.LATER,  # rate limit
    1235: Kind.DOWN,  # no such message stream
}
# Codes about the form of the whole request, found before any message of it is looked at.
_ABOUT_THE_FORM = frozenset({402, 403, 409, 410})


@dataclass(frozen=True, slots=True)
class Postmark:
    """Mail through one Postmark server and one of its message streams."""

    api_key: str = field(repr=False)  # the server token
    stream: str = "broadcast"  # marketing mail has to go through a broadcast stream
    batch: int = 50  # messages of one act; a lost reply leaves so many in doubt
    connections: int = 4
    timeout_s: float = 30.0  # for a whole call
    test_mode: bool = False
    api_url: str = "https://api.postmarkapp.com"
    pause: Callable[[float], None] = field(default=time.sleep, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_secret(self.name, "api_key", self.api_key)
        check_settings(self.name, api_url=self.api_url, timeout_s=self.timeout_s, connections=self.connections)
        check_batch(self.name, self.batch, _MOST)

    @property
    def name(self) -> str:
        return "postmark"

    @property
    def abilities(self) -> Abilities:
        return Abilities(batch=self.batch, connections=self.connections, takes_raw=False)

    @property
    def remedy(self) -> str:
        return "check `api_key`, `stream`, and that Postmark knows the sender's address"

    def open(self) -> FindingApiSession:
        """Give a session that connects when the first message is staged."""
        return FindingApiSession(self, HttpLine(self.name, self.api_url, self.timeout_s, (self.api_key,)), self.pause)

    def prepare(self, mail: OutgoingMail) -> dict[str, Any]:
        """The message as Postmark's JSON; raises SkipThis."""
        parts = parts_of(mail)
        check_size("text part", len(parts.text.encode()), _PART_BYTES, "Postmark")
        check_size("HTML part", len(parts.html.encode()), _PART_BYTES, "Postmark")
        check_size("message", len(mail.raw), _MAIL_BYTES, "Postmark")
        check_tags(mail.tags, most=_METADATA_FIELDS, longest=_METADATA_CHARACTERS, provider="Postmark")
        if len(mail.message_key) > _METADATA_CHARACTERS:
            raise RenderRefused(f"Postmark takes keys of at most {_METADATA_CHARACTERS} characters")
        # It has one tag; the others travel beside our key.
        metadata = {"ripen": mail.message_key} | {f"tag{n}": tag for n, tag in enumerate(mail.tags[1:], 2)}
        headers = [{"Name": name, "Value": value} for name, value in parts.headers.items()]
        return {
            "From": quoted(parts.from_name, parts.from_address),
            "To": quoted(parts.to_name, parts.to_address),
            "Subject": parts.subject,
            "TextBody": parts.text,
            "HtmlBody": parts.html,
            **({"ReplyTo": parts.reply_to} if parts.reply_to else {}),
            "Headers": [*headers, {"Name": "X-PM-KeepID", "Value": "true"}],  # our Message-ID stays
            "Metadata": metadata,
            **({"Tag": mail.tags[0]} if mail.tags else {}),
            "MessageStream": self.stream,
            "TrackOpens": False,
            "TrackLinks": "None",
        }

    def call(self, mails: Sequence[OutgoingMail], prepared: Sequence[Any]) -> Call:
        """One message alone, several as a batch."""
        alone = len(prepared) == 1
        body = orjson.dumps(prepared[0] if alone else list(prepared))
        return Call("/email" if alone else "/email/batch", self._headers(), body)

    def read(self, answer: Answer, mails: Sequence[OutgoingMail]) -> Said | list[Said]:
        """Each message by its code; a list that does not fit the request says nothing about any of them."""
        told = answer.json()
        if answer.status == 200 and len(mails) == 1 and isinstance(told, dict):
            return _one(told, mails[0])
        if answer.status == 200:
            if isinstance(told, list) and len(told) == len(mails):
                said = [_one(each, mail) for each, mail in zip(told, mails, strict=True)]
                if all(each.kind is not Kind.UNKNOWN for each in said):
                    return said
            return Said(Kind.UNKNOWN, "200, and the results do not fit the messages")
        return _refused(answer, mails)

    def question(self, message_key: str) -> Call:
        """The search of sent messages by our key in their metadata."""
        query = {"count": "1", "offset": "0", "metadata_ripen": message_key}
        return Call("/messages/outbound", self._headers(), method="GET", query=query)

    def found(self, answer: Answer, message_key: str) -> Said | None:
        """The message of the search, if it is really ours."""
        for each in objects(answer.object().get("Messages")):
            metadata = each.get("Metadata")
            if isinstance(metadata, dict) and metadata.get("ripen") == message_key:
                return Said(Kind.ACCEPTED, f"found: {each.get('Status', '')}", text(each.get("MessageID")))
        return None

    def _headers(self) -> dict[str, str]:
        token = _TEST_TOKEN if self.test_mode else self.api_key
        return {"Accept": "application/json", "Content-Type": "application/json", "X-Postmark-Server-Token": token}


def _refused(answer: Answer, mails: Sequence[OutgoingMail]) -> Said:
    told = answer.object()
    code = told.get("ErrorCode")
    # The maintenance answer is the one 5xx that says that nothing was accepted.
    if isinstance(code, int) and (answer.status == 422 or (answer.status, code) == (503, 100)):
        said = _by_code(code, str(told.get("Message", "")))
    else:
        said = by_status(answer, f"code {code}: {told.get('Message', '')}" if isinstance(code, int) else None)
    if len(mails) == 1 or said.kind in (Kind.DOWN, Kind.LATER, Kind.UNKNOWN):
        return said
    # Of a batch it judges each message, with 200; other words about the whole do not say what became of each.
    whole = answer.status == 413 or (answer.status == 422 and code in _ABOUT_THE_FORM)
    return replace(said, kind=Kind.SPLIT if whole else Kind.UNKNOWN)


def _one(told: Any, mail: OutgoingMail) -> Said:
    if not isinstance(told, dict):
        return Said(Kind.UNKNOWN, "200, and no result")
    message = str(told.get("Message", ""))
    # When Postmark is slow, it accepts with these words and leaves the code out.
    code = told.get("ErrorCode", 0 if message.startswith("Message accepted") else None)
    if type(code) is not int:
        return Said(Kind.UNKNOWN, "200, and no error code")
    if code != 0:
        return _by_code(code, message)
    provider_id, to = text(told.get("MessageID")), told.get("To")
    # Postmark repeats the recipient: the one proof that the results stand in the order of the request.
    if provider_id is None or (isinstance(to, str) and ascii_recipient(mail).lower() not in to.lower()):
        return Said(Kind.UNKNOWN, "200, and the result is about another message")
    return Said(Kind.ACCEPTED, message or "OK", provider_id)


def _by_code(code: int, message: str) -> Said:
    kind = _CODES.get(code, Kind.RETRY)
    if code == 300 and re.search(r"'(From|ReplyTo|Reply-To)'", message):
        kind = Kind.DOWN
    words = f"code {code}: {message}"
    return Said(kind, f"suppressed: {words}" if code == 406 else words)
