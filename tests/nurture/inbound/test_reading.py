"""Replies: whose message they answer, when, and what is new in them; and no bytes that could stop the reading."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nurture.inbound import InboundMail, read_mail
from nurture.inbound.quoting import MAX_REPLY
from tests.nurture.inbound.mails import KEY, NOW, failed, mail, report

OTHER_KEY = "f" * 40


@pytest.mark.parametrize(
    "headers",
    [
        (f"In-Reply-To: <{KEY}@mail.example.com>",),
        (f"References: <x@example.org> <{KEY}@example.com> <y@example.org>",),
        (f"References: <{OTHER_KEY}@example.com>\n <{KEY}@example.com>",),
        (f"To: Northwind <reply+{KEY}@example.com>",),
        (f"Delivered-To: reply+{KEY}@example.com",),
        (f"X-Original-To: reply+{KEY}=x@example.com",),
    ],
)
def test_a_reply_names_our_message(headers):
    found = read_mail(mail(*headers, drop=("in-reply-to",)), NOW)
    assert (found.kind, found.message_key) == ("reply", KEY)


@pytest.mark.parametrize(
    "header",
    [
        "In-Reply-To: <short@example.com>",
        f"In-Reply-To: <{KEY}0@example.com>",
        f"In-Reply-To: <{KEY.upper()}@example.com>",
        "In-Reply-To:",
    ],
)
def test_other_ids_are_no_keys(header):
    assert read_mail(mail(header), NOW).message_key is None


def test_a_reply_tells_who_what_and_when():
    raw = mail(
        "Subject: =?utf-8?q?Re=3A_Din_pr=C3=B8ve?=",
        "From: =?utf-8?q?Bo_S=C3=B8rensen?= <Bo@Example.org>",
        body="Ja tak – på torsdag.\n",
    )
    assert read_mail(raw, NOW) == InboundMail(
        kind="reply",
        mail_id="answer-1@example.org",
        occurred_at=datetime(2026, 3, 2, 8, 30, tzinfo=UTC),
        message_key=KEY,
        sender="bo@example.org",
        subject="Re: Din prøve",
        text="Ja tak – på torsdag.",
    )


def test_the_time_is_our_servers_and_never_after_now():
    received = "Received: from a by b; Mon, 2 Mar 2026 08:45:00 +0000"
    assert read_mail(mail(received), NOW).occurred_at == datetime(2026, 3, 2, 8, 45, tzinfo=UTC)
    for date in (
        "Tue, 03 Mar 2037 09:30:00 +0100",
        "yesterday",
        "",
        "Mon, 02 Mar 1926 09:30:00 +0100",
        "Thu, 99 Foo 2026",
    ):
        assert read_mail(mail(f"Date: {date}"), NOW).occurred_at == NOW


def test_a_mail_without_id_is_known_by_its_bytes():
    raw = mail(drop=("message-id",))
    assert read_mail(raw, NOW).mail_id == read_mail(raw, NOW).mail_id
    assert read_mail(raw, NOW).mail_id.startswith("sha256:")
    assert read_mail(raw + b"x", NOW).mail_id != read_mail(raw, NOW).mail_id
    assert read_mail(mail("Message-ID: <" + "x" * 300 + "@example.org>"), NOW).mail_id.startswith("sha256:")


NEW = "Thursday suits me.\n\nAda"
HISTORIES = {
    "Gmail": "\nOn Mon, Mar 2, 2026 at 9:12 AM Northwind <hello@example.com> wrote:\n\n> Here it is.\n> Bye\n",
    "Gmail, broken line": "\nOn Mon, Mar 2, 2026 at 9:12 AM Northwind Instruments and Friends <\n"
    "hello@example.com> wrote:\n\n> Here\n",
    "Gmail, Danish": "\nDen man. 2. mar. 2026 kl. 09.12 skrev Northwind <hello@example.com>:\n\n> Her\n",
    "Gmail, German": "\nAm Mo., 2. März 2026 um 09:12 Uhr schrieb Northwind <hello@example.com>:\n\n> Hier\n",
    "Gmail, French": "\nLe lun. 2 mars 2026 à 09:12, Northwind <hello@example.com> a écrit :\n\n> Voilà\n",
    "Gmail, Dutch": "\nOp ma 2 mrt 2026 om 09:12 schreef Northwind <hello@example.com>:\n\n> Hier\n",
    "Apple Mail": "\n> On 2 Mar 2026, at 09.12, Northwind <hello@example.com> wrote:\n> \n> Here it is.\n",
    "Apple Mail, Danish": "\n> Den 2. mar. 2026 kl. 09.12 skrev Northwind <hello@example.com>:\n> \n> Her\n",
    "Thunderbird, unquoted": "\nOn 02/03/2026 09:12, Northwind wrote:\nHere it is.\n",
    "Outlook": "\nFrom: Northwind <hello@example.com>\nSent: Monday, March 2, 2026 9:12 AM\nTo: Ada\nSubject: "
    "Paper\n\nHere it is.\n",
    "Outlook, line": "\n________________________________\nFrom: Northwind <hello@example.com>\nSent: Monday\n"
    "To: Ada\n\nHere\n",
    "Outlook, German": "\nVon: Northwind <hello@example.com>\nGesendet: Montag, 2. März 2026 09:12\nAn: Ada\n"
    "Betreff: Paper\n\nHier\n",
    "Outlook, Danish": "\nFra: Northwind <hello@example.com>\nSendt: 2. marts 2026 09:12\nTil: Ada\nEmne: "
    "Paper\n\nHer\n",
    "Outlook, old": "\n-----Original Message-----\nFrom: Northwind\nSent: Monday\n\nHere\n",
    "Outlook, old German": "\n-----Ursprüngliche Nachricht-----\nVon: Northwind\n\nHier\n",
    "Outlook, old Danish": "\n-----Oprindelig meddelelse-----\nFra: Northwind\n\nHer\n",
    "signature": "\n-- \nAda Holm\nHead of Laboratory\n+45 12 34 56 78\n",
    "telephone": "\nSent from my iPhone\n",
    "telephone, Danish": "\nSendt fra min iPhone\n\nDen 2. mar. 2026 kl. 09.12 skrev Northwind "
    "<hello@example.com>:\n\nHer\n",
}


@pytest.mark.parametrize("name", HISTORIES)
def test_only_what_is_new_is_kept(name):
    assert read_mail(mail(body=NEW + "\n" + HISTORIES[name]), NOW).text == NEW


def test_answers_between_the_quoted_lines_are_kept():
    body = "On Monday, 2 March 2026, Northwind wrote:\n> Which day?\nThursday.\n> And where?\nHere.\n-- \nAda\n"
    assert read_mail(mail(body=body), NOW).text == "Thursday.\nHere."


def test_words_that_look_like_an_attribution_stay():
    body = "On reflection, yes.\nFrom: here to there it takes an hour.\nDen gode nyhed: vi kommer.\n"
    assert read_mail(mail(body=body), NOW).text == body.strip()


@pytest.mark.parametrize(
    "html",
    [
        '<p>Thursday suits me.</p><p>Ada</p><div class="gmail_quote">On Monday <blockquote>Here</blockquote></div>',
        "<div>Thursday suits me.</div><div><br></div><div>Ada</div><div "
        'id="appendonsend"></div><hr><b>From:</b> Northwind',
        "<style>p{color:red}</style>Thursday suits me.<br><br>Ada<blockquote type=cite>Here it is</blockquote>",
        '<p>Thursday suits me.</p><p>Ada</p><div style="border:none;border-top:solid #E1E1E1 1.0pt">From: '
        "Northwind</div>",
    ],
)
def test_a_reply_in_html_alone_is_read_without_its_history(html):
    raw = mail("Content-Type: text/html; charset=utf-8", body=html)
    assert [line for line in read_mail(raw, NOW).text.splitlines() if line] == ["Thursday suits me.", "Ada"]


def test_text_goes_before_html_and_has_an_end():
    body = "--b\nContent-Type: text/plain\n\nYes, please\n--b\nContent-Type: text/html\n\n<p>No</p>\n--b--\n"
    assert read_mail(mail("Content-Type: multipart/alternative; boundary=b", body=body), NOW).text == "Yes, please"
    assert len(read_mail(mail(body="word " * 10_000), NOW).text) <= MAX_REPLY


@pytest.mark.parametrize("charset", ["iso-8859-1", "x-nonsense", "utf-16", ""])
def test_any_declared_encoding_gives_text(charset):
    raw = mail(f"Content-Type: text/plain; charset={charset}", body="") + "Grüße".encode("latin-1")
    assert read_mail(raw, NOW).kind == "reply"


def test_a_mail_from_nobody_is_nothing_to_act_on():
    assert read_mail(mail("From:"), NOW).kind == "other"
    assert read_mail(b"", NOW).kind == "other"


# --- Whatever comes ---------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        b"\r\n",
        b"\n\n",
        b"--xx\n",
        b"--xx--\n",
        b"Content-Type: multipart/report; boundary=xx\n",
        b"Content-Type: message/rfc822\n\n",
        b"Content-Type: message/delivery-status\n\n",
        b"Content-Type: text/html; charset=\xff\n\n",
        b"Action: failed\nStatus: 5.1.1\n",
        b"Final-Recipient: rfc822;a@example.org\n",
        b"From: a@example.org\n",
        b"From: =?utf-8?q?=ff?= <\x00>\n",
        b"Subject: =?x?b?????=\n",
        b"Date: 99 99 99\n",
        b"Received: ;;;\n",
        b"Content-Transfer-Encoding: base64\n",
        b"Content-Transfer-Encoding: uuencode\n",
        b"References: <",
        KEY.encode(),
        b"@example.com>\n",
        b"Auto-Submitted: auto-replied\n",
        b"> ",
        b"On x wrote:\n",
        b"Content-Type: multipart/digest; boundary*0=x; boundary*1=x\n",
        b"Feedback-Type: abuse\n",
        "æ\u2028".encode(),
    ]
)


def check(raw: bytes) -> None:
    found = read_mail(raw, NOW)
    assert found.occurred_at <= NOW
    assert 1 <= len(found.mail_id) <= 200
    assert len(found.text) <= MAX_REPLY
    for text in (found.text, found.subject, found.reason, found.sender, found.recipient, found.mail_id):
        text.encode()
        assert "\x00" not in text
    assert (found.hard is not None) == (found.kind == "bounce")
    assert "@" not in found.reason


@given(st.binary(max_size=2_000))
def test_no_bytes_raise(raw):
    check(raw)


@given(st.lists(PIECES | st.binary(max_size=20), max_size=60).map(b"".join))
def test_no_pieces_of_mail_raise(raw):
    check(raw)


@given(st.sampled_from([mail(), report(failed())]), st.integers(0, 1_500), st.integers(0, 50), st.binary(max_size=10))
def test_no_damage_to_a_real_mail_raises(raw, place, length, more):
    check(raw[:place] + more + raw[place + length :])


NESTED = b"From: a@example.org\n" + b"Content-Type: message/rfc822\n\n" * 30_000
HOSTILE = {
    "nested mails": NESTED,
    "nested parts": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(20_000)),
    "many parts": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 200_000,
    "many headers": b"a:b\n" * 300_000,
    "one long header": b"References: " + b"<x@example.org> " * 60_000,
    "encoded words": b"Subject: " + b"=?utf-8?q?" * 100_000,
    "open tags": b"From: a@example.org\nContent-Type: text/html\n\n" + b"<a " * 300_000,
    "open brackets": b"From: a@example.org\nContent-Type: text/html\n\n" + b"<" * 900_000,
    "attributions": b"From: a@example.org\n\n" + b"On x <\n" * 140_000,
    "addresses": b"To: " + b"(" * 900_000,
    "quoted names": b"From: " + b'"a" ' * 200_000,
    "bounce of words": b"From: mailer-daemon@example.org\n\n" + b"Your message " * 70_000,
    "addresses in a bounce": b"From: mailer-daemon@example.org\n\n"
    b"This is the mail system at host\n" + b"a.a.a.a" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_mail_made_to_take_long_does_not(name):
    begun = time.process_time()
    check(HOSTILE[name])
    assert time.process_time() - begun < 3, "the work grows faster than the mail"
