"""Postmark: each of its words, its ids, its stops and its inbound mail."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from connectors.email.webhooks import build_webhook_reader
from connectors.email.webhooks.postmark import TYPE_CODES, WORDS
from tests.connectors.email.webhooks.senders import JSON, KEY, NOW, Request, basic, one_fact, said

MAIL = {"MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "Metadata": {"ripen": KEY}}


def bounce(kind: str, **more: object) -> dict[str, object]:
    """A bounce of a type."""
    return MAIL | {"RecordType": "Bounce", "ID": 42, "Type": kind, "Email": "ada@example.com"} | more


def change(suppress: object, reason: object = None) -> dict[str, object]:
    """A change of a subscription."""
    return MAIL | {
        "RecordType": "SubscriptionChange",
        "Recipient": "ada@example.com",
        "MessageStream": "broadcast",
        "ChangedAt": "2026-03-04T10:01:00Z",
        "SuppressSending": suppress,
        "SuppressionReason": reason,
    }


def inbound(**headers: str) -> dict[str, object]:
    """An answer."""
    named = {"In-Reply-To": f"<{KEY}@mail.example.com>"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return {
        "RecordType": "Inbound",
        "From": "Ada <ada@example.com>",
        "FromFull": {"Email": "ada@example.com", "Name": "Ada"},
        "MessageID": "an-id-of-the-answer",
        "Date": "Wed, 4 Mar 2099 10:00:00 +0000",
        "Headers": [{"Name": name, "Value": value} for name, value in named.items()],
    }


EXAMPLES = [
    ("Delivery", MAIL | {"RecordType": "Delivery", "Recipient": "ada@example.com"}, "delivered", None),
    ("Open", MAIL | {"RecordType": "Open", "Recipient": "ada@example.com"}, "opened", None),
    ("Click", MAIL | {"RecordType": "Click", "Recipient": "ada@example.com"}, "clicked", None),
    ("SpamComplaint", bounce("SpamComplaint", RecordType="SpamComplaint", TypeCode=512), "complained", None),
    ("Inbound", inbound(), "replied", None),
    ("Inbound / automatic", inbound(Auto_Submitted="auto-replied"), "auto_replied", None),
    ("SubscriptionChange", change(True), "unsubscribed", None),
    ("SubscriptionChange / ManualSuppression", change(True, "ManualSuppression"), "unsubscribed", None),
    ("SubscriptionChange / HardBounce", change(True, "HardBounce"), "bounced", True),
    ("SubscriptionChange / SpamComplaint", change(True, "SpamComplaint"), "complained", None),
    ("SubscriptionChange / reactivated", change(False), "subscribed", None),
    ("Bounce", bounce("SomethingNew"), "bounced", False),
    ("Bounce / HardBounce", bounce("HardBounce"), "bounced", True),
    ("Bounce / Transient", bounce("Transient"), "deferred", None),
    ("Bounce / Unsubscribe", bounce("Unsubscribe"), "unsubscribed", None),
    ("Bounce / Subscribe", bounce("Subscribe"), "subscribed", None),
    ("Bounce / AutoResponder", bounce("AutoResponder"), "auto_replied", None),
    ("Bounce / AddressChange", bounce("AddressChange"), "auto_replied", None),
    ("Bounce / DnsError", bounce("DnsError"), "deferred", None),
    ("Bounce / SpamNotification", bounce("SpamNotification"), "bounced", False),
    ("Bounce / OpenRelayTest", bounce("OpenRelayTest"), "deferred", None),
    ("Bounce / Unknown", bounce("Unknown"), "bounced", False),
    ("Bounce / SoftBounce", bounce("SoftBounce"), "bounced", False),
    ("Bounce / VirusNotification", bounce("VirusNotification"), "bounced", False),
    ("Bounce / ChallengeVerification", bounce("ChallengeVerification"), "auto_replied", None),
    ("Bounce / BadEmailAddress", bounce("BadEmailAddress"), "rejected", True),
    ("Bounce / SpamComplaint", bounce("SpamComplaint"), "complained", None),
    ("Bounce / ManuallyDeactivated", bounce("ManuallyDeactivated"), "rejected", True),
    ("Bounce / Unconfirmed", bounce("Unconfirmed"), "rejected", False),
    ("Bounce / Blocked", bounce("Blocked"), "rejected", False),
    ("Bounce / SMTPApiError", bounce("SMTPApiError"), "failed", None),
    ("Bounce / InboundError", bounce("InboundError"), "unknown", None),
    ("Bounce / DMARCPolicy", bounce("DMARCPolicy"), "rejected", False),
    ("Bounce / TemplateRenderingFailed", bounce("TemplateRenderingFailed"), "failed", None),
]


@pytest.mark.parametrize(("word", "event", "kind", "hard"), EXAMPLES, ids=[each[0] for each in EXAMPLES])
def test_each_word_becomes_ours(word, event, kind, hard):
    fact = one_fact("postmark", event)
    assert said(fact) == (kind, hard, False)
    assert (fact.message_key, fact.recipient) == (KEY, "ada@example.com")


def test_every_word_has_an_example():
    assert [each[0] for each in EXAMPLES] == list(WORDS)


def test_a_bounce_without_a_type_is_known_by_its_code():
    assert {f"Bounce / {name}" for name in TYPE_CODES.values()} <= set(WORDS)
    event = bounce("", TypeCode=1)
    assert said(one_fact("postmark", event)) == ("bounced", True, False)
    assert said(one_fact("postmark", event | {"TypeCode": 4096})) == ("bounced", False, False)
    assert said(one_fact("postmark", event | {"TypeCode": [1]})) == ("bounced", False, False)


@pytest.mark.parametrize("suppress", [None, "false", 0, [], True])
def test_only_a_plain_false_ends_a_stop(suppress):
    assert said(one_fact("postmark", change(suppress)))[0] == "unsubscribed"


def test_a_stop_names_its_stream_and_a_bounce_does_not():
    assert one_fact("postmark", change(True, "ManualSuppression")).unsubscribed_from == "broadcast"
    assert one_fact("postmark", change(True, "HardBounce")).unsubscribed_from is None


def test_a_bounce_bears_the_providers_number_and_words_without_addresses():
    fact = one_fact(
        "postmark",
        bounce("HardBounce", BouncedAt="2026-03-04T05:01:00.1234567-05:00", Details="550 <ada@example.com>\r\nunknown"),
    )
    assert (fact.fact_id, fact.provider_id) == ("Bounce:42", MAIL["MessageID"])
    assert fact.reason == "550 <[address]> unknown"
    assert fact.occurred_at == datetime(2026, 3, 4, 10, 1, 0, 123456, UTC)


def test_a_click_has_its_link_and_program():
    fact = one_fact(
        "postmark",
        MAIL | {"RecordType": "Click", "OriginalLink": "https://example.com/a?b=1", "UserAgent": "Mozilla/5.0"},
    )
    assert (fact.url, fact.user_agent) == ("https://example.com/a?b=1", "Mozilla/5.0")


def test_a_link_that_is_no_web_address_is_left_out():
    fact = one_fact("postmark", MAIL | {"RecordType": "Click", "OriginalLink": "javascript:alert(1)"})
    assert fact.url is None
    assert fact.raw["OriginalLink"] == "javascript:alert(1)"


def test_two_opens_are_two_facts_whatever_the_order_of_their_names():
    first = MAIL | {"RecordType": "Open", "ReceivedAt": "2026-03-04T10:01:00Z"}
    second = first | {"ReceivedAt": "2026-03-04T10:01:01Z"}
    turned = dict(reversed(first.items()))
    assert one_fact("postmark", first).fact_id == one_fact("postmark", turned).fact_id
    assert one_fact("postmark", first).fact_id != one_fact("postmark", second).fact_id


def test_an_answer_happened_when_it_was_received_and_not_when_its_sender_says():
    assert one_fact("postmark", inbound()).occurred_at == NOW
    later = build_webhook_reader("postmark", []).read(JSON, orjson.dumps(inbound()))
    assert later.facts[0].occurred_at.year == 2099


def test_an_answer_may_bear_the_key_in_the_address_it_went_to():
    event = inbound(In_Reply_To="<other@example.com>") | {"MailboxHash": KEY}
    assert one_fact("postmark", event).message_key == KEY


def test_an_answer_without_a_record_type_is_one():
    event = inbound()
    del event["RecordType"]
    assert said(one_fact("postmark", event))[0] == "replied"


@pytest.mark.parametrize(
    "authorization",
    ["Bearer ripen:a-long-password", "Basic ripen:a-long-password", "Basic", "Basic cmlwZW4=", "Digest x", "basic  "],
)
def test_other_credentials_are_refused(authorization):
    reader = build_webhook_reader("postmark", ["ripen:a-long-password"])
    assert not reader.is_genuine({"Authorization": authorization}, b"{}", NOW)


def test_the_scheme_may_be_written_in_any_case():
    reader = build_webhook_reader("postmark", ["ripen:a-long-password"])
    request = Request(b"{}", basic("ripen:a-long-password"))
    assert reader.is_genuine({"Authorization": request.headers["Authorization"].replace("Basic", "BASIC")}, b"{}", NOW)
