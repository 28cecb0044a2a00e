"""Inbound events: only with a genuine signature, each stored once, and what cannot be used is kept with its reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EVENT = {
    "source_event_id": "form-1",
    "email": "cy@example.com",
    "type": "demo.requested",
    "occurred_at": "2026-03-02T09:55:00+01:00",
    "properties": {"page": "/demo"},
}


def send(site, body, **changed):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return site.browser.post("/hooks/events", content=body, headers=site.headers(body) | changed)


def stored(site):
    return [(row["source"], row["source_event_id"], row["type"]) for row in site.world.rows("events")]


@pytest.mark.parametrize("body", [EVENT, [EVENT], {"events": [EVENT]}], ids=["one", "list", "object"])
def test_a_signed_event_is_stored_before_the_answer(site, body):
    answer = send(site, body)
    assert (answer.status_code, answer.json()) == (200, {"stored": 1, "duplicates": 0, "refused": []})
    assert stored(site) == [("webhook", "form-1", "demo.requested")]
    site.world.run("follow-up")
    assert site.world.stage("cy") == "sql"
    assert len(site.world.rows("sales_tasks")) == 1


def test_the_same_event_again_changes_nothing(site):
    send(site, EVENT)
    assert send(site, EVENT).json() == {"stored": 0, "duplicates": 1, "refused": []}
    assert len(stored(site)) == 1


def test_what_cannot_be_used_is_kept_with_its_reason_and_stops_nothing(site):
    bad = [
        {**EVENT, "type": "demo.wanted", "source_event_id": "a"},
        {**EVENT, "emial": "x", "source_event_id": "b"},
        {"type": "demo.requested", "occurred_at": "2026-03-02T09:55:00Z", "source_event_id": "c"},
        {**EVENT, "occurred_at": "yesterday", "source_event_id": "d"},
        "not an object",
        None,
    ]
    answer = send(site, [*bad, EVENT])
    assert answer.status_code == 200
    assert answer.json()["stored"] == 1
    refused = answer.json()["refused"]
    assert [each["item"] for each in refused] == [f"item {number}" for number in (1, 2, 3, 4, 5, 6)] or len(
        refused
    ) == 6
    assert len(site.world.rows("dead_letters")) == 6
    assert stored(site) == [("webhook", "form-1", "demo.requested")]


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
        {"webhook-id": "another"},
        {"webhook-timestamp": "0"},
        {"webhook-timestamp": "soon"},
    ],
)
def test_every_doubtful_signature_gets_the_same_answer_and_writes_nothing(untouched, changed):
    answer = send(untouched, EVENT, **changed)
    assert (answer.status_code, answer.json()) == (401, {"error": "the signature is missing or wrong"})


def test_without_a_secret_the_door_is_shut(untouched):
    secrets, untouched.door.webhook_secrets = untouched.door.webhook_secrets, ()
    answer = send(untouched, EVENT)
    untouched.door.webhook_secrets = secrets
    assert answer.status_code == 401


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"1", b'"x"', b"[" * 100_000, b'{"events": 1}'])
def test_a_signed_body_that_is_no_list_of_events_is_told_why(untouched, body):
    answer = send(untouched, body)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize("how", ["with its length", "in pieces"])
def test_a_body_over_one_megabyte_is_refused_while_it_arrives(untouched, how):
    body = b"x" * 1_000_001
    given = (
        body if how == "with its length" else (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    )
    answer = untouched.browser.post("/hooks/events", content=given, headers=untouched.headers(body))
    assert answer.status_code == 413


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    st.binary(max_size=200),
    st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]),
        st.text(st.characters(min_codepoint=33, max_codepoint=126)),
    ),
)
def test_no_garbage_is_ever_an_error_or_a_write(untouched, body, headers):
    assert untouched.browser.post("/hooks/events", content=body, headers=headers).status_code == 401


# --- Events that name a message alone ---------------------------------------------------------------------------------


def about_a_message(key, **changed):
    return {
        "source_event_id": "m-1",
        "type": "email.bounced",
        "occurred_at": "2026-03-02T08:55:00Z",
        "properties": {"message_key": key, "kind": "hard"},
    } | changed


def test_an_event_that_names_a_message_is_its_leads(mailed):
    (message,) = mailed.world.rows("messages")
    before = len(mailed.world.rows("leads"))
    assert send(mailed, about_a_message(message["key"])).json() == {"stored": 1, "duplicates": 0, "refused": []}
    (event,) = mailed.world.rows("events", type="email.bounced")
    assert (event["lead_id"], event["message_id"]) == (mailed.world.lead_id("ada"), message["id"])
    assert [row["reason"] for row in mailed.world.rows("suppressions")] == ["hard_bounce"]
    assert len(mailed.world.rows("leads")) == before


def test_after_a_merge_it_is_the_survivors(mailed):
    (message,) = mailed.world.rows("messages")
    mailed.world.lead("bo")
    survivor = mailed.world.lead_id("bo")
    mailed.world.merge("bo", "ada")
    assert send(mailed, about_a_message(message["key"])).json()["stored"] == 1
    assert mailed.world.rows("events", type="email.bounced")[0]["lead_id"] == survivor


def test_a_message_that_nobody_knows_is_a_dead_letter_and_the_others_are_stored(mailed):
    (message,) = mailed.world.rows("messages")
    events = [
        about_a_message("f" * 40),
        about_a_message("", source_event_id="m-2"),
        about_a_message(message["key"], source_event_id="m-3"),
        EVENT,
    ]
    answer = send(mailed, events).json()
    assert answer["stored"] == 2
    assert sorted(each["reason"] for each in answer["refused"]) == ["no-identifier", "unknown-message"]
    assert len(mailed.world.rows("dead_letters")) == 2


def test_an_address_beside_the_key_says_whose_it_is(mailed):
    (message,) = mailed.world.rows("messages")
    send(mailed, about_a_message(message["key"], email="cy@example.com"))
    (event,) = mailed.world.rows("events", type="email.bounced")
    assert (event["lead_id"], event["message_id"]) == (mailed.world.lead_id("cy"), message["id"])
