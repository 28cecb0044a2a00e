"""Sample messages for the tests of the e-mail connectors."""

from __future__ import annotations

from connectors.email import OutgoingMail


def sample_mail(
    key: str = "a1b2c3d4",
    recipient: str = "lead@example.com",
    body: bytes = b"Hello.\r\n",
    sender: str = "us@example.com",
) -> OutgoingMail:
    raw = (
        b"From: Ripen <us@example.com>\r\nTo: lead@example.com\r\nSubject: White paper\r\n"
        b"Message-ID: <" + key.encode() + b"@mail.example.com>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + body
    )
    return OutgoingMail(key, sender, recipient, raw)
