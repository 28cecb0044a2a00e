"""Resend: each of its words, its two spellings of headers and of tags."""

from __future__ import annotations

import orjson
import pytest

from connectors.email.webhooks import build_webhook_reader
from connectors.email.webhooks.resend import WORDS
from tests.connectors.email.webhooks.senders import JSON, KEY, NOW, SECRETS, by_resend, genuine, one_fact, said


def event(kind: str, **data: object) -> dict[str, object]:
    """An event about a mail."""
    return {
        "type": kind,
        "created_at": "2026-03-04T10:01:00.123Z",
        "data": {"email_id": "m-1", "to": ["Ada <ada@example.com>"], "tags": {"ripen": KEY}} | data,
    }


def received(**headers: str) -> dict[str, object]:
    """An answer."""
    named = {"In-Reply-To": f"<{KEY}@mail.example.com>"} | {k.replace("_", "-"): v for k, v in headers.items()}
    found = event("email.received", to=["sales@example.com"], headers=named, tags=None)
    found["data"]["from"] = "Ada <ada@example.com>"  # type: ignore[index]
    return found


def contact(kind: str, **data: object) -> dict[str, object]:
    """An event about an entry of a list."""
    return event(kind, email="ada@example.com", **data)


SUPPRESSED = {"message": "on the list", "type": "OnAccountSuppressionList"}
EXAMPLES = [
    ("email.scheduled", event("email.scheduled"), "queued", None),
    ("email.sent", event("email.sent"), "sent", None),
    ("email.delivered", event("email.delivered"), "delivered", None),
    ("email.delivery_delayed", event("email.delivery_delayed"), "deferred", None),
    ("email.bounced", event("email.bounced", bounce={"message": "a hard bounce"}), "bounced", True),
    ("email.bounced / Permanent", event("email.bounced", bounce={"type": "Permanent"}), "bounced", True),
    ("email.bounced / Transient", event("email.bounced", bounce={"type": "Transient"}), "bounced", False),
    ("email.bounced / Undetermined", event("email.bounced", bounce={"type": "Undetermined"}), "bounced", False),
    ("email.suppressed", event("email.suppressed"), "rejected", True),
    (
        "email.suppressed / previous_bounce",
        event("email.suppressed", suppressed=SUPPRESSED | {"reason": "previous_bounce"}),
        "rejected",
        True,
    ),
    (
        "email.suppressed / previous_complaint",
        event("email.suppressed", suppressed=SUPPRESSED | {"reason": "previous_complaint"}),
        "rejected",
        True,
    ),
    ("email.failed", event("email.failed", failed={"reason": "reached_daily_quota"}), "failed", None),
    ("email.complained", event("email.complained"), "complained", None),
    ("email.opened", event("email.opened"), "opened", None),
    ("email.clicked", event("email.clicked"), "clicked", None),
    ("email.received", received(), "replied", None),
    ("email.received / automatic", received(X_Autoreply="yes"), "auto_replied", None),
    ("contact.updated", contact("contact.updated", unsubscribed=False), "unknown", None),
    ("contact.updated / unsubscribed", contact("contact.updated", unsubscribed=True), "unsubscribed", None),
    ("contact.created", contact("contact.created", unsubscribed=False), "unknown", None),
    ("contact.deleted", contact("contact.deleted"), "unknown", None),
    ("suppression.added", contact("suppression.added", to=[]), "unknown", None),
    ("suppression.removed", contact("suppression.removed", to=[]), "unknown", None),
    ("domain.created", event("domain.created"), "unknown", None),
    ("domain.updated", event("domain.updated"), "unknown", None),
    ("domain.deleted", event("domain.deleted"), "unknown", None),
]


@pytest.mark.parametrize(("word", "given", "kind", "hard"), EXAMPLES, ids=[each[0] for each in EXAMPLES])
def test_each_word_becomes_ours(word, given, kind, hard):
    fact = one_fact("resend", given, {"svix-id": "msg_1"})
    assert said(fact) == (kind, hard, False)
    assert (fact.message_key, fact.recipient, fact.fact_id) == (KEY, "ada@example.com", "msg_1")


def test_every_word_has_an_example():
    assert [each[0] for each in EXAMPLES] == list(WORDS)


@pytest.mark.parametrize("prefix", ["svix", "webhook"])
def test_both_spellings_of_the_headers_are_known(prefix):
    request = by_resend(genuine("resend").body, SECRETS["resend"], prefix=prefix)
    reader = build_webhook_reader("resend", [SECRETS["resend"]])
    assert reader.is_genuine(request.headers, request.body, NOW)
    assert reader.read(request.headers, request.body).facts[0].fact_id == "msg_1"


def test_a_mixture_of_both_spellings_is_refused():
    request = by_resend(genuine("resend").body, SECRETS["resend"])
    mixed = {name.replace("svix-t", "webhook-t"): value for name, value in request.headers.items()}
    assert not build_webhook_reader("resend", [SECRETS["resend"]]).is_genuine(mixed, request.body, NOW)


@pytest.mark.parametrize(
    "data",
    [
        {"tags": [{"name": "other", "value": "x"}, {"name": "ripen", "value": KEY}]},
        {"tags": None, "headers": [{"name": "X-Ripen-Message", "value": KEY}]},
        {"tags": {"ripen": "x"}, "headers": [{"name": "Message-ID", "value": f"<{KEY}@mail.example.com>"}]},
    ],
)
def test_our_key_is_found_wherever_resend_shows_it(data):
    assert one_fact("resend", event("email.opened", **data)).message_key == KEY


def test_several_recipients_are_several_facts_with_ids_of_their_own():
    given = event("email.sent", to=["ada@example.com", "bob@example.org"])
    found = build_webhook_reader("resend", []).read(JSON | {"svix-id": "msg_1"}, orjson.dumps(given))
    assert [(each.recipient, each.fact_id) for each in found.facts] == [
        ("ada@example.com", "msg_1"),
        ("bob@example.org", "msg_1:1"),
    ]


def test_without_the_header_the_content_is_the_id():
    first, second = one_fact("resend", event("email.opened")), one_fact("resend", event("email.opened"))
    assert first.fact_id == second.fact_id
    assert first.fact_id.startswith("content:")


def test_a_click_happened_when_it_says():
    fact = one_fact(
        "resend",
        event(
            "email.clicked",
            click={"link": "https://example.com/", "timestamp": "2026-03-04T10:00:30Z", "userAgent": "Mozilla"},
        ),
    )
    assert (fact.url, fact.user_agent, fact.occurred_at.second) == ("https://example.com/", "Mozilla", 30)


def test_a_bounce_keeps_what_was_said():
    bounce = {
        "type": "Permanent",
        "subType": "NoEmail",
        "message": "gone",
        "diagnosticCode": ["smtp; 550 a@example.com"],
    }
    assert one_fact("resend", event("email.bounced", bounce=bounce)).reason == "NoEmail gone smtp; 550 [address]"


@pytest.mark.parametrize("given", ["false", "true", 1, None])
def test_only_a_plain_true_in_a_list_is_a_stop(given):
    assert said(one_fact("resend", contact("contact.updated", unsubscribed=given)))[0] == "unknown"
