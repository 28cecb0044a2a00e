"""Sample messages for the tests of the e-mail connectors."""

from __future__ import annotations

from datetime import UTC, datetime

from connectors.email import OutgoingMail
from nurture.rendering.mime import MailPlan


def sample_mail(
    key: str = "a1b2c3d4",
    recipient: str = "lead@example.com",
    body: bytes = b"Hello.\r\n",
    sender: str = "us@example.com",
) -> OutgoingMail:
    """A message of one text part, and the plan of the same message for providers that take parts."""
    raw = (
        b"From: Ripen <us@example.com>\r\nTo: lead@example.com\r\nSubject: White paper\r\n"
        b"Message-ID: <" + key.encode() + b"@mail.example.com>\r\nMIME-Version: 1.0\r\n"
        b"X-Ripen-Message: " + key.encode() + b"\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + body
    )
    return OutgoingMail(key, sender, recipient, raw, sample_plan(key, recipient, body.decode("utf-8", "replace")))


def sample_plan(key: str, recipient: str, text: str) -> MailPlan:
    return MailPlan(
        message_id=f"<{key}@mail.example.com>",
        message_key=key,
        from_name="Ripen",
        from_address="us@example.com",
        to_name="",
        to_address=recipient,
        subject="White paper",
        text=text.replace("\r\n", "\n"),
        html=f"<p>{text.strip()}</p>",
        date=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
    )
