"""The one neutral form of a mail that came back, whatever system wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

InboundKind = Literal["reply", "auto_reply", "bounce", "delayed", "complaint", "unsubscribe", "other"]


@dataclass(frozen=True, slots=True)
class InboundMail:
    """What a mail says; texts are empty and the rest is None where it does not say it."""

    kind: InboundKind
    mail_id: str  # Message-ID without brackets, else a digest of the mail: the same mail once
    occurred_at: datetime  # aware; when it reached us, never after the `now` of the reading
    message_key: str | None = None  # of the message of ours that it answers or returns
    sender: str = ""
    recipient: str = ""  # whom the returned message could not reach, or who complained
    hard: bool | None = None  # bounces alone: the mailbox does not exist
    status: str = ""  # enhanced status code, RFC 3463, such as 5.1.1
    reason: str = ""  # what the other side said, addresses blacked out
    subject: str = ""
    text: str = ""  # the new part of a reply: no quoted history, no signature
