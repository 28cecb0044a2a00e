"""Mail through Amazon SES (API v2, SendEmail with the raw message), one message a call.

Its SendBulkEmail fills a template for many; it takes no raw messages and no headers of our own making for each.
Source: docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html.
"""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from connectors.email.api_session import ApiSession, Kind, Said, by_status
from connectors.email.aws_signature import Credentials, sign
from connectors.email.base import Abilities, OutgoingMail
from connectors.email.http_api import Answer, Call, HttpLine, check_secret, check_settings, text
from connectors.email.mail_parts import ascii_recipient, check_size, check_tags
from nurture.errors import BadSetting, RenderRefused

_PATH = "/v2/email/outbound-emails"
_MAIL_BYTES = 40 * 1024 * 1024  # after base64
_TAG_SIGNS = "[A-Za-z0-9_-]"

# The types of its errors. Whatever is not here goes by the status.
_TYPES = {
    "AccountSuspendedException": Kind.DOWN,
    "BadRequestException": Kind.REJECTED,
    "LimitExceededException": Kind.LATER,
    "MailFromDomainNotVerifiedException": Kind.DOWN,
    "MessageRejected": Kind.REJECTED,
    "NotFoundException": Kind.DOWN,  # the configuration set
    "SendingPausedException": Kind.DOWN,
    "Throttling": Kind.LATER,
    "ThrottlingException": Kind.LATER,
    "TooManyRequestsException": Kind.LATER,
}


def _wall_clock() -> datetime:
    # Not the run's `now`: AWS refuses a signature that is some minutes old.
    return datetime.now(UTC)  # noqa: TID251


@dataclass(frozen=True, slots=True)
class AmazonSes:
    """Mail through Amazon SES in one region."""

    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    configuration_set: str | None = None  # its events are what brings bounces and complaints back
    connections: int = 4
    timeout_s: float = 30.0  # for a whole call
    test_mode: bool = False
    api_url: str = ""  # empty: the region's own
    pause: Callable[[float], None] = field(default=time.sleep, repr=False, compare=False)
    clock: Callable[[], datetime] = field(default=_wall_clock, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9-]{3,40}", self.region):
            raise BadSetting("the setting `region` of `ses` must be a region of AWS, such as eu-north-1")
        for name in ("access_key_id", "secret_access_key"):
            check_secret(self.name, name, getattr(self, name))
        if self.session_token is not None:
            check_secret(self.name, "session_token", self.session_token)
        check_settings(self.name, api_url=self._url, timeout_s=self.timeout_s, connections=self.connections)
        if self.test_mode:
            raise BadSetting(
                "`ses` has no test mode in its API; set `test_mode` to false and write to "
                "success@simulator.amazonses.com, or choose `eml` to send nothing"
            )

    @property
    def name(self) -> str:
        return "ses"

    @property
    def abilities(self) -> Abilities:
        # SES writes its own Message-ID and Date into the raw message, so a signature of ours on them would break.
        return Abilities(connections=self.connections, takes_raw=False)

    @property
    def remedy(self) -> str:
        return "check the keys and their right to ses:SendEmail, `region`, and that the sender is verified there"

    def open(self) -> ApiSession:
        """Give a session that connects when the first message is staged."""
        secrets = (self.secret_access_key, self.access_key_id, *((self.session_token,) if self.session_token else ()))
        return ApiSession(self, HttpLine(self.name, self._url, self.timeout_s, secrets), self.pause)

    def prepare(self, mail: OutgoingMail) -> dict[str, Any]:
        """The message as SES's JSON; raises SkipThis."""
        recipient = ascii_recipient(mail)
        check_tags((mail.message_key, *mail.tags), most=50, longest=256, signs=_TAG_SIGNS, provider="Amazon SES")
        if not mail.raw.isascii():
            raise RenderRefused("Amazon SES takes messages of 7-bit ASCII only")
        data = b64encode(mail.raw).decode()
        check_size("message", len(data), _MAIL_BYTES, "Amazon SES")
        names = ["tag" if number == 1 else f"tag{number}" for number in range(1, len(mail.tags) + 1)]
        tags = [("ripen", mail.message_key), *zip(names, mail.tags, strict=True)]
        return {
            "Destination": {"ToAddresses": [recipient]},
            "Content": {"Raw": {"Data": data}},
            "EmailTags": [{"Name": name, "Value": value} for name, value in tags],
            **({"ConfigurationSetName": self.configuration_set} if self.configuration_set else {}),
        }

    def call(self, mails: Sequence[OutgoingMail], prepared: Sequence[Any]) -> Call:
        """One message, signed at this moment."""
        body = orjson.dumps(prepared[0])
        headers = sign(
            Credentials(self.access_key_id, self.secret_access_key, self.session_token),
            region=self.region,
            service="ses",
            at=self.clock(),
            method="POST",
            path=_PATH,
            headers={"Host": urlsplit(self._url).netloc, "Content-Type": "application/json"},
            body=body,
        )
        return Call(_PATH, headers, body)

    def read(self, answer: Answer, mails: Sequence[OutgoingMail]) -> Said:
        """200 with an id is the yes; refusals have a type."""
        told = answer.object()
        if answer.status == 200:
            if provider_id := text(told.get("MessageId")):
                return Said(Kind.ACCEPTED, "200", provider_id)
            return Said(Kind.UNKNOWN, "200 without a MessageId")
        named, message = _type_of(answer, told), str(told.get("message") or told.get("Message") or "")
        said = by_status(answer, f"{named}: {message}" if named or message else None)
        kind = _TYPES.get(named)
        if answer.status >= 500 or kind is None:
            return said
        if kind is Kind.REJECTED and "not verified" in message:
            kind = Kind.DOWN
        return Said(kind, said.words, after=said.after)

    @property
    def _url(self) -> str:
        return self.api_url or f"https://email.{self.region}.amazonaws.com"


def _type_of(answer: Answer, told: dict[str, Any]) -> str:
    """The type stands in a header, in older answers in the body; with a namespace before or an address behind it."""
    given = answer.headers.get("x-amzn-errortype") or told.get("__type") or ""
    return str(given).partition(":")[0].rpartition("#")[2]
