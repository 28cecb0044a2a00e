"""Amazon SES through SNS: each of its words, recipients, topics, subscriptions and confirmations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from connectors.email.webhooks import build_webhook_reader
from connectors.email.webhooks.amazon_ses import WORDS
from tests.connectors.email.webhooks.senders import (
    JSON,
    KEY,
    NOW,
    SECRETS,
    by_amazon_ses,
    certificate,
    one_fact,
    said,
    sns,
)

TOPIC = SECRETS["amazon_ses"]
CONFIRM = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + TOPIC + "&Token=2336412f37"


def event(kind: str, name: str = "", **about: object) -> dict[str, Any]:
    """An event about a mail to one recipient."""
    mail = {"messageId": "m-1", "destination": ["ada@example.com"], "tags": {"ripen": [KEY]}}
    return {"eventType": kind, "mail": mail} | ({name: about} if name else {})


def bounce(kind: str | None = None, subtype: str | None = None) -> dict[str, Any]:
    """A bounce."""
    found = event("Bounce", "bounce", bounceType=kind, bounceSubType=subtype)
    found["bounce"]["bouncedRecipients"] = [{"emailAddress": "ada@example.com", "status": "5.1.1"}]
    return found


def choice(**new: object) -> dict[str, Any]:
    """A change of what somebody wants."""
    old = {"unsubscribeAll": False, "topicSubscriptionStatus": [{"topicName": "News", "subscriptionStatus": "OptIn"}]}
    return event("Subscription", "subscription", source="UnsubscribeHeader", newTopicPreferences=new) | {
        "subscription": {"source": "UnsubscribeHeader", "newTopicPreferences": new, "oldTopicPreferences": old}
    }


def received(**headers: str) -> dict[str, Any]:
    """An answer."""
    named = {"In-Reply-To": f"<{KEY}@mail.example.com>"} | {k.replace("_", "-"): v for k, v in headers.items()}
    listed = [{"name": name, "value": value} for name, value in named.items()]
    mail = {"source": "ada@example.com", "destination": ["sales@example.com"], "headers": listed}
    return {"notificationType": "Received", "mail": mail}


EXAMPLES = [
    ("Send", event("Send", "send"), "sent", None),
    ("Delivery", event("Delivery", "delivery", recipients=["ada@example.com"]), "delivered", None),
    (
        "DeliveryDelay",
        event("DeliveryDelay", "deliveryDelay", delayedRecipients=[{"emailAddress": "ada@example.com"}]),
        "deferred",
        None,
    ),
    ("Bounce", bounce("SomethingNew"), "bounced", False),
    ("Bounce / Permanent", bounce("Permanent", "SomethingNew"), "bounced", True),
    ("Bounce / Permanent / General", bounce("Permanent", "General"), "bounced", True),
    ("Bounce / Permanent / NoEmail", bounce("Permanent", "NoEmail"), "bounced", True),
    ("Bounce / Permanent / Suppressed", bounce("Permanent", "Suppressed"), "bounced", True),
    (
        "Bounce / Permanent / OnAccountSuppressionList",
        bounce("Permanent", "OnAccountSuppressionList"),
        "bounced",
        True,
    ),
    ("Bounce / Permanent / UnsubscribedRecipient", bounce("Permanent", "UnsubscribedRecipient"), "rejected", True),
    ("Bounce / Transient", bounce("Transient"), "bounced", False),
    ("Bounce / Transient / General", bounce("Transient", "General"), "bounced", False),
    ("Bounce / Transient / MailboxFull", bounce("Transient", "MailboxFull"), "bounced", False),
    ("Bounce / Transient / MessageTooLarge", bounce("Transient", "MessageTooLarge"), "bounced", False),
    ("Bounce / Transient / ContentRejected", bounce("Transient", "ContentRejected"), "bounced", False),
    ("Bounce / Transient / AttachmentRejected", bounce("Transient", "AttachmentRejected"), "bounced", False),
    ("Bounce / Transient / CustomTimeoutExceeded", bounce("Transient", "CustomTimeoutExceeded"), "bounced", False),
    ("Bounce / Undetermined", bounce("Undetermined", "Undetermined"), "bounced", False),
    ("Complaint", event("Complaint", "complaint", complaintFeedbackType="abuse"), "complained", None),
    ("Complaint / not-spam", event("Complaint", "complaint", complaintFeedbackType="not-spam"), "unknown", None),
    ("Reject", event("Reject", "reject", reason="Bad content"), "rejected", False),
    ("Rendering Failure", event("Rendering Failure", "failure", errorMessage="no `name`"), "failed", None),
    ("Open", event("Open", "open", userAgent="Mozilla/5.0"), "opened", None),
    ("Click", event("Click", "click", link="https://example.com/a"), "clicked", None),
    ("Subscription", choice(unsubscribeAll=False), "unknown", None),
    ("Subscription / OptOut", choice(unsubscribeAll=True), "unsubscribed", None),
    (
        "Subscription / OptIn",
        choice(topicSubscriptionStatus=[{"topicName": "Offers", "subscriptionStatus": "OptIn"}]),
        "subscribed",
        None,
    ),
    ("Received", received(), "replied", None),
    ("Received / automatic", received(Auto_Submitted="auto-generated"), "auto_replied", None),
]


@pytest.mark.parametrize(("word", "given", "kind", "hard"), EXAMPLES, ids=[each[0] for each in EXAMPLES])
def test_each_word_becomes_ours(word, given, kind, hard):
    for whole in (given, sns(given)):
        fact = one_fact("amazon_ses", whole)
        assert said(fact) == (kind, hard, False)
        assert (fact.message_key, fact.recipient) == (KEY, "ada@example.com")
    assert fact.provider_id == (None if word.startswith("Received") else "m-1")


def test_every_word_has_an_example():
    assert [each[0] for each in EXAMPLES] == list(WORDS)


def test_both_names_of_the_type_are_known():
    given = bounce("Permanent")
    given["notificationType"] = given.pop("eventType")
    assert said(one_fact("amazon_ses", given)) == ("bounced", True, False)


def test_each_recipient_of_a_bounce_is_a_fact_with_an_id_of_its_own():
    given = bounce("Permanent", "General")
    given["bounce"] |= {
        "feedbackId": "f-1",
        "bouncedRecipients": [{"emailAddress": "ada@example.com", "diagnosticCode": "550 <ada@example.com>"}, {}],
    }
    reader = build_webhook_reader("amazon_ses", [])
    found = reader.read(JSON, orjson.dumps(sns(given))).facts
    assert [each.recipient for each in found] == ["ada@example.com", None]
    assert found[0].reason == "Permanent General 550 <[address]>"
    again = reader.read(JSON, orjson.dumps(sns(given, MessageId="of-another-topic"))).facts
    assert [each.fact_id for each in again] == [each.fact_id for each in found]
    assert len({each.fact_id for each in found}) == 2


def test_the_time_is_the_one_of_what_happened_else_of_the_message():
    given = event("Open", "open", timestamp="2026-03-04T10:00:30.5Z")
    assert one_fact("amazon_ses", sns(given)).occurred_at == datetime(2026, 3, 4, 10, 0, 30, 500_000, UTC)
    earlier = sns(event("Open", "open"), when=NOW - timedelta(minutes=2))
    assert one_fact("amazon_ses", earlier).occurred_at == NOW - timedelta(minutes=2)


@pytest.mark.parametrize(
    "mail",
    [
        {"headers": [{"name": "X-Ripen-Message", "value": KEY}]},
        {"headers": [{"name": "Message-ID", "value": f"<{KEY}@mail.example.com>"}]},
        {"commonHeaders": {"messageId": f"<{KEY}@mail.example.com>"}},
        {"tags": {"ripen": KEY}},
    ],
)
def test_our_key_is_found_wherever_ses_shows_it(mail):
    given = {"eventType": "Open", "mail": mail | {"destination": ["ada@example.com"]}}
    assert one_fact("amazon_ses", given).message_key == KEY


def test_a_change_of_several_topics_is_a_fact_for_each_that_changed():
    statuses = [("News", "OptOut"), ("Offers", "OptIn")]
    given = choice(topicSubscriptionStatus=[{"topicName": t, "subscriptionStatus": s} for t, s in statuses])
    found = build_webhook_reader("amazon_ses", []).read(JSON, orjson.dumps(sns(given))).facts
    assert [(str(each.kind), each.unsubscribed_from) for each in found] == [
        ("unsubscribed", "News"),
        ("subscribed", "Offers"),
    ]
    assert len({each.fact_id for each in found}) == 2


def test_who_wants_mail_again_after_refusing_everything_is_subscribed():
    given = choice(unsubscribeAll=False)
    given["subscription"]["oldTopicPreferences"] = {"unsubscribeAll": True}
    assert said(one_fact("amazon_ses", given))[0] == "subscribed"


@pytest.mark.parametrize("text", ["Successfully validated SNS topic for Amazon SES event publishing.", "[]", "", "7"])
def test_a_message_that_tries_the_topic_is_refused_as_no_event(text):
    found = build_webhook_reader("amazon_ses", []).read(JSON, orjson.dumps(sns(text)), NOW)
    assert [each.reason for each in found.refused] == ["no-event"]


# --- Proof ------------------------------------------------------------------------------------------------------------


def reader_of(*secrets: str, **options: Any) -> Any:
    """A reader that fetches nothing."""
    return build_webhook_reader("amazon_ses", secrets, fetch=lambda url: certificate(), **options)


def test_a_topic_may_be_given_as_an_option():
    request = by_amazon_ses(event("Open"))
    assert reader_of(topics=[TOPIC]).is_genuine(request.headers, request.body, NOW)


def test_a_signed_message_of_a_topic_of_somebody_else_is_refused():
    request = by_amazon_ses(event("Open"), topic="arn:aws:sns:eu-west-1:999999999999:mail")
    assert not reader_of(TOPIC).is_genuine(request.headers, request.body, NOW)


def test_a_secret_path_alone_opens_nothing():
    request = by_amazon_ses(event("Open"))
    assert not reader_of("a-secret-in-the-path").is_genuine(
        request.headers, request.body, NOW, "/hooks/amazon_ses/a-secret-in-the-path"
    )


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("/hooks/amazon_ses/a-secret-in-the-path", True),
        ("/hooks/amazon_ses/the-secret-after-it", True),
        ("/hooks/amazon_ses/a-secret-in-the-path/", False),
        ("/hooks/amazon_ses", False),
        ("", False),
    ],
)
def test_with_a_secret_path_the_request_must_come_there(path, taken):
    request = by_amazon_ses(event("Open"))
    reader = reader_of(TOPIC, "a-secret-in-the-path", "the-secret-after-it")
    assert reader.is_genuine(request.headers, request.body, NOW, path) is taken


def test_a_longer_age_can_be_allowed():
    late = by_amazon_ses(event("Open"), when=NOW - timedelta(minutes=50))
    assert not reader_of(TOPIC).is_genuine(late.headers, late.body, NOW)
    assert reader_of(TOPIC, max_age_s=3_600).is_genuine(late.headers, late.body, NOW)


def test_an_event_without_its_envelope_is_never_genuine():
    assert not reader_of(TOPIC).is_genuine(JSON, orjson.dumps(event("Open")), NOW)


# --- Confirmations ----------------------------------------------------------------------------------------------------


def confirmation(kind: str = "SubscriptionConfirmation", url: object = CONFIRM, **more: Any) -> bytes:
    """What SNS posts first, and last."""
    return orjson.dumps(sns("You have chosen", Type=kind, Subject=None, SubscribeURL=url, Token="2336412f37", **more))


def test_a_confirmation_gives_the_address_to_visit_and_no_fact():
    body = confirmation()
    assert reader_of(TOPIC).is_genuine({}, body, NOW)
    found = reader_of(TOPIC).read({}, body)
    assert (found.confirm_url, found.facts, found.refused) == (CONFIRM, (), ())


def test_a_confirmation_for_another_topic_or_with_another_address_is_not_genuine():
    assert not reader_of(TOPIC).is_genuine({}, confirmation(TopicArn="arn:aws:sns:eu-west-1:999999999999:mail"), NOW)
    assert not reader_of(TOPIC).is_genuine({}, confirmation().replace(b"Token=2336412f37", b"Token=9996412f37"), NOW)


def test_a_confirmation_that_leads_elsewhere_is_refused():
    found = reader_of(TOPIC).read({}, confirmation(url="https://example.com/?Action=ConfirmSubscription"))
    assert (found.confirm_url, [each.reason for each in found.refused]) == (None, ["bad-confirm-url"])


def test_the_end_of_a_subscription_is_told_and_not_visited():
    body = confirmation("UnsubscribeConfirmation")
    assert reader_of(TOPIC).is_genuine({}, body, NOW)
    found = reader_of(TOPIC).read({}, body)
    assert (found.confirm_url, [each.reason for each in found.refused]) == (None, ["unsubscribed-topic"])
