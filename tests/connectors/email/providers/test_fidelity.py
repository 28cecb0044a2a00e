"""What was planned is what each provider gets: names, texts, headers, our key; and nothing that it cannot express."""

from __future__ import annotations

import email
import json
import logging
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.header import decode_header
from email.message import EmailMessage
from typing import Any, cast

import pytest

from connectors.email import OutgoingMail, Phase, Verdict, build_email_connector
from nurture.errors import RetryLater, TransportDown
from nurture.rendering.mime import MailPlan, build_mime, verify_mime
from tests.connectors.email.conftest import Certificate
from tests.connectors.email.providers.misbehaviours import MISBEHAVIOURS
from tests.connectors.email.providers.stand_in import StandIn
from tests.connectors.email.providers.vendors import VENDORS

RAW = ("mailgun", "ses")
PARTS = tuple(kind for kind in VENDORS if kind not in RAW)

PLAN = MailPlan(
    message_id="<a1b2c3@example.com>",
    message_key="a1b2c3",
    from_name="Ærlig Øl på Åsen",
    from_address="us@example.com",
    to_name="Zoë Bjørnsdóttir",
    to_address="lead@example.org",
    subject="Grüße aus Ålesund – 50 % “off” <now> ✓",
    text="Hallo Zoë,\n\n.\n..dots\n\n\ttabbed  two blanks  \nFrom here\n=20 =?utf-8?q?no?=\n",
    html="<p>Hallo Zoë &amp; Ærlig</p>\n<a href='https://example.com/?a=1&amp;b=%20'>x</a>\n",
    date=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
    reply_to="answers@example.com",
    list_unsubscribe_url="https://example.com/u/tok.en-1_2~3",
    list_unsubscribe_mailto="mailto:leave@example.com?subject=leave",
    feedback_id="white-paper:step-1:ripen",
    precedence="bulk",
    headers={"X-Campaign": "Frühling 2026", "X-Plain": "plain words"},
)


def planned(**changes: Any) -> OutgoingMail:
    plan = replace(PLAN, **changes)
    raw = build_mime(plan)
    verify_mime(plan, raw)
    return OutgoingMail(plan.message_key, "us@example.com", plan.to_address, raw, plan, ("white-paper",))


def send(stand_in: StandIn, mail: OutgoingMail, **options: Any) -> Any:
    """Send one message and give what the stand-in took."""
    with build_email_connector(stand_in.kind, **{**stand_in.options(), **options}).open() as session:
        early = session.stage(mail)
        assert early is None, early
        receipt = session.commit()
        assert receipt.verdict is Verdict.ACCEPTED, receipt
        assert receipt.provider_id or options.get("test_mode")
    return stand_in.accepted[-1].form


def refused(kind: str, mail: OutgoingMail) -> str:
    """The reason why a message is refused before anything is sent."""
    with VENDORS[kind]() as stand_in:
        with build_email_connector(kind, **stand_in.options()).open() as session:
            receipt = session.stage(mail)
        assert stand_in.connections == 0
    assert receipt is not None
    assert (receipt.verdict, receipt.phase) == (Verdict.REJECTED, Phase.CHECK)
    assert "example" not in receipt.response
    return receipt.response


# How each provider says the same things: from, to, reply-to, subject, text, html, headers, key, tags.
READ: dict[str, Callable[[Any], dict[str, Any]]] = {
    "postmark": lambda form: {
        "from": form["From"],
        "to": form["To"],
        "reply": form["ReplyTo"],
        "subject": form["Subject"],
        "text": form["TextBody"],
        "html": form["HtmlBody"],
        "headers": {each["Name"]: each["Value"] for each in form["Headers"]},
        "key": form["Metadata"]["ripen"],
        "tags": [form["Tag"]],
    },
    "sendgrid": lambda form: {
        "from": f'"{form["from"]["name"]}" <{form["from"]["email"]}>',
        "to": '"{name}" <{email}>'.format(**form["personalizations"][0]["to"][0]),
        "reply": form["reply_to"]["email"],
        "subject": form["subject"],
        "text": form["content"][0]["value"],
        "html": form["content"][1]["value"],
        "headers": form["headers"],
        "key": form["personalizations"][0]["custom_args"]["ripen"],
        "tags": form["categories"],
    },
    "resend": lambda form: {
        "from": form["from"],
        "to": form["to"][0],
        "reply": form["reply_to"][0],
        "subject": form["subject"],
        "text": form["text"],
        "html": form["html"],
        "headers": form["headers"],
        "key": form["tags"][0]["value"],
        "tags": [each["value"] for each in form["tags"][1:]],
    },
    "brevo": lambda form: {
        "from": f'"{form["sender"]["name"]}" <{form["sender"]["email"]}>',
        "to": '"{name}" <{email}>'.format(**form["to"][0]),
        "reply": form["replyTo"]["email"],
        "subject": form["subject"],
        "text": form["textContent"],
        "html": form["htmlContent"],
        "headers": form["headers"],
        "key": json.loads(form["headers"]["X-Mailin-custom"])["ripen"],
        "tags": form["tags"],
    },
}


@pytest.mark.parametrize("kind", PARTS)
def test_a_provider_that_takes_parts_gets_every_part_as_planned(kind: str):
    with VENDORS[kind]() as stand_in:
        said = READ[kind](send(stand_in, planned()))
    assert said["from"].replace('"', "") == "Ærlig Øl på Åsen <us@example.com>"
    assert said["to"].replace('"', "") == "Zoë Bjørnsdóttir <lead@example.org>"
    assert said["reply"] == "answers@example.com"
    assert (said["subject"], said["text"], said["html"]) == (PLAN.subject, PLAN.text, PLAN.html)
    assert (said["key"], said["tags"]) == ("a1b2c3", ["white-paper"])


@pytest.mark.parametrize("kind", PARTS)
def test_a_provider_that_takes_parts_gets_every_other_header(kind: str):
    with VENDORS[kind]() as stand_in:
        headers = dict(READ[kind](send(stand_in, planned()))["headers"])
    expected = {
        "X-Ripen-Message": "a1b2c3",
        "List-Unsubscribe": "<https://example.com/u/tok.en-1_2~3>, <mailto:leave@example.com?subject=leave>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Feedback-ID": "white-paper:step-1:ripen",
        "Precedence": "bulk",
        "X-Plain": "plain words",
    }
    own = {
        "postmark": {"Message-ID": "<a1b2c3@example.com>", "X-PM-KeepID": "true"},
        "sendgrid": {"Message-ID": "<a1b2c3@example.com>"},
        "resend": {},
        "brevo": {
            "X-Mailin-custom": '{"ripen":"a1b2c3"}',
            "idempotencyKey": headers.get("idempotencyKey"),
        },
    }
    (word, charset) = decode_header(headers.pop("X-Campaign"))[0]
    assert cast(bytes, word).decode(charset or "ascii") == "Frühling 2026"
    assert headers == expected | own[kind]


@pytest.mark.parametrize("kind", RAW)
def test_a_provider_that_takes_the_whole_gets_it_byte_for_byte(kind: str):
    mail = planned()
    with VENDORS[kind]() as stand_in:
        form = send(stand_in, mail)
    assert form["raw"] == mail.raw
    if kind == "mailgun":
        assert (form["to"], form["v:ripen"], form["o:tag"]) == ([b"lead@example.org"], [b"a1b2c3"], [b"white-paper"])
    else:
        tags = [{"Name": "ripen", "Value": "a1b2c3"}, {"Name": "tag", "Value": "white-paper"}]
        assert (form["EmailTags"], form["ConfigurationSetName"]) == (tags, "nurture")
        assert form["Destination"] == {"ToAddresses": ["lead@example.org"]}


def test_the_providers_own_tracking_is_off_wherever_a_request_can_say_so():
    with VENDORS["postmark"]() as stand_in:
        form = send(stand_in, planned())
        assert (form["TrackOpens"], form["TrackLinks"]) == (False, "None")
    with VENDORS["sendgrid"]() as stand_in:
        settings = send(stand_in, planned())["tracking_settings"]
        assert set(settings) == {"click_tracking", "open_tracking", "subscription_tracking", "ganalytics"}
        assert {each["enable"] for each in settings.values()} == {False}
    with VENDORS["mailgun"]() as stand_in:
        form = send(stand_in, planned())
        assert [form[f"o:tracking{part}"] for part in ("", "-clicks", "-opens")] == [[b"no"]] * 3


def mailbox_of(said: str) -> tuple[str, str]:
    """Name and address as a strict reader of mail sees them."""
    message = cast(EmailMessage, email.message_from_string(f"To: {said}\r\n\r\n", policy=policy.SMTP))
    (one,) = message["to"].addresses
    return one.display_name, one.addr_spec


NAMES = ['Nordmann, "Kari" \\ Sales', "Ærø, Bjørn (Salg)", "Lead; <x@example.net>", "", "  two   blanks "]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", PARTS)
def test_a_recipients_name_can_never_become_another_recipient(kind: str, name: str):
    with VENDORS[kind]() as stand_in:
        form = send(stand_in, planned(to_name=name))
    shown = " ".join(name.split())
    if kind in ("postmark", "resend"):
        assert mailbox_of(READ[kind](form)["to"]) == (shown, "lead@example.org")
    else:
        (to,) = form["to"] if kind == "brevo" else form["personalizations"][0]["to"]
        words = decode_header(to.get("name", ""))
        said = "".join(word if isinstance(word, str) else word.decode(charset or "ascii") for word, charset in words)
        assert (said, to["email"]) == (shown, "lead@example.org")
        if kind == "brevo":  # it garbles foreign letters beside punctuation
            assert to.get("name", "").isascii()


@pytest.mark.parametrize("kind", VENDORS)
def test_a_domain_in_other_letters_travels_in_ascii(kind: str):
    with VENDORS[kind]() as stand_in:
        mail = planned(to_address="lead@blåbær.example", to_name="")
        form = send(stand_in, mail)
    assert "lead@xn--blbr-roah.example" in json.dumps(form, default=repr)
    assert "blåbær" not in json.dumps(form, default=repr, ensure_ascii=False)


@pytest.mark.parametrize("kind", VENDORS)
def test_an_address_that_no_provider_can_express_is_refused_before_anything_is_sent(kind: str):
    good = planned()
    mail = replace(good, recipient="blåbær@example.org", plan=replace(PLAN, to_address="blåbær@example.org"))
    assert "ASCII" in refused(kind, mail)


@pytest.mark.parametrize("kind", PARTS)
def test_a_message_without_its_own_plan_is_refused(kind: str):
    mail = planned()
    assert "without the plan" in refused(kind, replace(mail, plan=None))
    other = replace(PLAN, to_address="other@example.org")
    assert "same recipient" in refused(kind, replace(mail, plan=other))
    assert "same recipient" in refused(kind, replace(mail, message_key="ffff"))
    half = replace(PLAN, text="half \ud83d of it\n")
    assert "half a character" in refused(kind, replace(mail, plan=half))


BIG = "long words " * 1024 * 1024  # 11 MiB


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("postmark", {"tags": tuple("abcdefghijk")}, "at most 10 tags"),
        ("postmark", {"tags": ("æ",)}, "tags of 1 to 80"),
        ("sendgrid", {"tags": tuple("abcdefghijk")}, "at most 10 tags"),
        ("mailgun", {"tags": ("a", "b", "c", "d")}, "at most 3 tags"),
        ("mailgun", {"tags": ("a\r\nb",)}, "tags of 1 to 128"),
        ("ses", {"tags": ("two words",)}, "tags of 1 to 256"),
        ("resend", {"tags": ("two words",)}, "tags of 1 to 256"),
        ("brevo", {"tags": ("",)}, "tags of 1 to 128"),
        ("postmark", {"plan": replace(PLAN, text=BIG)}, "5,242,880 bytes and the text part"),
        ("postmark", {"plan": replace(PLAN, html=BIG)}, "5,242,880 bytes and the HTML part"),
        ("postmark", {"raw": planned().raw + BIG.encode() + b"\r\n"}, "10,485,760 bytes and the message"),
        ("sendgrid", {"raw": planned().raw + 3 * BIG.encode() + b"\r\n"}, "31,457,280 bytes"),
        ("mailgun", {"raw": planned().raw + 3 * BIG.encode() + b"\r\n"}, "26,214,400 bytes"),
        ("brevo", {"raw": planned().raw + 2 * BIG.encode() + b"\r\n"}, "20,971,520 bytes"),
        ("ses", {"raw": planned().raw + 3 * BIG.encode() + b"\r\n"}, "41,943,040 bytes"),
        ("ses", {"raw": planned().raw + "æ\r\n".encode()}, "7-bit ASCII"),
        ("sendgrid", {"raw": b"X-SG-ID: 1\r\n" + planned().raw}, "keeps the header X-SG-ID for itself"),
        ("sendgrid", {"plan": replace(PLAN, subject="")}, "without a subject"),
        ("resend", {"plan": replace(PLAN, subject="")}, "without a subject"),
        ("brevo", {"plan": replace(PLAN, html="")}, "HTML part"),
        ("resend", {"plan": replace(PLAN, from_name="Kari, Sales")}, "in the sender's name"),
        ("postmark", {"raw": b"X-Twice: 1\r\nx-twice: 2\r\n" + planned().raw}, "stands twice"),
        ("brevo", {"raw": "X-Ærlig: 1\r\n".encode() + planned().raw}, "not written in ASCII"),
        ("postmark", {"plan": replace(PLAN, to_name="Lead\r\nBcc: x@example.net")}, "control character"),
    ],
)
def test_what_a_provider_cannot_express_is_refused_with_words_that_say_what(
    kind: str, change: dict[str, Any], words: str
):
    assert words in refused(kind, replace(planned(), **change))


@pytest.mark.parametrize("kind", ["postmark", "sendgrid", "mailgun", "brevo"])
def test_in_test_mode_nothing_is_delivered(kind: str):
    with VENDORS[kind]() as stand_in:
        send(stand_in, planned(), test_mode=True)
        assert stand_in.keys() == []
        assert [each.key for each in stand_in.accepted] == ["a1b2c3"]


SECRETS = {
    "postmark": ["server-token-1"],
    "sendgrid": ["SG.key-1"],
    "mailgun": ["key-1"],
    "ses": ["wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"],
    "resend": ["re_key_1"],
    "brevo": ["xkeysib-1"],
}


@pytest.mark.parametrize("kind", VENDORS)
def test_neither_secrets_nor_addresses_come_into_errors_logs_or_reprs(kind: str, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    logging.getLogger().setLevel(logging.DEBUG)
    heard = []
    with VENDORS[kind]() as stand_in:
        (secret,) = SECRETS[kind]
        connector = build_email_connector(kind, **{**stand_in.options(), "pause": lambda _: None})
        told = f"the key {secret} and lead@example.org are wrong"
        for status in (400, 401, 429, 500):
            stand_in.misbehave(replace(MISBEHAVIOURS["401"], act=_telling(status, told)), 4 if status == 500 else 1)
            with connector.open() as session:
                session.stage(planned())
                try:
                    heard.append(session.commit().response)
                except (RetryLater, TransportDown) as error:
                    heard.append("".join(traceback.format_exception(error)))
        shown = [*heard, repr(connector), str(connector), caplog.text]
    assert any("[secret]" in each for each in heard)
    assert not [each for each in shown if secret in each or "lead@example.org" in each]


def _telling(status: int, words: str) -> Any:
    return lambda handler, stand_in, _: handler.say(stand_in.refusal(status, words))


def test_a_provider_without_a_trusted_certificate_gets_nothing(certificate: Certificate):
    with VENDORS["postmark"]() as stand_in:
        stand_in._server.socket = certificate.server_context().wrap_socket(stand_in._server.socket, server_side=True)
        options = {**stand_in.options(), "api_url": stand_in.url.replace("http:", "https:")}
        with build_email_connector("postmark", **options).open() as session:
            session.stage(planned())
            with pytest.raises(TransportDown, match="certificate"):
                session.commit()
        assert stand_in.touched == 0
