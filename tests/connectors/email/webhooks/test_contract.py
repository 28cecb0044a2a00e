"""What every provider's webhooks promise: closed unless proven, never raising, losing nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.email.webhooks import PROVIDERS, FactKind, WebhookReader, build_webhook_reader
from nurture.errors import BadSetting
from tests.connectors.email.webhooks.senders import EVENTS, KEY, NOW, Request, genuine, options_of, secret_of
from tests.properties.examples import examples

every = pytest.mark.parametrize("provider", PROVIDERS)
# Their proof covers the body, or at least something in it.
signing = pytest.mark.parametrize("provider", ["amazon_ses", "resend", "sendgrid"])
timed = pytest.mark.parametrize("provider", ["amazon_ses", "mailgun", "resend", "sendgrid"])


def reader_of(provider: str, *secrets: str) -> WebhookReader:
    """A reader with the usual secret, or with these."""
    return build_webhook_reader(provider, secrets or [secret_of(provider)], **options_of(provider))


def accepts(reader: WebhookReader, request: Request) -> bool:
    """Whether the request is taken for genuine at NOW."""
    return reader.is_genuine(request.headers, request.body, NOW, f"/hooks/{reader.name}")


# --- Settings ---------------------------------------------------------------------------------------------------------


@every
def test_a_reader_bears_the_name_that_settings_use(provider):
    assert reader_of(provider).name == provider


@every
def test_an_unknown_option_is_refused(provider):
    with pytest.raises(BadSetting, match="no setting 'colour'"):
        build_webhook_reader(provider, [secret_of(provider)], colour="red")


def test_an_unknown_provider_is_refused_with_the_nearest_one():
    with pytest.raises(BadSetting, match="did you mean 'postmark'"):
        build_webhook_reader("postmrak", [])


@every
def test_one_text_instead_of_a_list_of_secrets_is_refused(provider):
    with pytest.raises(BadSetting, match="must be a list"):
        build_webhook_reader(provider, secret_of(provider))


@pytest.mark.parametrize(
    ("provider", "secret"),
    [
        ("postmark", "short:x"),
        ("postmark", "a-long-password-without-a-user"),
        ("postmark", ":a-long-password"),
        ("brevo", "short"),
        ("mailgun", "short"),
        ("mailgun", ""),
        ("resend", "whsec_%%%%%%%%%%%%%%%%%%%%%%%%"),
        ("resend", "two words-that-are-long-enough"),
        ("sendgrid", "not-base64-at-all"),
        ("sendgrid", "AAAA"),
        ("amazon_ses", "arn:aws:sns:everything:*"),
        ("amazon_ses", "short"),
    ],
)
def test_a_secret_that_cannot_be_one_is_refused_without_being_shown(provider, secret):
    with pytest.raises(BadSetting) as refused:
        build_webhook_reader(provider, [secret])
    assert not secret or secret not in str(refused.value)


# --- Genuine or not ---------------------------------------------------------------------------------------------------


@every
def test_a_genuine_request_is_taken(provider):
    assert accepts(reader_of(provider), genuine(provider))


@every
def test_it_is_taken_again_when_the_provider_repeats_it(provider):
    reader, request = reader_of(provider), genuine(provider)
    assert accepts(reader, request)
    assert accepts(reader, request)


@every
def test_header_names_may_be_written_in_any_case(provider):
    request = genuine(provider)
    for change in (str.upper, str.lower):
        assert accepts(reader_of(provider), Request(request.body, {change(k): v for k, v in request.headers.items()}))


@every
def test_without_a_secret_nothing_is_genuine(provider):
    reader = build_webhook_reader(provider, [], **options_of(provider))
    assert not accepts(reader, genuine(provider))


@every
def test_while_a_secret_is_rotated_both_are_good(provider):
    reader = reader_of(provider, secret_of(provider), secret_of(provider, other=True))
    assert accepts(reader, genuine(provider))
    assert accepts(reader, genuine(provider, other=True))


@every
def test_another_secret_is_refused(provider):
    assert not accepts(reader_of(provider), genuine(provider, other=True))


@every
def test_a_request_without_any_proof_is_refused(provider):
    body = orjson.dumps(EVENTS[provider])
    assert not accepts(reader_of(provider), Request(body))
    assert not accepts(reader_of(provider), Request(b"", {}))


@timed
@pytest.mark.parametrize("late", [timedelta(seconds=301), timedelta(seconds=-301), timedelta(days=400)])
def test_a_request_that_comes_late_or_early_is_refused(provider, late):
    assert not accepts(reader_of(provider), genuine(provider, when=NOW - late))


@timed
@pytest.mark.parametrize("late", [timedelta(seconds=295), timedelta(seconds=-295)])
def test_five_minutes_of_skew_are_allowed(provider, late):
    assert accepts(reader_of(provider), genuine(provider, when=NOW - late))


@signing
def test_a_changed_body_is_refused(provider):
    request = genuine(provider)
    assert not accepts(reader_of(provider), Request(request.body.replace(b"ada@", b"eve@"), request.headers))


@every
def test_a_truncated_body_is_refused_or_read_as_refused(provider):
    request = genuine(provider)
    cut = Request(request.body[:-9], request.headers)
    reader = reader_of(provider)
    found = reader.read(cut.headers, cut.body, NOW)
    assert not accepts(reader, cut) or (not found.facts and [each.reason for each in found.refused] == ["not-json"])


@pytest.mark.parametrize("provider", ["resend", "sendgrid"])
def test_the_same_content_in_another_order_is_refused(provider):
    request = genuine(provider)
    found = orjson.loads(request.body)
    first = found[0] if isinstance(found, list) else found
    turned = dict(reversed(first.items()))
    body = orjson.dumps([turned] if isinstance(found, list) else turned)
    assert body != request.body
    assert not accepts(reader_of(provider), Request(body, request.headers))


@every
def test_every_cut_and_every_changed_character_of_the_proof_is_refused(provider):
    request = genuine(provider)
    reader = reader_of(provider)
    names = [name for name in request.headers if name.lower() != "content-type"]
    for name in names:
        value = request.headers[name]
        for wrong in {"", value[:-1], value[1:], value + "x", value.swapcase(), "\ud800", "é", value * 50} - {value}:
            assert not accepts(reader, Request(request.body, request.headers | {name: wrong})), (name, wrong)
    if names:
        return
    block = "signature" if provider == "mailgun" else "Signature"
    whole = orjson.loads(request.body)
    inner = whole["signature"] if provider == "mailgun" else whole
    for wrong in ("", inner[block][:-1], inner[block].swapcase() + "x", None, 7, [], {}):
        changed = {**whole, "signature": {**inner, block: wrong}} if provider == "mailgun" else {**whole, block: wrong}
        assert not accepts(reader, Request(orjson.dumps(changed), request.headers)), wrong


# --- Reading ----------------------------------------------------------------------------------------------------------


@every
def test_the_genuine_request_is_one_delivered_fact_about_our_message(provider):
    request = genuine(provider)
    (fact,) = reader_of(provider).read(request.headers, request.body).facts
    assert (fact.kind, fact.message_key, fact.recipient) == (FactKind.DELIVERED, KEY, "ada@example.com")
    assert fact.occurred_at.replace(microsecond=0) == NOW - timedelta(minutes=1)
    assert fact.occurred_at.tzinfo is UTC
    assert (fact.hard, fact.machine, fact.url, fact.unsubscribed_from) == (None, False, None, None)


@every
def test_the_same_delivery_twice_has_the_same_id_and_another_one_another(provider):
    request = genuine(provider)
    reader = reader_of(provider)
    first, again = (reader.read(request.headers, request.body).facts[0].fact_id for _ in range(2))
    assert first == again
    assert len(first) <= 200
    assert "@" not in first


@every
def test_no_personal_data_shows_when_a_fact_is_printed(provider):
    request = genuine(provider)
    found = reader_of(provider).read(request.headers, request.body)
    assert "ada" not in repr(found)


@every
def test_a_key_that_is_not_forty_small_hex_digits_is_none(provider):
    request = genuine(provider)
    for wrong in (KEY.upper(), KEY[:-1] + "g", KEY[:-1] + "A", KEY + "0", KEY[1:]):
        body = request.body.replace(KEY.encode(), wrong.encode())
        assert body != request.body
        (fact,) = reader_of(provider).read(request.headers, body).facts
        assert fact.message_key is None


@every
def test_an_unknown_word_becomes_unknown_and_is_kept(provider):
    request = genuine(provider)
    body = request.body.replace(b"elivered", b"ancing").replace(b'\\"Delivery\\"', b'\\"Dancing\\"')
    body = body.replace(b'"Delivery"', b'"Dancing"')
    assert body != request.body
    (fact,) = reader_of(provider).read(request.headers, body, NOW).facts
    assert fact.kind is FactKind.UNKNOWN
    assert b"ancing" in orjson.dumps(fact.raw)


@every
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", None),
        (b"\xff\xfe\x00", None),
        (b"{", "not-json"),
        (b'{"a": NaN}', "not-json"),
        (b'{"a": "\\ud800"}', "not-json"),
        (b"null", "not-an-object"),
        (b"7", "not-an-object"),
        (b'"text"', "not-an-object"),
        (b"[[]]", "not-an-object"),
        (b"{}", "no-event"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "too-deep"),
        (b"[" * 10_000 + b"]" * 10_000, "not-json"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "not-json"),
        (b'{"a": ' + b"9" * 100_000 + b"}", None),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason_and_kept(provider, body, reason):
    reader = reader_of(provider)
    found = reader.read({"Content-Type": "application/json"}, body, NOW)
    (refused,) = found.refused
    assert found.facts == ()
    assert reason is None or refused.reason == reason
    assert refused.message
    assert not isinstance(refused.raw, bytes) or refused.raw in body or refused.raw == body


@every
def test_one_poisoned_part_does_not_keep_the_others_away(provider):
    if provider in ("mailgun", "amazon_ses"):
        good = [genuine(provider).body] * 2
    else:
        found = EVENTS[provider]
        good = [orjson.dumps(found[0] if isinstance(found, list) else found)] * 2
    poison = [b'{"a":' * 2_000 + b"1" + b"}" * 2_000, b'{"email": "\\ud800"}', b'{"s": "][,\\""}', b"7"]
    body = b"[" + b",".join([good[0], *poison, good[1]]) + b"]"
    read = reader_of(provider).read({"Content-Type": "application/json"}, body, NOW)
    assert [each.kind for each in read.facts] == [FactKind.DELIVERED] * 2
    assert [each.reason for each in read.refused] == ["not-json", "not-json", "no-event", "not-an-object"]
    assert read.refused[0].raw == poison[0]


@every
def test_a_part_without_a_time_happened_when_it_was_received_or_is_refused(provider):
    request = genuine(provider)
    found = orjson.loads(request.body)
    event = without_times(json.loads(found["Message"]) if provider == "amazon_ses" else without_times(found))
    body = orjson.dumps(event)
    headers = {"Content-Type": "application/json"}
    (fact,) = reader_of(provider).read(headers, body, NOW).facts
    assert fact.occurred_at == NOW
    (refused,) = reader_of(provider).read(headers, body).refused
    assert refused.reason == "no-time"


def without_times(found: Any) -> Any:
    """The same without anything that says a time."""
    if isinstance(found, list):
        return [without_times(each) for each in found]
    if not isinstance(found, dict):
        return found
    times = ("timestamp", "created_at", "ts_epoch", "DeliveredAt", "Timestamp", "signature")
    return {name: without_times(value) for name, value in found.items() if name not in times}


# --- Whatever comes ---------------------------------------------------------------------------------------------------

HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("Authorization", "Content-Type"),
            *(f"{prefix}-{name}" for prefix in ("svix", "webhook") for name in ("id", "timestamp", "signature")),
            *(f"X-Twilio-Email-Event-Webhook-{name}" for name in ("Signature", "Timestamp")),
        ]
    ),
    st.one_of(
        st.text(st.characters(), max_size=40),
        st.sampled_from(
            ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "Basic", "v1,"]
        ),
        st.just(str(int(NOW.timestamp()))),
    ),
    max_size=6,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def distorted(draw: st.DrawFn, provider: str) -> Any:
    """A real event of the provider with values of wrong types put anywhere."""

    def bend(found: Any) -> Any:
        if draw(st.integers(0, 4)) == 0:
            return draw(VALUES)
        if isinstance(found, dict):
            return {name: bend(value) for name, value in found.items()}
        return [bend(each) for each in found] if isinstance(found, list) else found

    return bend(draw(st.sampled_from([EVENTS[provider], orjson.loads(genuine(provider).body)])))


def first_of(found: Any) -> Any:
    """The first part of a list, or the part itself."""
    while isinstance(found, list):
        found = found[0] if found else None
    return found


def covers(body: bytes, found: Any) -> bool:
    """Whether as many parts came out as went in: each as facts, or refused, or as the address to visit."""
    whole = orjson.loads(body)
    parts = whole if isinstance(whole, list) else [whole]
    return bool(found.facts or found.refused or found.confirm_url) == bool(parts)


@every
@given(headers=HEADERS, body=st.binary(max_size=200))
@settings(max_examples=examples(40))
def test_any_bytes_are_refused_and_nothing_is_raised(provider, headers, body):
    reader = reader_of(provider)
    assert not reader.is_genuine(headers, body, NOW, headers.get("svix-id", ""))
    found = reader.read(headers, body, NOW)
    # A list of nothing holds nothing.
    assert found.facts or found.refused or body.split() in ([b"[]"], [b"[", b"]"])


@every
@given(data=st.data())
@settings(max_examples=examples(40))
def test_any_json_is_read_without_raising_and_without_loss(provider, data):
    body = orjson.dumps(data.draw(VALUES | st.lists(distorted(provider), max_size=3) | distorted(provider)))
    headers = {"Content-Type": "application/json"}
    reader = reader_of(provider)
    taken = reader.is_genuine(headers, body, NOW)
    # The bodies of these two hold their proof themselves, and it may have stayed whole.
    assert not taken or provider in ("mailgun", "amazon_ses")
    found = reader.read(headers, body, NOW)
    assert covers(body, found)
    for fact in found.facts:
        assert fact.kind in FactKind
        assert fact.occurred_at.tzinfo is UTC
        assert fact.recipient is None or fact.recipient.count("@") == 1
        assert isinstance(fact.raw, Mapping)
        assert (fact.hard is None) == (fact.kind not in (FactKind.BOUNCED, FactKind.REJECTED))


@every
@given(data=st.data())
@settings(max_examples=examples(25))
def test_a_list_loses_none_of_its_parts(provider, data):
    parts = data.draw(st.lists(distorted(provider).map(first_of), max_size=4))
    reader = reader_of(provider)
    headers = {"Content-Type": "application/json"}
    alone = [reader.read(headers, orjson.dumps([part, {}]), NOW) for part in parts]
    together = reader.read(headers, orjson.dumps([*parts, {}]), NOW)
    assert len(together.facts) == sum(len(each.facts) for each in alone)
    assert len(together.refused) == 1 + sum(len(each.refused) - 1 for each in alone)
    assert all(len(each.facts) + len(each.refused) >= 2 for each in alone)
