"""Mails that come back, as the systems of this world write them, in words of our own."""

from __future__ import annotations

from datetime import UTC, datetime

KEY = "00c0e14c67a20c4f9047b9c7f205c17452c85172"
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def mail(*headers: str, body: str = "Thanks, Thursday suits me.\n", drop: tuple[str, ...] = ()) -> bytes:
    """A plain mail from Ada; given headers replace those of the same name."""
    usual = [
        "Return-Path: <ada@example.org>",
        "From: Ada Holm <ada@example.org>",
        "To: Northwind <hello@example.com>",
        "Subject: Re: Your white paper",
        "Date: Mon, 02 Mar 2026 09:30:00 +0100",
        "Message-ID: <answer-1@example.org>",
        f"In-Reply-To: <{KEY}@example.com>",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
    ]
    replaced = {each.partition(":")[0].lower() for each in headers} | set(drop)
    kept = [each for each in usual if each.partition(":")[0].lower() not in replaced]
    return ("\n".join([*headers, *kept]) + "\n\n" + body).encode()


def report(
    *recipients: str,
    human: str = "Your message came back.",
    returned: str | None = None,
    headers: tuple[str, ...] = (),
    form: str = "delivery-status",
    part: str = "message/delivery-status",
) -> bytes:
    """A report of several parts; each recipient is a group of fields."""
    groups = "\n\n".join(
        ["Reporting-MTA: dns; mx.example.net\nArrival-Date: Mon, 2 Mar 2026 08:00:00 +0000", *recipients]
    )
    ours = returned if returned is not None else ours_returned()
    body = "\n".join(
        [
            "--xx",
            "Content-Type: text/plain; charset=utf-8",
            "",
            human,
            "--xx",
            f"Content-Type: {part}",
            "",
            groups,
            "",
            *(["--xx", "Content-Type: message/rfc822", "", ours] if ours else []),
            "--xx--",
            "",
        ]
    )
    return mail(
        "Return-Path: <>",
        "From: Mail Delivery System <MAILER-DAEMON@mx.example.net>",
        "Subject: Undelivered Mail Returned to Sender",
        "Auto-Submitted: auto-replied",
        "Message-ID: <bounce-1@mx.example.net>",
        f'Content-Type: multipart/report; report-type={form}; boundary="xx"',
        *headers,
        body=body,
        drop=("in-reply-to",),
    )


def ours_returned() -> str:
    """The mail of ours that comes back inside."""
    return "\n".join(
        [
            "From: Northwind <hello@example.com>",
            "To: ada@example.org",
            "Subject: Your white paper",
            f"Message-ID: <{KEY}@example.com>",
            f"X-Ripen-Message: {KEY}",
            "",
            "Here it is.",
        ]
    )


def failed(
    status: str = "5.1.1", said: str = "550 5.1.1 no such user", action: str = "failed", who: str = "ada@example.org"
):
    """The fields of one recipient."""
    return (
        f"Original-Recipient: rfc822;{who}\nFinal-Recipient: rfc822; {who}\n"
        f"Action: {action}\nStatus: {status}\nDiagnostic-Code: smtp; {said}"
    )


def plain_bounce(
    body: str, *headers: str, subject: str = "failure notice", sender: str = "MAILER-DAEMON@mx.example.net"
) -> bytes:
    """A bounce without a report."""
    return mail(
        "Return-Path: <>",
        f"From: {sender}",
        f"Subject: {subject}",
        "Message-ID: <bounce-2@mx.example.net>",
        *headers,
        body=body,
        drop=("in-reply-to",),
    )
