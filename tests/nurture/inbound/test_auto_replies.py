"""What no person wrote is no reply, whatever language it speaks; and no person is taken for a machine."""

from __future__ import annotations

import pytest

from nurture.inbound import read_mail
from tests.nurture.inbound.mails import KEY, NOW, mail

AWAY = "I am away until Monday.\n"

AUTOMATIC = {
    "RFC 3834": mail("Auto-Submitted: auto-replied", body=AWAY),
    "RFC 3834 with a comment": mail("Auto-Submitted: auto-replied; owner-email=ada@example.org", body=AWAY),
    "generated": mail("Auto-Submitted: auto-generated", body=AWAY),
    "X-Autoreply": mail("X-Autoreply: yes", body=AWAY),
    "X-Autorespond": mail("X-Autorespond: vacation", body=AWAY),
    "Precedence auto_reply": mail("Precedence: auto_reply", body=AWAY),
    "Precedence bulk": mail("Precedence: bulk", body=AWAY),
    "Precedence junk": mail("Precedence: junk", body=AWAY),
    "null sender": mail("Return-Path: <>", body=AWAY),
    "Exchange rule": mail("X-MS-Exchange-Inbox-Rules-Loop: ada@example.org", body=AWAY),
    "Exchange": mail("X-Auto-Response-Suppress: All", body=AWAY),
    "Exchange, in part": mail("X-Auto-Response-Suppress: DR, OOF, AutoReply", body=AWAY),
    "a program's address": mail("From: noreply@example.org", body=AWAY),
    "English": mail("Subject: Out of Office: Your white paper", body=AWAY),
    "English, Outlook": mail("Subject: Automatic reply: Your white paper", body=AWAY),
    "Danish": mail("Subject: Automatisk svar: Dit whitepaper", body=AWAY),
    "Danish, short": mail("Subject: Autosvar", body=AWAY),
    "Danish, away": mail("Subject: =?utf-8?q?Frav=C3=A6rende?=", body=AWAY),
    "German": mail("Subject: Abwesenheitsnotiz: Ihr Whitepaper", body=AWAY),
    "German, Outlook": mail("Subject: Automatische Antwort: Ihr Whitepaper", body=AWAY),
    "Swedish": mail("Subject: =?utf-8?q?Fr=C3=A5nvaromeddelande?=", body=AWAY),
    "Norwegian": mail("Subject: =?utf-8?q?Frav=C3=A6rsmelding=3A_til_mandag?=", body=AWAY),
    "French": mail("Subject: =?utf-8?q?R=C3=A9ponse_automatique_=3A_votre_livre?=", body=AWAY),
    "Dutch": mail("Subject: Automatisch antwoord: uw whitepaper", body=AWAY),
    "after Re:": mail("Subject: AW: Out of Office", body=AWAY),
}


@pytest.mark.parametrize("name", AUTOMATIC)
def test_an_automatic_answer_is_not_a_reply(name):
    found = read_mail(AUTOMATIC[name], NOW)
    assert (found.kind, found.message_key, found.text) == ("auto_reply", KEY, AWAY.strip())


@pytest.mark.parametrize(
    "headers",
    [
        ("Auto-Submitted: no",),
        ("X-Auto-Response-Suppress: DR, RN, NRN",),
        ("Precedence: first-class",),
        ("Subject: Re: our office is out of paper",),
        ("Subject: Is this an automatic thing?",),
        ("Subject: Feriehus og whitepaper",),
    ],
)
def test_a_person_is_not_taken_for_a_machine(headers):
    assert read_mail(mail(*headers), NOW).kind == "reply"


def test_an_out_of_office_reply_that_names_no_mail_is_one_all_the_same():
    found = read_mail(mail("Subject: Out of office", body=AWAY, drop=("in-reply-to",)), NOW)
    assert (found.kind, found.message_key, found.sender) == ("auto_reply", None, "ada@example.org")


@pytest.mark.parametrize(
    "headers",
    [
        ("Precedence: bulk", "Subject: Spring offers"),
        ("Auto-Submitted: auto-generated", "Subject: Nightly backup done"),
    ],
)
def test_what_a_program_sends_of_its_own_answers_nothing(headers):
    assert read_mail(mail(*headers, drop=("in-reply-to",)), NOW).kind == "other"


@pytest.mark.parametrize(
    "header", ["List-Id: <talk.example.org>", "List-Post: <mailto:talk@example.org>", "Precedence: list"]
)
def test_mail_of_a_list_is_never_a_reply(header):
    assert read_mail(mail(header), NOW).kind == "other"


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ((f"To: unsubscribe+{KEY}@example.com", "Subject: anything"), KEY),
        (("To: unsubscribe@example.com", "Subject: x"), None),
        (("Subject: unsubscribe",), None),
        (("Subject: Unsubscribe.",), None),
        ((f"Subject: unsubscribe {KEY}",), KEY),
        (("Subject: Afmeld",), None),
    ],
)
def test_a_mail_to_the_unsubscribe_address_or_titled_so_unsubscribes(headers, key):
    found = read_mail(mail(*headers, drop=("in-reply-to",)), NOW)
    assert (found.kind, found.message_key, found.sender) == ("unsubscribe", key, "ada@example.org")


def test_an_out_of_office_reply_to_the_unsubscribe_address_unsubscribes_nobody():
    raw = mail(f"To: unsubscribe+{KEY}@example.com", "Auto-Submitted: auto-replied", "Subject: Away")
    assert read_mail(raw, NOW).kind == "auto_reply"


@pytest.mark.parametrize(
    "subject", ["Re: How to unsubscribe?", "Please unsubscribe my colleague from the fair", "Re: Hello"]
)
def test_a_question_about_unsubscribing_is_for_a_person(subject):
    assert read_mail(mail(f"Subject: {subject}"), NOW).kind == "reply"
