"""Mailgun: each of its words, tokens that stand for what they came with first, the older form, forwarded mail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from connectors.email.webhooks import build_webhook_reader
from connectors.email.webhooks.base import ProviderFact
from connectors.email.webhooks.mailgun import WORDS
from tests.connectors.email.webhooks.senders import (
    JSON,
    KEY,
    NOW,
    SECRETS,
    Request,
    by_mailgun,
    by_mailgun_form,
    one_fact,
    said,
)

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def event(word: str, **more: object) -> dict[str, Any]:
    """An event."""
    return {
        "event": word,
        "id": "hTWCTD81RtiDN",
        "timestamp": 1772618460.5,
        "recipient": "ada@example.com",
        "user-variables": {"ripen": KEY},
        "message": {"headers": {"message-id": "20260304.1@mg.example.com", "from": "sales@example.com"}},
    } | more


def failed(reason: str | None, severity: str = "permanent", **status: object) -> dict[str, Any]:
    """A failure."""
    return event("failed", severity=severity, reason=reason) | {"delivery-status": status or None}


def client(bot: str) -> dict[str, object]:
    """Whom Mailgun takes the reader for."""
    return {"client-info": {"user-agent": "Mozilla/5.0", "bot": bot}}


ANSWER = {
    "event": "stored",
    "message": {"headers": {"from": "Ada <ada@example.com>", "in-reply-to": f"<{KEY}@mail.example.com>"}},
}
EXAMPLES = [
    ("accepted", event("accepted"), "queued", None),
    ("delivered", event("delivered"), "delivered", None),
    ("rejected", event("rejected", reject={"reason": "Sandbox subdomains"}), "rejected", False),
    ("failed", event("failed"), "bounced", False),
    ("failed / temporary", failed("greylisted", "temporary", code=450), "deferred", None),
    ("failed / permanent", failed("something-new"), "bounced", False),
    ("failed / permanent / bounce", failed("bounce", code=550), "bounced", True),
    ("failed / permanent / hardfail", failed("hardfail"), "bounced", True),
    ("failed / permanent / generic", failed("generic", code=554), "bounced", False),
    ("failed / permanent / generic / no such mailbox", failed("generic", code=550), "bounced", True),
    ("failed / permanent / old", failed("old", code=602), "bounced", False),
    ("failed / permanent / espblock", failed("espblock", code=550), "bounced", False),
    ("failed / permanent / greylisted", failed("greylisted"), "bounced", False),
    ("failed / permanent / suppress-bounce", failed("suppress-bounce", code=605), "rejected", True),
    ("failed / permanent / suppress-complaint", failed("suppress-complaint", code=607), "rejected", True),
    ("failed / permanent / suppress-unsubscribe", failed("suppress-unsubscribe", code=606), "rejected", True),
    ("opened", event("opened") | client(""), "opened", None),
    ("opened / bot", event("opened") | client("apple"), "opened", None),
    ("clicked", event("clicked", url="https://example.com/"), "clicked", None),
    ("clicked / bot", event("clicked") | client("gmail"), "clicked", None),
    ("unsubscribed", event("unsubscribed"), "unsubscribed", None),
    ("complained", event("complained"), "complained", None),
    ("stored", event("stored") | ANSWER, "replied", None),
]
OLDER = [
    ("inbound", {"sender": "ada@example.com", "body-plain": "yes"}, "replied", None),
    (
        "inbound / automatic",
        {
            "from": "Ada <ada@example.com>",
            "body-plain": "away",
            "message-headers": '[["Auto-Submitted", "auto-replied"]]',
        },
        "auto_replied",
        None,
    ),
    ("bounced", {"event": "bounced", "code": "550"}, "bounced", True),
    ("dropped", {"event": "dropped", "code": "499", "reason": "old"}, "rejected", False),
    ("dropped / 605", {"event": "dropped", "code": "605", "reason": "hardfail"}, "rejected", True),
    ("dropped / 606", {"event": "dropped", "code": "606", "reason": "hardfail"}, "rejected", True),
    ("dropped / 607", {"event": "dropped", "code": "607", "reason": "hardfail"}, "rejected", True),
]


def older(fields: dict[str, object], **more: object) -> ProviderFact:
    """The fact of a form."""
    request = by_mailgun_form(fields | more)
    (fact,) = build_webhook_reader("mailgun", []).read(request.headers, request.body).facts
    return fact


@pytest.mark.parametrize(("word", "given", "kind", "hard"), EXAMPLES, ids=[each[0] for each in EXAMPLES])
def test_each_word_becomes_ours(word, given, kind, hard):
    for whole in (given, {"event-data": given, "signature": {}}):
        fact = one_fact("mailgun", whole)
        assert said(fact) == (kind, hard, word.endswith("/ bot"))
        assert (fact.message_key, fact.recipient, fact.fact_id) == (KEY, "ada@example.com", "2026-03-04:hTWCTD81RtiDN")
        assert fact.occurred_at == datetime(2026, 3, 4, 10, 1, 0, 500_000, UTC)


@pytest.mark.parametrize(("word", "fields", "kind", "hard"), OLDER, ids=[each[0] for each in OLDER])
def test_each_word_of_a_form_becomes_ours(word, fields, kind, hard):
    fact = older(fields, recipient="ada@example.com", ripen=KEY, **{"In-Reply-To": f"<{KEY}@mail.example.com>"})
    assert said(fact) == (kind, hard, False)
    assert (fact.message_key, fact.recipient, fact.fact_id) == (KEY, "ada@example.com", "token-1")
    assert fact.occurred_at == NOW


def test_every_word_has_an_example():
    assert sorted([each[0] for each in EXAMPLES] + [each[0] for each in OLDER]) == sorted(WORDS)


@pytest.mark.parametrize(
    ("status", "hard"),
    [
        ({"code": 550, "enhanced-code": "5.1.1"}, True),
        ({"code": 550, "bounce-code": "5.1.1"}, True),
        ({"code": 550, "enhanced-code": "5.7.1"}, False),
        ({"code": 552, "enhanced-code": "5.2.2"}, False),
        ({"code": "553"}, True),
        ({"code": 500}, False),
        ({"code": None}, False),
    ],
)
def test_a_failure_of_unnamed_kind_is_for_good_when_the_mailbox_is_missing(status, hard):
    assert said(one_fact("mailgun", failed("generic", **status))) == ("bounced", hard, False)


def test_the_id_is_in_brackets_as_the_send_api_returns_it():
    assert one_fact("mailgun", event("delivered")).provider_id == "<20260304.1@mg.example.com>"
    assert older({"event": "delivered", "message-id": "20260304.1@mg.example.com"}).provider_id == (
        "<20260304.1@mg.example.com>"
    )


def test_ids_that_are_unique_within_a_day_alone_get_the_day():
    tomorrow = event("delivered", timestamp=1772618460.5 + 86_400)
    assert one_fact("mailgun", tomorrow).fact_id == "2026-03-05:hTWCTD81RtiDN"


def test_a_rejected_message_is_about_the_one_it_went_to():
    given = event("rejected", recipient=None, message={"headers": {"to": "Ada <ada@example.com>"}})
    assert one_fact("mailgun", given).recipient == "ada@example.com"


def test_what_was_said_stays_without_addresses():
    given = failed("bounce", code=550, message="5.1.1 <ada@example.com>\r\nunknown")
    assert one_fact("mailgun", given).reason == "bounce 550 5.1.1 <[address]> unknown"


def test_a_stop_names_its_list():
    given = event("unsubscribed") | {"mailing-list": {"address": "news@example.com", "list-id": "news.example.com"}}
    assert one_fact("mailgun", given).unsubscribed_from == "news.example.com"
    assert one_fact("mailgun", event("unsubscribed")).unsubscribed_from is None


def test_a_page_of_the_events_api_is_read_event_by_event():
    page = {"items": [event("opened"), 7, event("clicked", id="other"), {}], "paging": {}}
    found = build_webhook_reader("mailgun", []).read(JSON, orjson.dumps(page), NOW)
    assert [str(each.kind) for each in found.facts] == ["opened", "clicked"]
    assert [each.reason for each in found.refused] == ["not-an-object", "no-event"]


@pytest.mark.parametrize(
    "fields",
    [
        {"ripen": KEY},
        {"Message-Id": f"<{KEY}@mail.example.com>"},
        {"message-headers": f'[["X-Ripen-Message", "{KEY}"]]'},
        {"message-headers": orjson.dumps([["X-Mailgun-Variables", f'{{"ripen": "{KEY}"}}']]).decode()},
    ],
)
def test_a_form_shows_our_key_in_one_of_four_places(fields):
    assert older({"event": "opened"} | fields).message_key == KEY


def test_variables_of_the_same_name_do_not_take_the_place_of_fields():
    pairs = {"event": ["clicked", "forged"], "timestamp": "1", "token": "mine", "url": "https://example.com/"}
    fact = older(pairs)
    assert (str(fact.kind), fact.fact_id, fact.occurred_at) == ("clicked", "token-1", NOW)


# --- Proof ------------------------------------------------------------------------------------------------------------


def genuine(reader: Any, request: Request, now: datetime = NOW) -> bool:
    """Whether the reader takes it."""
    return reader.is_genuine(request.headers, request.body, now)


def test_a_form_is_taken_with_its_signature_and_refused_without():
    reader = build_webhook_reader("mailgun", [SECRETS["mailgun"]])
    request = by_mailgun_form({"event": "opened", "recipient": "ada@example.com"})
    assert genuine(reader, request)
    assert not genuine(reader, Request(request.body.replace(b"signature=", b"signature=0"), request.headers))
    assert not genuine(reader, Request(b"event=opened", FORM))


def test_variables_named_like_the_signature_come_before_it_and_do_not_count():
    reader = build_webhook_reader("mailgun", [SECRETS["mailgun"]])
    request = by_mailgun_form({"event": "opened"})
    mixed = Request(b"token=mine&timestamp=1&signature=none&" + request.body, request.headers)
    assert genuine(reader, mixed)
    assert not genuine(reader, Request(request.body + b"&signature=none", request.headers))


def test_a_token_that_was_seen_proves_nothing_for_another_event():
    reader = build_webhook_reader("mailgun", [SECRETS["mailgun"]])
    first, forged = (by_mailgun(event("clicked", id=number), SECRETS["mailgun"]) for number in ("first", "forged"))
    assert genuine(reader, first)
    assert not genuine(reader, forged)
    assert genuine(reader, first, NOW + timedelta(minutes=1)), "the provider may say the same again"
    assert genuine(reader, by_mailgun(event("clicked", id="forged"), SECRETS["mailgun"], token="token-2"))


def test_a_forged_signature_takes_no_token_away():
    reader = build_webhook_reader("mailgun", [SECRETS["mailgun"]])
    assert not genuine(reader, by_mailgun(event("clicked", id="forged"), "a-key-of-somebody-else"))
    assert genuine(reader, by_mailgun(event("clicked"), SECRETS["mailgun"]))


def test_a_longer_age_can_be_allowed():
    late = by_mailgun(event("clicked"), SECRETS["mailgun"], when=NOW - timedelta(hours=8))
    assert not genuine(build_webhook_reader("mailgun", [SECRETS["mailgun"]]), late)
    assert genuine(build_webhook_reader("mailgun", [SECRETS["mailgun"]], max_age_s=9 * 3_600), late)


@pytest.mark.parametrize(
    "block",
    [None, [], "text", {}, {"timestamp": None, "token": None, "signature": None}, {"timestamp": 1772618520.0}],
)
def test_a_block_without_a_signature_is_refused(block):
    reader = build_webhook_reader("mailgun", [SECRETS["mailgun"]])
    assert not genuine(reader, Request(orjson.dumps({"signature": block, "event-data": event("clicked")})))


def nested(depth: int) -> Request:
    """A form whose parts lie in one another."""
    lines = [f"--b{n}\r\nContent-Type: multipart/mixed; boundary=b{n + 1}\r\n\r\n" for n in range(depth)]
    return Request("".join(lines).encode(), {"Content-Type": "multipart/form-data; boundary=b0"})


@pytest.mark.parametrize("depth", [1, 50, 3_000])
def test_a_form_of_parts_in_parts_raises_nothing(depth):
    reader = build_webhook_reader("mailgun", [SECRETS["mailgun"]])
    request = nested(depth)
    assert not genuine(reader, request)
    assert len(reader.read(request.headers, request.body, NOW).refused) == 1
