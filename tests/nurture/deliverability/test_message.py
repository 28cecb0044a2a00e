"""Each rule about a mail: one that keeps them all, and for each rule one that breaks it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given as each
from hypothesis import strategies as st

from nurture.deliverability.message import MESSAGE_RULES, check_message
from nurture.errors import BadInput
from nurture.rendering.mime import build_mime
from tests.nurture.deliverability.letters import (
    HTML,
    NOW,
    SIGNED,
    STOP,
    TEXT,
    ZONE,
    given,
    good,
    looking_in,
    plan,
    signed,
)

PLAIN = build_mime(plan())


def built(**changed) -> bytes:
    return build_mime(plan(**changed))


def html(*pairs: tuple[str, str]) -> bytes:
    """The mail with another HTML part."""
    changed = HTML
    for old, new in pairs:
        assert old in changed
        changed = changed.replace(old, new)
    return built(html=changed)


def more_html(more: str) -> bytes:
    return html(("</body>", f"{more}</body>"))


def head(old: bytes, new: bytes) -> bytes:
    """The mail with another header."""
    assert old in PLAIN
    return PLAIN.replace(old, new, 1)


def linking(url: str) -> bytes:
    return more_html(f'<a href="{url}">More</a>')


ADA = "ada@example.org"
TWO = b"Subject: Your white paper about calibration\r\n"
BAD: dict[str, list[bytes]] = {
    "from": [head(b"From: ", b"X-From: "), b"From: a@example.com\r\n" + PLAIN],
    "to": [head(b"To: ", b"To: Bo <bo@example.org>, "), head(b"To: ", b"X-To: ")],
    "subject": [head(TWO, b"Subject: \r\n"), head(TWO, TWO * 2), head(TWO, b"")],
    "date": [head(b"Date: ", b"Date: sometime "), head(b"+0000", b"-0000"), head(b"Date: ", b"X-Date: ")],
    "message-id": [head(b"Message-ID: <", b"Message-ID: "), head(b"Message-ID: ", b"X-ID: ")],
    "mime-version": [head(b"MIME-Version: 1.0", b"MIME-Version: 2.0"), head(b"MIME-Version: 1.0\r\n", b"")],
    "no-bcc": [b"Bcc: bo@example.org\r\n" + PLAIN],
    "header-injection": [
        head(b"Subject: ", b"Reply-To: a@example.com\r\nReply-To: b@example.com\r\nSubject: "),
        head(TWO, b"Subject: =?utf-8?b?SGVsbG8NCkJjYzogYm9AZXhhbXBsZS5vcmc=?=\r\n"),
    ],
    "encoded-words": [
        head(TWO, b"Subject: =?utf-8?q?=ff=fe?=\r\n"),
        head(TWO, b"Subject: =?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=\r\n"),
    ],
    "from-domain": [head(b"hello@example.com", b"hello@gmail.com")],
    "reply-to-alignment": [built(reply_to="sales@example.net")],
    "subject-length": [built(subject="Your white paper about calibration " * 3)],
    "subject-shouting": [built(subject="YOUR WHITE PAPER IS HERE"), built(subject="Your white paper!!")],
    "feedback-id": [built(feedback_id=None), built(feedback_id="a:b:c:d:ripen"), built(feedback_id="papers:thanks:me")],
    "precedence": [b"Precedence: junk\r\n" + PLAIN],
    "auto-submitted": [b"Auto-Submitted: auto-generated\r\n" + PLAIN],
    "list-unsubscribe": [
        built(list_unsubscribe_url=None),
        built(list_unsubscribe_url=None, list_unsubscribe_mailto="mailto:unsubscribe@example.com"),
        head(b"List-Unsubscribe: <https:", b"List-Unsubscribe: <http:"),
        b"List-Unsubscribe: <https://example.com/>\r\n" + PLAIN,
    ],
    "one-click": [
        head(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", b""),
        head(b"=One-Click", b"=Two-Clicks"),
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" + PLAIN,
    ],
    "unsubscribe-link": [
        html((f'<a href="{STOP}">Unsubscribe</a>', "")),
        built(text=TEXT.replace(f"Unsubscribe: {STOP}", "Bye")),
    ],
    "postal-address": [html(("1 Example Street", "A street")), built(text=TEXT.replace("1000 Exampletown", ""))],
    "dkim-signature": [
        PLAIN,
        good().replace(b"a=rsa-sha256", b"a=rsa-sha1", 1),
        good().replace(b"bh=", b"xx=", 1),
        good().replace(b"s=s1;", b"s=s1; l=10;", 1),
        good().replace(b"s=s1;", b"s=s1; x=1000;", 1),
    ],
    "dkim-covers": [
        signed(PLAIN, headers=[name for name in SIGNED if name != missing])
        for missing in ("Subject", "To", "List-Unsubscribe", "List-Unsubscribe-Post", "Content-Type")
    ],
    "dkim-alignment": [signed(PLAIN, domain="provider.example")],
    "dkim-verifies": [
        good().replace(b"white paper", b"black paper", 1),
        good().replace(b"yearly", b"daily", 1),
        signed(PLAIN, domain="sub.example.com"),
    ],
    "two-parts": [PLAIN.replace(b"Content-Type: text/plain", b"Content-Type: text/enriched", 1)],
    "text-not-empty": [built(text="Hello\n")],
    "utf-8": [PLAIN.replace(b'text/plain; charset="utf-8"', b'text/plain; charset="iso-8859-1"', 1)],
    "parts-agree": [built(text=f"Please read this mail in another program. {STOP}\n")],
    "html-size": [more_html("<p>A word.</p>" * 8_000)],
    "preheader": [html(('<div style="display:none">Which instruments need a yearly check</div>', ""))],
    "images-alt": [html((' alt="The cover"', ""))],
    "image-ratio": [more_html('<img src="https://www.example.com/x.png" alt="">' * 10)],
    "tracking-pixel": [
        more_html('<img src="https://www.example.com/o.gif" alt="" width="1" height="1">'),
        more_html('<img src="https://www.example.com/o.gif" alt="" style="display:none">'),
    ],
    "no-active-content": [
        more_html("<script>x()</script>"),
        more_html("<form action='https://example.com'></form>"),
        more_html("<iframe src='https://example.com'></iframe>"),
        more_html("<object></object>"),
        more_html("<p onclick='x()'>x</p>"),
        more_html("<a href='javascript:x()'>x</a>"),
        more_html('<meta http-equiv="refresh" content="0">'),
    ],
    "links-https": [
        linking("http://www.example.com/"),
        linking("/paper"),
        more_html('<img src="http://x.example/a" alt="">'),
    ],
    "links-no-shortener": [linking("https://bit.ly/abc"), built(text=TEXT + "https://t.co/abc\n")],
    "links-no-ip": [
        linking("https://192.0.2.7/x"),
        linking("https://[2001:db8::1]/x"),
        linking("https://3221225985/x"),
    ],
    "links-no-address": [
        linking(f"https://www.example.com/?to={ADA}"),
        linking("https://www.example.com/?to=ADA%40Example.org"),
        linking("https://www.example.com/?to=ada%2540example.org"),
        linking("https://www.example.com/?from=bo@example.net"),
        linking(f"https://www.example.com/{base64.b64encode(ADA.encode()).decode()}"),
        linking(f"https://www.example.com/{base64.urlsafe_b64encode(b'id=7&to=' + ADA.encode()).decode().rstrip('=')}"),
        linking(f"https://www.example.com/{ADA.encode().hex()}"),
        linking(f"https://www.example.com/{hashlib.sha1(ADA.encode(), usedforsecurity=False).hexdigest()}"),
        linking(f"https://www.example.com/{hashlib.sha256(ADA.encode()).hexdigest()}"),
        more_html(f'<img src="https://www.example.com/o.gif?{ADA}" alt="x">'),
    ],
    "links-honest": [more_html('<a href="https://other.example/">www.example.com</a>')],
    "line-length": [PLAIN + b"x" * 999 + b"\r\n"],
    "line-ends": [PLAIN + b"a\rb\r\n", PLAIN + b"a\nb\r\n"],
    "seven-bit": [head(b"Your white", "Dit hvidbøg".encode()), PLAIN + b"\x00"],
}
CASES = [(name, raw) for name, several in BAD.items() for raw in several]


def failing(raw: bytes, **changed) -> set[str]:
    return {check.name for check in check_message(raw, given(**changed)) if not check.ok}


def test_a_mail_of_ours_that_is_signed_keeps_every_rule():
    checks = check_message(good(), given())
    assert [check for check in checks if not check.ok] == []
    # `links-honest` is about links whose words are a host; the good mail has none.
    assert {rule.name for rule in MESSAGE_RULES} - {check.name for check in checks} == {"links-honest"}
    assert all(check.found and not check.remedy for check in checks)


def test_every_rule_has_a_mail_that_breaks_it():
    assert set(BAD) == {rule.name for rule in MESSAGE_RULES}


@pytest.mark.parametrize(("name", "raw"), CASES, ids=[f"{name}-{number}" for number, (name, _) in enumerate(CASES)])
def test_a_mail_that_breaks_a_rule_is_told_so_with_a_remedy(name, raw):
    (check,) = (each for each in check_message(raw, given()) if each.name == name)
    assert not check.ok
    assert check.found
    assert len(check.remedy) > 5
    assert "ada@" not in check.found.lower() + check.remedy.lower(), "what is told holds no reader's address"


def test_a_receipt_needs_no_way_out():
    raw = built(list_unsubscribe_url=None, feedback_id=None, html=HTML.replace("Unsubscribe", "x"))
    broken = {"list-unsubscribe", "one-click", "feedback-id", "auto-submitted", "postal-address", "unsubscribe-link"}
    assert not failing(b"Auto-Submitted: auto-generated\r\n" + raw, transactional=True) & broken
    assert failing(raw) & broken


def test_a_pixel_that_is_meant_is_no_fault():
    raw = BAD["tracking-pixel"][0]
    assert "tracking-pixel" not in failing(raw, pixel_allowed=True)


def test_a_signature_is_verified_only_where_dns_may_be_asked():
    names = {check.name for check in check_message(good(), given(lookup=None))}
    assert "dkim-verifies" not in names
    assert "dkim-verifies" in failing(good(), lookup=looking_in({}))


def test_an_additional_signature_of_the_provider_does_no_harm():
    raw = signed(good(), domain="provider.example")
    zone = ZONE | {("s1._domainkey.provider.example", "TXT"): ZONE["s1._domainkey.example.com", "TXT"]}
    assert not failing(raw, lookup=looking_in(zone)) & {"dkim-alignment", "dkim-covers", "dkim-verifies"}


def test_a_file_saved_with_the_line_ends_of_the_system_is_the_same_mail():
    assert failing(good().replace(b"\r\n", b"\n")) == set()


def test_a_hidden_first_line_may_be_hidden_by_a_style_sheet():
    styled = HTML.replace("<body>", "<style>.pre { display: none }</style><body>").replace(
        '<div style="display:none">', '<div class="pre">'
    )
    assert "preheader" not in failing(built(html=styled))


def test_words_in_a_cell_without_letter_size_are_read_when_they_have_one_themselves():
    """MJML writes every cell so, to get rid of gaps."""
    cell = HTML.replace("<body>", '<body><div style="font-size:0px">').replace("</body>", "</div></body>")
    assert {"text-not-empty", "parts-agree"} & failing(built(html=cell))
    inner = cell.replace('font-size:0px">', 'font-size:0px"><div style="font-size:0.9em">').replace(
        "</div></body>", "</div></div></body>"
    )
    assert not failing(built(html=inner)) & {"parts-agree", "postal-address", "preheader"}


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n\r\n", b"Hello there", b"\x89PNG\r\n", b"{}", b"x" * (20 * 1024 * 1024 + 1)]
)
def test_what_is_no_mail_is_said_to_be_none(raw):
    with pytest.raises(BadInput):
        check_message(raw, given())


@each(st.binary(max_size=400), st.integers(0, len(good())))
def test_no_damage_stops_the_looking(more, place):
    raw = good()[:place] + more + good()[place + len(more) :]
    try:
        checks = check_message(raw, replace(given(), now=NOW))
    except BadInput:
        return
    assert all(check.found for check in checks)


@each(st.text(max_size=300))
def test_any_html_is_looked_at(text):
    raw = b"From: a@example.com\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + text.encode()
    assert check_message(raw, given())
