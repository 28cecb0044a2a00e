"""Bounces of many systems: hard only when the mailbox is gone, and always about the message that came back."""

from __future__ import annotations

import pytest

from nurture.inbound import read_mail
from nurture.inbound.statuses import is_hard
from tests.nurture.inbound.mails import KEY, NOW, failed, mail, ours_returned, plain_bounce, report

COPY = f"\n--- Below this line is a copy of the message.\n\nReturn-Path: <hello@example.com>\n{ours_returned()}\n"

# name: (mail, hard, status, a part of the reason)
BOUNCES = {
    "Postfix, unknown user": (report(failed()), True, "5.1.1", "no such user"),
    "Gmail, no such account": (
        report(
            failed("5.1.1", "550-5.1.1 The email account that you tried to reach does not exist. Please try\n "
                            "double-checking")
        ),
        True,
        "5.1.1",
        "double-checking",
    ),
    "Gmail, disabled account": (
        report(failed("5.2.1", "550 5.2.1 The email account that you tried to reach is inactive.")),
        True,
        "5.2.1",
        "inactive",
    ),
    "mailbox full": (report(failed("5.2.2", "552 5.2.2 mailbox full")), False, "5.2.2", "full"),
    "full although it says 5.1.1": (report(failed("5.1.1", "550 5.1.1 user over quota")), False, "5.1.1", "quota"),
    "spam block by Microsoft 365": (
        report(failed("5.7.606", "550 5.7.606 Access denied, banned sending IP")),
        False,
        "5.7.606",
        "banned",
    ),
    "DMARC policy": (report(failed("5.7.26", "550 5.7.26 unauthenticated")), False, "5.7.26", "unauthenticated"),
    "Microsoft 365, unknown at the edge": (
        report(failed("5.4.1", "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)")),
        True,
        "5.4.1",
        "Recipient address rejected",
    ),
    "Outlook.com, mailbox unavailable": (
        report(failed("5.5.0", "550 5.5.0 Requested action not taken: mailbox unavailable")),
        True,
        "5.5.0",
        "mailbox unavailable",
    ),
    "a vague field, exact words": (
        report(failed("5.0.0", "550 5.1.1 User unknown in virtual mailbox table")),
        True,
        "5.1.1",
        "User unknown",
    ),
    "given up after days": (report(failed("4.4.7", "delivery time expired")), False, "4.4.7", "expired"),
    "a domain that takes no mail": (report(failed("5.1.10", "556 5.1.10 null MX")), True, "5.1.10", "null MX"),
    "too large": (report(failed("5.3.4", "552 5.3.4 message too large")), False, "5.3.4", "too large"),
    "an unknown code": (report(failed("5.9.9", "550 5.9.9 something new")), False, "5.9.9", "something new"),
    "no code at all": (report(failed("", "remote host said no")), False, "", "said no"),
    "internationalised report": (
        report(failed("5.1.1", "550 5.1.1 no such user"), part="message/global-delivery-status"),
        True,
        "5.1.1",
        "no such user",
    ),
    "headers returned only": (
        report(failed(), returned=ours_returned().partition("\n\n")[0] + "\n"),
        True,
        "5.1.1",
        "no such user",
    ),
    "qmail": (
        plain_bounce(
            "Hi. This is the qmail-send program at mx.example.net.\nI'm afraid I wasn't able to deliver your "
            "message to the"
            " following addresses.\n\n<ada@example.org>:\nSorry, no mailbox here by that name. (#5.1.1)\n" + COPY
        ),
        True,
        "5.1.1",
        "no mailbox here",
    ),
    "Exim": (
        plain_bounce(
            "This message was created automatically by mail delivery software.\n\nA message that you sent could not be"
            " delivered to one or more of its recipients.\n\n  ada@example.org\n    host mx.example.org [192.0.2.1]\n"
            "    SMTP error from remote mail server after RCPT TO:<ada@example.org>:\n    550 No such user here\n\n"
            f"------ This is a copy of the message, including all the headers. ------\n\n{ours_returned()}",
            "X-Failed-Recipients: ada@example.org",
            subject="Mail delivery failed: returning message to sender",
        ),
        True,
        "",
        "No such user",
    ),
    "old Gmail": (
        plain_bounce(
            "Delivery to the following recipient failed permanently:\n\n     ada@example.org\n\nTechnical details:\n"
            f"550 5.1.1 unknown account\n\n----- Original message -----\n\nMessage-ID: <{KEY}@example.com>\n",
            "X-Failed-Recipients: ada@example.org",
            subject="Delivery Status Notification (Failure)",
        ),
        True,
        "5.1.1",
        "unknown account",
    ),
    "Exchange, no report": (
        plain_bounce(
            "Delivery has failed to these recipients or groups:\n\nada@example.org\nThe e-mail address you "
            "entered couldn't"
            f" be found.\n\n#550 5.1.10 RESOLVER.ADR.RecipientNotFound ##\n\nOriginal message headers:\n\n"
            f"X-Ripen-Message: {KEY}\n",
            "X-MS-Exchange-Message-Is-Ndr:",
            subject="Undeliverable: Your white paper",
            sender="MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.org",
        ),
        True,
        "5.1.10",
        "couldn't be found",
    ),
    "Postfix, plain": (
        plain_bounce(
            "This is the mail system at host mx.example.net.\n\n<ada@example.org>: host mx.example.org said: 554 5.7.1"
            f" rejected by policy\n\nMessage-ID: <{KEY}@example.com>\n"
        ),
        False,
        "5.7.1",
        "rejected by policy",
    ),
    "sendmail": (
        plain_bounce(
            "   ----- The following addresses had permanent fatal errors -----\n<ada@example.org>\n"
            f"    (reason: 550 5.1.1 User unknown)\n\n> X-Ripen-Message: {KEY}\n",
            subject="Returned mail: see transcript for details",
            sender="Mail Delivery Subsystem <daemon@mx.example.net>",
        ),
        True,
        "5.1.1",
        "User unknown",
    ),
    "German host": (
        plain_bounce(
            "Die Nachricht konnte nicht zugestellt werden.\n\n<ada@example.org>\n552 5.2.2 Postfach voll, "
            "mailbox full\n"
            f"\nX-Ripen-Message: {KEY}\n",
            subject="Unzustellbar: Ihr Whitepaper",
            sender="postmaster@example.org",
        ),
        False,
        "5.2.2",
        "Postfach voll",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOUNCES)
def test_a_bounce_says_whether_the_mailbox_is_gone_and_why(name):
    raw, hard, status, words = BOUNCES[name]
    found = read_mail(raw, NOW)
    assert (found.kind, found.hard, found.status) == ("bounce", hard, status)
    assert words in found.reason
    assert (found.recipient, found.message_key, found.text) == ("ada@example.org", KEY, "")
    assert "@" not in found.reason


DELAYED = {
    "report": report(failed("4.4.1", "connect timed out", "delayed")),
    "Postfix warning": plain_bounce(
        f"This is the mail system at host mx.example.net.\n\nTHIS IS A WARNING MESSAGE ONLY. YOU DO NOT NEED TO "
        f"RESEND.\n\n"
        f"<ada@example.org>: timed out\n\nX-Ripen-Message: {KEY}\n",
        subject="Delayed Mail (still being retried)",
    ),
    "Exim warning": plain_bounce(
        "This message was created automatically by mail delivery software.\nA message that you sent has not yet been"
        f" delivered to\n\n  ada@example.org\n\nX-Ripen-Message: {KEY}\n",
        subject="Warning: message delayed 24 hours",
    ),
}


@pytest.mark.parametrize("name", DELAYED)
def test_a_delay_is_not_a_bounce(name):
    found = read_mail(DELAYED[name], NOW)
    assert (found.kind, found.hard, found.recipient, found.message_key) == ("delayed", None, "ada@example.org", KEY)


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
def test_a_report_of_success_is_nothing_to_act_on(action):
    found = read_mail(report(failed("2.0.0", "250 ok", action)), NOW)
    assert (found.kind, found.hard, found.status) == ("other", None, "")


def test_of_several_recipients_the_worst_is_told():
    found = read_mail(
        report(
            failed("2.0.0", "ok", "relayed", "first@example.org"),
            failed("4.2.2", "full", "delayed", "second@example.org"),
            failed("5.2.2", "full", "failed", "third@example.org"),
            failed("5.1.1", "unknown", "failed", "fourth@example.org"),
        ),
        NOW,
    )
    assert (found.kind, found.hard, found.recipient) == ("bounce", True, "fourth@example.org")


def test_the_address_that_we_wrote_to_counts_not_the_one_it_was_passed_on_to():
    fields = failed().replace("Final-Recipient: rfc822; ada@example.org", "Final-Recipient: rfc822; home@example.net")
    assert read_mail(report(fields), NOW).recipient == "ada@example.org"


def test_a_report_that_cannot_be_read_is_a_soft_bounce():
    found = read_mail(report("complete nonsense"), NOW)
    assert (found.kind, found.hard, found.message_key) == ("bounce", False, KEY)


@pytest.mark.parametrize("header", ["To", "Delivered-To", "X-Original-To"])
def test_a_bounce_without_our_mail_names_it_by_the_address_it_was_sent_to(header):
    raw = report(failed(), returned="", headers=(f"{header}: bounces+{KEY}@example.com",))
    assert read_mail(raw, NOW).message_key == KEY


COMPLAINT = "Feedback-Type: {}\nUser-Agent: Some-Provider/1\nVersion: 1\nOriginal-Rcpt-To: <ada@example.org>\n"


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("abuse", "complaint"),
        ("fraud", "complaint"),
        ("something-new", "complaint"),
        ("opt-out", "unsubscribe"),
        ("not-spam", "other"),
        ("auth-failure", "other"),
    ],
)
def test_a_feedback_report_is_a_complaint_unless_it_says_otherwise(word, kind):
    body = "\n".join(
        [
            "--yy",
            "Content-Type: text/plain",
            "",
            "This is a report.",
            "--yy",
            "Content-Type: message/feedback-report",
            "",
            COMPLAINT.format(word),
            "--yy",
            "Content-Type: message/rfc822",
            "",
            ours_returned(),
            "--yy--",
        ]
    )
    raw = mail(
        "From: feedback@provider.example",
        "Subject: Complaint",
        "Content-Type: multipart/report; report-type=feedback-report; boundary=yy",
        body=body,
        drop=("in-reply-to",),
    )
    found = read_mail(raw, NOW)
    assert (found.kind, found.recipient, found.message_key) == (kind, "ada@example.org", KEY)


def test_a_read_receipt_is_neither_reply_nor_bounce():
    raw = report(
        "Final-Recipient: rfc822;ada@example.org\nDisposition: manual-action/MDN-sent-manually; displayed",
        form="disposition-notification",
        part="message/disposition-notification",
    )
    assert read_mail(raw, NOW).kind == "other"


def test_a_person_who_writes_about_a_bounce_has_replied():
    raw = mail(body="Hi,\nI got this: Undelivered Mail. Your message could not be delivered, 550 5.1.1 no such user.\n")
    found = read_mail(raw, NOW)
    assert (found.kind, found.hard) == ("reply", None)


@pytest.mark.parametrize(
    ("status", "said", "hard"),
    [
        ("5.1.1", "", True),
        ("5.1.0", "", True),
        ("5.1.3", "", True),
        ("5.1.6", "", True),
        ("5.2.1", "", True),
        ("5.4.4", "", True),
        ("5.1.8", "bad sender", False),
        ("5.2.2", "", False),
        ("5.2.3", "", False),
        ("5.4.6", "loop", False),
        ("5.6.1", "", False),
        ("5.7.1", "user unknown", False),
        ("5.0.0", "", False),
        ("5.0.0", "unknown user", True),
        ("4.1.1", "unknown user", False),
        ("", "550 unknown user", True),
        ("", "450 unknown user, try later", False),
        ("nonsense", "", False),
    ],
)
def test_only_a_mailbox_that_is_gone_is_hard(status, said, hard):
    assert is_hard(status, said) is hard
