"""The one shape of every e-mail connector: everything is prepared first, then a single act sends the message."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self

from nurture.errors import TransportDown
from nurture.rendering.mime import MailPlan

RESPONSE_LIMIT = 500


class Verdict(StrEnum):
    """What is known about one message after the connector has dealt with it."""

    ACCEPTED = "accepted"  # the other side took responsibility for it
    REJECTED = "rejected"  # a permanent no for this recipient or this message; nothing was delivered
    RETRY = "retry"  # a temporary no; certainly not accepted, so trying again cannot send it twice
    UNKNOWN = "unknown"  # the act was made and no trustworthy reply came; never resend by default


class Phase(StrEnum):
    """How far a message came; the phases before `dot` are safe to repeat."""

    CHECK = "check"  # refused by ourselves before anything was sent
    CONNECT = "connect"  # TCP connection and greeting
    EHLO = "ehlo"  # what the server can do
    STARTTLS = "starttls"  # encryption
    AUTH = "auth"  # user name and password
    MAIL = "mail"  # envelope sender
    RCPT = "rcpt"  # envelope recipient
    DATA = "data"  # permission to send the body
    BODY = "body"  # body under way or lying complete without its final dot; in twins: prepared, not placed
    DOT = "dot"  # the point of no return and its reply; in twins: rename, append or print
    QUIT = "quit"  # good-bye; its failure means nothing


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """One complete message for exactly one recipient."""

    message_key: str  # opaque hex key of the ledger row; Message-ID and file names derive from it
    sender: str  # envelope sender, a bare address
    recipient: str  # envelope recipient, exactly one bare address
    raw: bytes  # complete RFC 5322 message, CRLF line ends
    plan: MailPlan | None = None  # what it was built from, for providers that take parts and not the whole
    tags: tuple[str, ...] = ()  # what the provider may count by, such as the sequence; no personal data

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{1,128}", self.message_key):
            raise ValueError("message_key must be lower-case hex: it becomes a file name")


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer for one message, without personal data."""

    verdict: Verdict
    response: str  # the provider's words, at most 500 characters, addresses blacked out
    provider_id: str | None  # the provider's own id, such as a queue id
    phase: str  # a Phase


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a way of sending can do beyond one message after the other."""

    batch: int = 1  # the most messages of one act; more than one makes its sessions a BatchSession
    connections: int = 1  # how many sessions may work side by side
    # How long the other side knows a message key again: until then the very same act may be repeated without harm.
    key_lives: timedelta | None = None
    takes_raw: bool = True  # the message leaves byte for byte as built, so that our own signature on it holds


class EmailSession(Protocol):
    """One connection, used for many messages one after the other; not thread safe.

    `stage` and `commit` raise TransportDown when the trouble is ours and hits every message, and RetryLater
    when the other side cannot be reached at the moment; both mean that nothing was sent.
    Calling them out of order raises RuntimeError.
    """

    def stage(self, mail: OutgoingMail) -> Receipt | None:
        """Do everything up to the point of no return; None means staged, a receipt that the message ended here."""

    def commit(self) -> Receipt:
        """Send the staged message: the one act that cannot be undone."""

    def abandon(self) -> None:
        """Drop the staged message so that it is never delivered; harmless when nothing is staged."""

    def close(self) -> None:
        """Abandon what is staged and hang up; harmless when repeated."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class BatchSession(EmailSession, Protocol):
    """A session that sends several messages in one act: up to `Abilities.batch` may be staged before it."""

    def commit_all(self) -> tuple[Receipt, ...]:
        """Send all staged messages in one act; one receipt each, in the order in which they were staged."""


class FindingSession(EmailSession, Protocol):
    """A session that can ask the provider what became of a message."""

    def find(self, message_key: str) -> Receipt | None:
        """What the provider knows of the message with this key: accepted or rejected; None when it says nothing."""


class EmailConnector(Protocol):
    """A way for messages to leave."""

    @property
    def name(self) -> str:
        """The kind by which settings choose it."""

    @property
    def abilities(self) -> Abilities:
        """What it can do beyond one message after the other."""

    def open(self) -> EmailSession:
        """Give a session; it may connect only when the first message is staged."""


def refusal(mail: OutgoingMail) -> str | None:
    """Say why no connector may take this message, or None; every connector asks before anything else.

    Raises TransportDown when it is the sender that cannot be used: that is no fault of this message.
    """
    if not _is_bare_address(mail.sender):
        raise TransportDown("the envelope sender is not a bare address; check the sender's address in the settings")
    if not _is_bare_address(mail.recipient):
        return "the recipient is not one bare address without spaces, brackets or control characters"
    if b"\x00" in mail.raw:
        return "the message holds a NUL byte"
    if not mail.raw.endswith(b"\r\n"):
        return "the message does not end with CRLF"
    if not mail.raw.count(b"\r\n") == mail.raw.count(b"\r") == mail.raw.count(b"\n"):
        return "the message holds a bare CR or LF"
    return None


def provider_text(text: str) -> str:
    """Make a provider's words fit to be stored: one line, no addresses, at most 500 characters."""
    one_line = " ".join("".join(" " if unicodedata.category(c)[0] == "C" else c for c in text).split())
    return re.sub(r"[^\s<>@]+@[^\s<>@]+", "[address]", one_line)[:RESPONSE_LIMIT]


def _is_bare_address(address: str) -> bool:
    local, at, domain = address.rpartition("@")
    if not (local and at and domain) or "@" in local:
        return False
    # Categories C and Z are control characters, lone surrogates and every kind of space.
    return not any(c in '<>,;"\\()' or unicodedata.category(c)[0] in "CZ" for c in address)
