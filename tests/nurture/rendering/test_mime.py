"""The bytes of a message: what they say when read back, and what they refuse to say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nurture.errors import HeaderInjection, RenderRefused, SkipThis
from nurture.rendering import MailPlan, build_mime, verify_mime, wire_address

PLAN = MailPlan(
    message_id="<0123456789abcdef@mail.example.com>",
    message_key="0123456789abcdef",
    from_name="Anna Berg",
    from_address="anna@example.com",
    to_name="Søren Ærø",
    to_address="soren@example.test",
    reply_to="sales@example.com",
    subject="Tak, fordi du var med",
    text="Hej Søren\n\nTak.\n",
    html="<p>Hej Søren</p>\n",
    date=datetime(2026, 3, 5, 9, 30, tzinfo=UTC),
    list_unsubscribe_url="https://example.com/u/abc",
    list_unsubscribe_mailto="mailto:unsubscribe@example.com?subject=abc",
    feedback_id="wp-thanks:nurture:example",
    precedence="bulk",
    headers={"Auto-Submitted": "no"},
)
HEADERS = [
    "From", "To", "Subject", "Date", "Message-ID", "X-Ripen-Message", "Reply-To", "List-Unsubscribe",
    "List-Unsubscribe-Post", "Feedback-ID", "Precedence", "Auto-Submitted", "MIME-Version", "Content-Type",
]  # fmt: skip

# An encoded word whose decoded text starts a new header: the hole of CVE-2024-6923 and CVE-2026-1299.
ENCODED_BCC = "=?utf-8?q?hi=0ABcc=3A_evil=40example.test?="


def read(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=policy.SMTP)  # type: ignore[return-value]


def built(**changes: Any) -> EmailMessage:
    plan = replace(PLAN, **changes)
    raw = build_mime(plan)
    verify_mime(plan, raw)
    return read(raw)


def test_a_message_has_exactly_the_planned_headers_and_both_parts():
    message = built()
    assert message.keys() == HEADERS
    assert str(message["from"]) == "Anna Berg <anna@example.com>"
    assert [each.addr_spec for each in message["to"].addresses] == ["soren@example.test"]
    assert str(message["date"]) == "Thu, 05 Mar 2026 09:30:00 +0000"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    text, html = (part.get_content().replace("\r\n", "\n") for part in message.iter_parts())
    assert (text, html) == ("Hej Søren\n\nTak.\n", "<p>Hej Søren</p>\n")


def test_one_click_unsubscribe_puts_https_first():
    message = built()
    assert message["List-Unsubscribe"] == "<https://example.com/u/abc>, <mailto:unsubscribe@example.com?subject=abc>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_without_an_unsubscribe_address_there_is_no_such_header():
    message = built(list_unsubscribe_url=None, list_unsubscribe_mailto=None)
    assert [name for name in message if name.startswith("List-")] == []


def test_the_same_plan_gives_the_same_bytes():
    assert build_mime(PLAN) == build_mime(replace(PLAN))


def test_every_line_ends_in_crlf_is_seven_bit_and_not_long():
    raw = build_mime(replace(PLAN, text="æøå 🎉 " * 500 + "\r\nx\ry\n.\n..\n", html="<p>" + "long " * 5000 + "</p>"))
    lines = raw.split(b"\r\n")
    assert raw.isascii()
    assert b"\n" not in b"".join(lines)
    assert b"\r" not in b"".join(lines)
    assert max(map(len, lines)) <= 78


@pytest.mark.parametrize("address", ["https://localhost/u/a", "http://localhost:8000/u/a", "http://127.0.0.1:8000/u/a"])
def test_on_loopback_the_unsubscribe_address_may_be_plain_http(address):
    assert built(list_unsubscribe_url=address)["List-Unsubscribe"].startswith(f"<{address}>")


@pytest.mark.parametrize(
    "subject",
    [
        "x" * 500,
        "word " * 100 + "end",
        "Rødgrød med fløde 🎉 " * 20 + "!",
        "日本語" * 60,
        "two  blanks",
        " leading",
        "trailing ",
        "what =? is ?= it",
        "=?utf-8?q?only_looks_encoded?=",
        'a: b, c <d@e.test>; "f" (g) \\',
        "👨‍👩‍👧‍👦" * 12,
    ],
)
def test_a_subject_reads_back_as_it_was_written(subject):
    message = built(subject=subject)
    assert all(len(line) <= 76 for line in build_mime(replace(PLAN, subject=subject)).split(b"\r\n") if b"=?" in line)
    assert message.keys() == HEADERS


@pytest.mark.parametrize(
    "name",
    [
        "Berg, Anna",
        'Anna "Bo" Berg',
        "anna@other.test",
        "Anna <x@other.test>, Bo <y@other.test>",
        "Anna (the one)",
        "Anna\\",
        "Anna; Bo:",
        "Åse Ærø-Østergård " * 8,
        "=?utf-8?q?Anna?=",
        "李小龍",
        "",
        "x" * 5000,
    ],
)
def test_a_name_never_adds_a_recipient(name):
    message = built(to_name=name, from_name=name)
    assert [each.addr_spec for each in message["to"].addresses] == ["soren@example.test"]
    assert [each.addr_spec for each in message["from"].addresses] == ["anna@example.com"]


HOSTILE_VALUES = [
    "a\nBcc: evil@example.test",
    "a\r\nBcc: evil@example.test",
    "a\rBcc: evil@example.test",
    "a\r\n\r\n<script>",
    "a\x00b",
    "a\x0bb",
    "a\x85Bcc: evil@example.test",
    "a\u2028Bcc: evil@example.test",
    "a\u2029b",
    "half a character \ud800",
    ENCODED_BCC,
    f"Anna {ENCODED_BCC} Berg",
    "=?utf-8?b?aGkKQmNjOiBldmlsQGV4YW1wbGUudGVzdA==?=",
    "=?utf-8?q?a?==?utf-8?q?=0D=0ABcc=3A_evil?=",
    "=?utf-8?q?=3D=3Futf-8=3Fq=3Fhi=3D0ABcc=3A=3F=3D?=",
    "=?utf-7?q?+AAo-Bcc=3A?=",
    "=?bogus?q?x?=",
]


@pytest.mark.parametrize("field", ["to_name", "from_name", "subject", "feedback_id", "extra"])
@pytest.mark.parametrize("value", HOSTILE_VALUES)
def test_a_value_that_could_start_a_header_is_refused_also_when_it_is_encoded(field, value):
    changes: dict[str, Any] = {"headers": {"X-Extra": value}} if field == "extra" else {field: value}
    with pytest.raises(HeaderInjection) as refused:
        build_mime(replace(PLAN, **changes))
    assert "evil" not in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"message_id": "<a@b>\r\nBcc: x@y.test"},
        {"message_id": "a@b"},
        {"message_key": "a b"},
        {"message_key": "a\nb"},
        {"list_unsubscribe_url": "http://example.com/u"},
        {"list_unsubscribe_url": "https://example.com/u>, <mailto:x@y.test"},
        {"list_unsubscribe_url": "https://example.com/u\r\nBcc: x@y.test"},
        {"list_unsubscribe_mailto": "mailto:x@y.test>\r\nBcc: x@y.test"},
        {"precedence": "bulk\r\nBcc: x@y.test"},
        {"headers": {"Bcc": "x@y.test"}},
        {"headers": {"To": "x@y.test"}},
        {"headers": {"Content-Type": "text/plain"}},
        {"headers": {"X-A: b\r\nBcc": "x@y.test"}},
        {"headers": {"": "x"}},
    ],
)
def test_a_plan_that_breaks_out_of_its_header_is_refused(changes):
    with pytest.raises(HeaderInjection):
        build_mime(replace(PLAN, **changes))


@pytest.mark.parametrize(
    "address",
    [
        "no-at-sign", "a@b@c.test", "a@b.test, c@d.test", "a@b.test\nBcc: c@d.test", "Anna <a@b.test>", "a b@c.test",
        "<a@b.test>", "a@b.test>", "søren@example.test", "a@-b.test", "a@" + "b" * 300 + ".test", "x" * 65 + "@b.test",
        "@", ".a@b.test", "a@[127.0.0.1]", "@b.test", "a@b.test\x00",
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["to_address", "from_address", "reply_to"])
def test_an_address_that_is_not_one_plain_address_is_refused(field, address):
    with pytest.raises(RenderRefused) as refused:
        build_mime(replace(PLAN, **{field: address}))
    assert address not in str(refused.value)


def test_a_domain_in_another_alphabet_is_written_in_ascii():
    assert wire_address("info@smørrebrød.dk") == "info@xn--smrrebrd-64af.dk"
    assert [each.addr_spec for each in built(to_address="info@smørrebrød.dk")["to"].addresses] == [
        "info@xn--smrrebrd-64af.dk"
    ]


def test_a_naive_date_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        build_mime(replace(PLAN, date=datetime(2026, 3, 5, 9, 30)))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize(
    "tamper",
    [
        lambda raw: raw.replace(b"Subject:", b"Bcc: evil@example.test\r\nSubject:"),
        lambda raw: raw.replace(b"<soren@example.test>", b"<soren@example.test>, evil@example.test"),
        lambda raw: raw.replace(b"Precedence: bulk\r\n", b""),
        lambda raw: raw.replace(b"Subject: Tak", b"Subject: Tag"),
        lambda raw: raw.replace(b"anna@example.com", b"evil@example.com"),
        lambda raw: raw.replace(b"Hej S", b"Dav S", 1),
        lambda raw: raw.replace(b"09:30:00", b"09:31:00"),
        lambda raw: raw.replace(b"text/html", b"text/plain"),
    ],
)
def test_reading_the_message_back_finds_every_difference(tamper):
    raw = build_mime(PLAN)
    changed = tamper(raw)
    assert changed != raw
    with pytest.raises(HeaderInjection):
        verify_mime(PLAN, changed)


NO_LINE_ENDS = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
SPECIALS = st.sampled_from('=?_<>@,;:"\\()[] \t.')
VALUE = st.text(NO_LINE_ENDS | SPECIALS.filter(lambda sign: sign != "\t"), max_size=120)
BODY = st.text(st.characters(exclude_categories=["Cs"]) | SPECIALS, min_size=1, max_size=400)
FIELDS = st.fixed_dictionaries(
    {
        "to_name": VALUE,
        "from_name": VALUE,
        "subject": VALUE,
        "feedback_id": VALUE,
        "extra": VALUE,
        "text": BODY,
        "html": BODY,
    }
)


def plan_with(fields: dict[str, str]) -> MailPlan:
    changes: dict[str, Any] = dict(fields)
    return replace(PLAN, headers={"Auto-Submitted": changes.pop("extra")}, **changes)


@given(FIELDS)
def test_whatever_the_fields_hold_the_headers_are_the_planned_ones_and_the_recipient_is_one(fields):
    plan = plan_with(fields)
    try:
        raw = build_mime(plan)
    except HeaderInjection:
        assert any("=?" in value for value in fields.values())
        return
    message = read(raw)
    assert message.keys() == [name for name in HEADERS if plan.feedback_id or name != "Feedback-ID"]
    assert [each.addr_spec for each in message["to"].addresses] == ["soren@example.test"]
    assert raw.isascii()
    verify_mime(plan, raw)


@given(FIELDS, st.sampled_from(["to_name", "from_name", "subject", "extra"]), st.text(max_size=200))
def test_whatever_the_signs_in_a_field_nothing_is_added_to_the_headers(fields, field, value):
    try:
        raw = build_mime(plan_with(fields | {field: value, "feedback_id": "x"}))
    except SkipThis:
        return
    assert read(raw).keys() == HEADERS
    assert raw.count(b"\nTo:") == 1
    assert raw.split(b"\r\n\r\n")[0].lower().count(b"\nbcc:") == 0


@given(st.text(max_size=60))
def test_whatever_stands_as_address_is_refused_or_is_the_only_recipient(address):
    try:
        raw = build_mime(replace(PLAN, to_address=address))
    except SkipThis:
        return
    message = read(raw)
    assert message.keys() == HEADERS
    assert [each.addr_spec for each in message["to"].addresses] == [wire_address(address)]
