"""SendGrid: each of its words, its ids, its groups and parsed inbound mail."""

from __future__ import annotations

import pytest

from connectors.email.webhooks import build_webhook_reader
from connectors.email.webhooks.sendgrid import WORDS
from tests.connectors.email.webhooks.senders import KEY, NOW, by_sendgrid, ec_secret, one_fact, said


def event(word: str, **more: object) -> dict[str, object]:
    """An event."""
    return {
        "event": word,
        "email": "ada@example.com",
        "timestamp": 1772618460,
        "sg_event_id": "an-event-id==",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        "ripen": KEY,
    } | more


EXAMPLES = [
    ("processed", event("processed"), "queued", None),
    ("deferred", event("deferred"), "deferred", None),
    ("delivered", event("delivered"), "delivered", None),
    ("bounce", event("bounce"), "bounced", True),
    ("bounce / bounce", event("bounce", type="bounce"), "bounced", True),
    ("bounce / blocked", event("bounce", type="blocked"), "bounced", False),
    ("bounce / expired", event("bounce", type="expired"), "bounced", False),
    ("blocked", event("blocked"), "bounced", False),
    ("dropped", event("dropped", reason="Something new"), "rejected", False),
    ("dropped / Bounced Address", event("dropped", reason="Bounced Address"), "rejected", True),
    ("dropped / Spam Reporting Address", event("dropped", reason="Spam Reporting Address"), "rejected", True),
    ("dropped / Unsubscribed Address", event("dropped", reason="Unsubscribed Address"), "rejected", True),
    ("dropped / Invalid", event("dropped", reason="Invalid"), "rejected", True),
    ("dropped / Invalid SMTPAPI header", event("dropped", reason="Invalid SMTPAPI header"), "rejected", False),
    (
        "dropped / Spam Content",
        event("dropped", reason="Spam Content (if Spam Checker app is enabled)"),
        "rejected",
        False,
    ),
    (
        "dropped / Recipient List over Package Quota",
        event("dropped", reason="Recipient List over Package Quota"),
        "rejected",
        False,
    ),
    ("open", event("open", sg_machine_open=False), "opened", None),
    ("open / machine", event("open", sg_machine_open=True), "opened", None),
    ("click", event("click", url="https://example.com/a"), "clicked", None),
    ("spamreport", event("spamreport"), "complained", None),
    ("unsubscribe", event("unsubscribe"), "unsubscribed", None),
    ("resubscribe", event("resubscribe"), "subscribed", None),
    ("group_unsubscribe", event("group_unsubscribe", asm_group_id=10), "unsubscribed", None),
    ("group_resubscribe", event("group_resubscribe", asm_group_id=10), "subscribed", None),
    ("account_status_change", event("account_status_change"), "unknown", None),
]


@pytest.mark.parametrize(("word", "given", "kind", "hard"), EXAMPLES, ids=[each[0] for each in EXAMPLES])
def test_each_word_becomes_ours(word, given, kind, hard):
    fact = one_fact("sendgrid", [given])
    assert said(fact) == (kind, hard, word == "open / machine")
    assert (fact.message_key, fact.recipient, fact.fact_id) == (KEY, "ada@example.com", "an-event-id==")
    assert fact.unsubscribed_from == ("10" if word.startswith("group_") else None)


def test_every_word_has_an_example():
    # Inbound mail comes as a form, see below.
    assert [each[0] for each in EXAMPLES] == [word for word in WORDS if not word.startswith("inbound")]


@pytest.mark.parametrize(
    ("message_id", "smtp_id", "sent_id"),
    [
        ("14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0", None, "14c5d75ce93.dfd.64b469"),
        ("LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b-kmzbl-18-5F5FC76C-9.0", None, "LRzXl_NHStOGhQ4kofSm_A"),
        ("a-Bc.recvd-7f8b9-x-1.0", None, "a-Bc"),
        ("plain-id", None, "plain-id"),
        ("filter0093p1las1.9128.5717FB8127.0", "<wrfRRvF7Q0GgwUo2@ismtpd0006p1sjc2.sendgrid.net>", "wrfRRvF7Q0GgwUo2"),
        ("filter0093p1las1.9128.5717FB8127.0", "<somebody@example.com>", None),
        (None, None, None),
    ],
)
def test_the_id_is_the_one_that_the_send_api_returned(message_id, smtp_id, sent_id):
    given = event("dropped") | {"sg_message_id": message_id, "smtp-id": smtp_id}
    assert one_fact("sendgrid", given).provider_id == sent_id


def test_our_key_is_found_in_the_message_id_as_well():
    given = event("delivered") | {"ripen": None, "smtp-id": f"<{KEY}@mail.example.com>"}
    assert one_fact("sendgrid", given).message_key == KEY


def test_words_are_known_in_any_case():
    assert said(one_fact("sendgrid", event("Processed")))[0] == "queued"


HEADERS = f"Received: by a\r\n\tby b\r\nIn-Reply-To:\r\n <{KEY}@mail.example.com>\r\nFrom: Ada <ada@example.com>"


def multipart(headers: str) -> bytes:
    """A parsed mail, as SendGrid posts it."""
    fields = {"headers": headers, "from": "Ada <ada@example.com>", "to": "sales@example.com", "text": "Yes,\r\nplease"}
    parts = [
        f'--xYz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    file = '--xYz\r\nContent-Disposition: form-data; name="attachment1"; filename="a.txt"\r\n\r\nbytes\r\n--xYz--\r\n'
    return ("".join(parts) + file).encode()


@pytest.mark.parametrize(
    ("headers", "kind"), [(HEADERS, "replied"), (HEADERS + "\r\nAuto-Submitted: auto-replied", "auto_replied")]
)
def test_an_answer_comes_as_a_signed_form(headers, kind):
    request = by_sendgrid(multipart(headers))
    request.headers["Content-Type"] = 'multipart/form-data; boundary="xYz"'
    reader = build_webhook_reader("sendgrid", [ec_secret(1)])
    assert reader.is_genuine(request.headers, request.body, NOW)
    (fact,) = reader.read(request.headers, request.body, NOW).facts
    assert (str(fact.kind), fact.recipient, fact.message_key) == (kind, "ada@example.com", KEY)
    assert fact.raw["text"] == ["Yes,\r\nplease"]
    assert fact.raw["attachment1"] == [""]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x"),
        ("multipart/form-data; boundary=x", b"nothing"),
        ("multipart/form-data; boundary=x", b"--x\r\n" * 5_000),
        ("application/x-www-form-urlencoded", b"a=1&" * 5_000),
        ("application/x-www-form-urlencoded", b"a=1"),
    ],
)
def test_a_form_that_is_no_mail_is_refused(kind, body):
    found = build_webhook_reader("sendgrid", []).read({"content-type": kind}, body, NOW)
    assert found.facts == ()
    assert [each.reason in ("bad-form", "no-event") for each in found.refused] == [True]
