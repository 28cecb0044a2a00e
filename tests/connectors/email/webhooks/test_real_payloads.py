"""Payloads and signatures from public sources: each is read as its source says, and none is lost."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from ruamel.yaml import YAML

from connectors.email.webhooks import PROVIDERS, Delivered, FactKind, build_webhook_reader
from connectors.email.webhooks.resend import WORDS as RESEND_WORDS
from tests.connectors.email.webhooks.senders import JSON, NOW

# The neutral names of the source, and ours.
KINDS = {
    "queued": FactKind.QUEUED,
    "sent": FactKind.SENT,
    "delivered": FactKind.DELIVERED,
    "deferred": FactKind.DEFERRED,
    "bounced": FactKind.BOUNCED,
    "rejected": FactKind.REJECTED,
    "failed": FactKind.FAILED,
    "complained": FactKind.COMPLAINED,
    "unsubscribed": FactKind.UNSUBSCRIBED,
    "subscribed": FactKind.SUBSCRIBED,
    "opened": FactKind.OPENED,
    "clicked": FactKind.CLICKED,
    "autoresponded": FactKind.AUTO_REPLIED,
    "inbound": FactKind.REPLIED,
    "unknown": FactKind.UNKNOWN,
}
# What the source sends without naming a type; read by a person.
UNNAMED = {
    "MailgunWebhookSettingsTestCase.test_webhook_signing_is_different_from_api_key": "delivered",
    "MailgunWebhookSettingsTestCase.test_defaults_webhook_signing_to_api_key": "delivered",
    "MailgunTestCase.test_delivery_status_is_none_event": "queued",
    "MailgunLegacyTestCase.test_metadata_message_headers": "delivered",
    "MailgunLegacyTestCase.test_metadata_post_fields": "clicked",
    "MailgunLegacyTestCase.test_tags": "opened",
    "MailgunLegacyTestCase.test_x_tags": "delivered",
    "MailgunLegacyTestCase.test_misconfigured_inbound": "inbound",
    "SendGridDeliveryTestCase.test_compatibility_message_id_from_smtp_id": "delivered",
    "AmazonSESNotificationsTests.test_incorrect_received_event": "inbound",
}
SAYS_TIME = re.compile(r'"(?:[Tt]imestamp|[A-Z][a-z]+At|created_at|ts_epoch|ts_event|s_epoch)": (?!null)')
ENTRIES = {"amazon_ses": 19, "brevo": 16, "mailgun": 24, "postmark": 9, "resend": 8, "sendgrid": 10}


@pytest.fixture(scope="module")
def contracts(shared_data: Path) -> Path:
    """The folder of payloads."""
    return shared_data / "contracts"


def entries(contracts: Path, provider: str) -> list[dict[str, Any]]:
    """The payloads of one provider."""
    return json.loads((contracts / provider / "webhook_payloads.json").read_text(encoding="utf-8"))


def read(provider: str, entry: dict[str, Any]) -> Delivered:
    """One payload, in the shape that its provider posts."""
    payload, reader = entry["payload"], build_webhook_reader(provider, [])
    if "Legacy" in entry["test"]:
        body = urlencode(payload, doseq=True).encode()
        return reader.read({"Content-Type": "application/x-www-form-urlencoded"}, body, NOW)
    return reader.read(JSON, payload.encode() if isinstance(payload, str) else orjson.dumps(payload), NOW)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_payload_becomes_what_its_source_says(contracts, provider):
    found = entries(contracts, provider)
    assert len(found) == ENTRIES[provider]
    for entry in found:
        delivered = read(provider, entry)
        names = entry.get("anymail_event_type") or [UNNAMED[entry["test"]]]
        assert delivered.refused == (), entry["test"]
        # One name stands for all recipients.
        assert {fact.kind for fact in delivered.facts} == {KINDS[name] for name in names}, entry["test"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_recipients_and_times_are_found_where_the_payload_has_them(contracts, provider):
    without = set()
    for entry in entries(contracts, provider):
        text = json.dumps(entry["payload"])
        for fact in read(provider, entry).facts:
            assert fact.recipient is None or fact.recipient in text
            if fact.recipient is None:
                without.add(entry["test"].split(".")[1])
            assert (fact.occurred_at != NOW) == bool(SAYS_TIME.search(text)), entry["test"]
    assert without <= {
        "test_webhook_signing_is_different_from_api_key",
        "test_defaults_webhook_signing_to_api_key",
        "test_delivery_status_is_none_event",
        "test_metadata_message_headers",
        "test_metadata_post_fields",
        "test_tags",
        "test_x_tags",
        "test_misconfigured_inbound",
        "test_incorrect_received_event",
        "test_bounce_unsubscribe_variant",
    }


def test_what_is_for_good_and_what_is_not(contracts):
    found = Counter(
        (provider, str(fact.kind), fact.hard)
        for provider in PROVIDERS
        for entry in entries(contracts, provider)
        for fact in read(provider, entry).facts
        if fact.hard is not None
    )
    assert found == {
        ("amazon_ses", "bounced", True): 6,
        ("amazon_ses", "rejected", False): 2,
        ("brevo", "bounced", True): 2,
        ("brevo", "bounced", False): 1,
        ("brevo", "rejected", True): 1,
        ("mailgun", "bounced", True): 3,
        ("mailgun", "rejected", True): 2,
        ("mailgun", "rejected", False): 2,
        ("postmark", "bounced", True): 2,
        ("resend", "bounced", True): 2,
        ("sendgrid", "bounced", True): 1,
        ("sendgrid", "rejected", True): 3,
    }


# --- Examples of the providers' own documents -------------------------------------------------------------------------


def is_event(found: Any) -> bool:
    """Whether a JSON example says what happened."""
    return isinstance(found, dict) and isinstance(found.get("event"), str)


def test_the_examples_of_mailguns_documents_are_read_without_loss(contracts):
    examples = json.loads((contracts / "mailgun" / "docs_json_examples.json").read_text(encoding="utf-8"))
    reader = build_webhook_reader("mailgun", [])
    events = 0
    for example in examples:
        payload = example["payload"]
        parts = payload["items"] if isinstance(payload.get("items"), list) else [payload]
        found = reader.read(JSON, orjson.dumps(payload), NOW)
        assert len(found.facts) == sum(is_event(part) for part in parts)
        assert len(found.refused) == sum(not is_event(part) for part in parts)
        events += len(found.facts)
    assert (len(examples), events) == (20, 19)


def test_the_examples_of_sendgrids_documents_are_read_without_loss(contracts):
    examples = json.loads((contracts / "sendgrid" / "docs_event_examples.json").read_text(encoding="utf-8"))
    reader = build_webhook_reader("sendgrid", [])
    kinds: Counter[str] = Counter()
    for example in examples:
        payload = example["payload"]
        parts = payload if isinstance(payload, list) else [payload]
        found = reader.read(JSON, orjson.dumps(payload))
        assert len(found.facts) == sum(is_event(part) for part in parts)
        assert [each.reason for each in found.refused] == ["no-event" for part in parts if not is_event(part)]
        kinds.update(str(fact.kind) for fact in found.facts)
    assert FactKind.UNKNOWN not in kinds
    assert sum(kinds.values()) == 36


def example(schema: dict[str, Any], root: dict[str, Any], name: str = "") -> Any:
    """Something that a schema describes."""
    if "$ref" in schema:
        return example(root["components"]["schemas"][schema["$ref"].rpartition("/")[2]], root, name)
    if "allOf" in schema:
        return {key: value for part in schema["allOf"] for key, value in example(part, root).items()}
    if "const" in schema or "enum" in schema:
        return schema.get("const") or schema["enum"][0]
    if schema.get("type") == "object":
        return {key: example(part, root, key) for key, part in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [example(schema["items"], root, name)]
    plain = {"boolean": True, "integer": 1, "number": 1.5}
    words = "ada@example.com" if name in ("from", "to", "email") else f"some {name}"
    return plain.get(schema.get("type", ""), schema.get("example", words))


def described(contracts: Path) -> Iterator[tuple[str, Any]]:
    """Every webhook of Resend's description, with an example."""
    root = YAML(typ="safe").load((contracts / "resend" / "resend.yaml").read_text(encoding="utf-8"))
    for name, path in root["webhooks"].items():
        yield name, example(path["post"]["requestBody"]["content"]["application/json"]["schema"], root)


def test_every_webhook_that_resend_describes_is_known_and_read(contracts):
    reader = build_webhook_reader("resend", [])
    names = []
    for name, payload in described(contracts):
        assert payload["type"] == name
        assert name in RESEND_WORDS
        (fact,) = reader.read(JSON | {"svix-id": "msg_1"}, orjson.dumps(payload)).facts
        assert (fact.kind is FactKind.UNKNOWN) == (
            RESEND_WORDS[name].kind is FactKind.UNKNOWN and name != "contact.updated"
        )
        assert fact.recipient == (None if name.startswith("domain.") else "ada@example.com")
        names.append(name)
    assert len(names) == 17


# --- Signatures -------------------------------------------------------------------------------------------------------


def vectors(contracts: Path, scheme: str) -> list[dict[str, Any]]:
    """The published vectors of one scheme."""
    found = json.loads((contracts / "webhook_signatures" / "vectors.json").read_text(encoding="utf-8"))
    return [each for each in found if each["scheme"].startswith(scheme)]


def at_time(seconds: str) -> datetime:
    """The instant at which a vector was made."""
    return datetime.fromtimestamp(int(seconds), UTC)


@pytest.mark.parametrize("prefix", ["webhook", "svix"])
def test_the_vectors_of_standard_webhooks_hold_for_resend(contracts, prefix):
    found = vectors(contracts, "standard-webhooks")
    assert Counter(each["expected"] for each in found) == {"valid": 2, "invalid": 1}
    for each in found:
        headers = {name.replace("webhook", prefix): value for name, value in each["headers"].items()}
        now = at_time(each["headers"]["webhook-timestamp"])
        genuine = build_webhook_reader("resend", [each["secret"]]).is_genuine(headers, each["body"].encode(), now)
        assert genuine is (each["expected"] == "valid")


def test_the_vectors_of_sendgrid_hold(contracts):
    found = vectors(contracts, "SendGrid")
    assert Counter(each["expected"] for each in found) == {"valid": 1, "invalid": 1}
    for each in found:
        now = at_time(each["headers"]["X-Twilio-Email-Event-Webhook-Timestamp"])
        reader = build_webhook_reader("sendgrid", [each["public_key_der_b64"]])
        body = each["body"].encode()
        assert reader.is_genuine(each["headers"], body, now) is (each["expected"] == "valid")
        assert not reader.is_genuine(each["headers"], body.strip(), now), "the line end is signed, too"
        (fact,) = reader.read(each["headers"], body).facts
        assert (str(fact.kind), fact.hard, fact.provider_id) == ("rejected", True, "LRzXl_NHStOGhQ4kofSm_A")


def test_the_vector_of_mailgun_holds(contracts):
    (each,) = vectors(contracts, "Mailgun")
    now = at_time(each["signature"]["timestamp"])
    reader = build_webhook_reader("mailgun", [each["secret"]])
    event = {"event": "opened", "id": "e-1", "timestamp": 1234567890}
    assert reader.is_genuine(JSON, orjson.dumps({"signature": each["signature"], "event-data": event}), now)
    for name, value in each["signature"].items():
        forged = each["signature"] | {name: value[:-1] + ("0" if value[-1] != "0" else "1")}
        assert not reader.is_genuine(JSON, orjson.dumps({"signature": forged, "event-data": event}), now)
