"""Brevo: each of its words in both spellings, its clocks, its batches and inbound mail."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from connectors.email.webhooks import build_webhook_reader
from connectors.email.webhooks.brevo import WORDS
from tests.connectors.email.webhooks.senders import JSON, KEY, NOW, basic, one_fact, said


def event(word: str, **more: object) -> dict[str, object]:
    """An event."""
    return {
        "event": word,
        "email": "ada@example.com",
        "id": 26224,
        "ts_epoch": 1772618460000,
        "message-id": "<m-1@smtp-relay.example.com>",
        "X-Mailin-custom": orjson.dumps({"ripen": KEY}).decode(),
    } | more


def answer(**headers: str) -> dict[str, object]:
    """An inbound mail."""
    return {
        "MessageId": "<answer@example.com>",
        "InReplyTo": f"<{KEY}@mail.example.com>",
        "From": {"Name": "Ada", "Address": "ada@example.com"},
        "To": [{"Address": "sales@example.com"}],
        "SentAtDate": "Wed, 4 Mar 2099 10:00:00 +0000",
        "Headers": {name.replace("_", "-"): value for name, value in headers.items()},
    }


EXAMPLES = [
    ("request", "queued", None),
    ("sent", "sent", None),
    ("delivered", "delivered", None),
    ("deferred", "deferred", None),
    ("soft_bounce", "bounced", False),
    ("hard_bounce", "bounced", True),
    ("invalid_email", "bounced", True),
    ("invalid", "bounced", True),
    ("blocked", "rejected", True),
    ("error", "failed", None),
    ("spam", "complained", None),
    ("complaint", "complained", None),
    ("unsubscribe", "unsubscribed", None),
    ("unsubscribed", "unsubscribed", None),
    ("opened", "opened", None),
    ("unique_opened", "opened", None),
    ("proxy_open", "opened", None),
    ("unique_proxy_open", "opened", None),
    ("loaded_by_proxy", "opened", None),
    ("click", "clicked", None),
    ("reply", "replied", None),
    ("list_addition", "unknown", None),
    ("contact_updated", "unknown", None),
    ("contact_deleted", "unknown", None),
]


def camel(word: str) -> str:
    """The same word as the settings of Brevo spell it."""
    first, *others = word.split("_")
    return first + "".join(each.capitalize() for each in others)


@pytest.mark.parametrize("spelling", [str, camel])
@pytest.mark.parametrize(("word", "kind", "hard"), EXAMPLES)
def test_each_word_becomes_ours(word, kind, hard, spelling):
    fact = one_fact("brevo", event(spelling(word)))
    assert said(fact) == (kind, hard, "proxy" in word)
    assert (fact.message_key, fact.recipient, fact.provider_id) == (
        KEY,
        "ada@example.com",
        "<m-1@smtp-relay.example.com>",
    )


def test_every_word_has_an_example():
    assert [each[0] for each in EXAMPLES] == [word for word in WORDS if not word.startswith("inbound")]


@pytest.mark.parametrize(("headers", "kind"), [({}, "replied"), ({"Auto_Submitted": "auto-replied"}, "auto_replied")])
def test_inbound_mail_is_an_answer(headers, kind):
    fact = one_fact("brevo", {"items": [answer(**headers)]})
    assert (str(fact.kind), fact.recipient, fact.message_key) == (kind, "ada@example.com", KEY)
    assert fact.occurred_at == NOW


def test_a_batch_is_read_event_by_event():
    found = build_webhook_reader("brevo", []).read(JSON, orjson.dumps([event("click"), event("opened"), {}, 7]))
    assert [str(each.kind) for each in found.facts] == ["clicked", "opened"]
    assert [each.reason for each in found.refused] == ["no-event", "not-an-object"]
    assert len({each.fact_id for each in found.facts}) == 2


@pytest.mark.parametrize(
    "times",
    [
        {"ts_epoch": 1772618460000},
        {"ts_epoch": 1772618460},
        {"ts_epoch": None, "ts_event": 1772618460},
        {"ts_epoch": None, "s_epoch": 1772618460000},
        {"ts_epoch": "soon", "date": "2026-03-04 11:01:00"},
    ],
)
def test_every_one_of_its_clocks_is_understood(times):
    assert one_fact("brevo", event("opened", **times)).occurred_at == datetime(2026, 3, 4, 10, 1, tzinfo=UTC)


@pytest.mark.parametrize(("given", "topic"), [(7, "7"), ([7], "7"), ([7, 8], None), (None, None)])
def test_a_stop_names_its_list_when_there_is_one(given, topic):
    assert one_fact("brevo", event("unsubscribed", list_id=given)).unsubscribed_from == topic
    assert one_fact("brevo", event("opened", list_id=given)).unsubscribed_from is None


@pytest.mark.parametrize("custom", ["{", "text", "[]", None, {"ripen": KEY.upper()}, '{"ripen": 7}'])
def test_a_custom_header_of_others_is_no_key(custom):
    assert one_fact("brevo", event("opened") | {"X-Mailin-custom": custom}).message_key is None


def test_a_token_is_not_taken_as_a_password_nor_the_other_way_round():
    token, pair = "a-long-bearer-token", "ripen:a-long-password"
    reader = build_webhook_reader("brevo", [token, pair])
    for secret in (token, pair):
        assert reader.is_genuine(basic(secret), b"{}", NOW)
    assert not reader.is_genuine({"Authorization": f"Bearer {pair}"}, b"{}", NOW)
    assert not reader.is_genuine({"Authorization": f"Basic {token}"}, b"{}", NOW)
