"""Keys stay what they are from release to release."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nurture import keys

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BO = (("email", "bo@example.com"),)


def test_keys_never_change_because_stored_rows_depend_on_them() -> None:
    assert keys.event_tiebreak("web", "1") == 4301382885339672192
    assert (
        keys.email_hash(b"secret", "bo@example.com")
        == "73d19a9b274a7cdad48a56c2bb32267dfe2bedc4bbbfb9aeff4bb1b4b7ac53c1"
    )
    assert keys.platform_hash("bo@example.com") == "c828d6b93b6a39e9d9632e863f62e7cc08c9278aa5120a2f0ff84d2449310d26"
    assert keys.message_key(b"secret", 7, "hello") == "00c0e14c67a20c4f9047b9c7f205c17452c85172"
    assert (
        keys.content_event_id("web", "page.viewed", NOON, BO, {"url": "/"})
        == "content:2d4797e50f500c0d41d932396045be865cc5b631"
    )


def test_a_tiebreak_fits_a_signed_number_of_64_bits() -> None:
    found = {keys.event_tiebreak("web", str(n)) for n in range(1000)}

    assert len(found) == 1000
    assert all(0 <= each < 2**63 for each in found)


def test_where_source_ends_and_id_begins_matters() -> None:
    assert keys.event_tiebreak("ab", "c") != keys.event_tiebreak("a", "bc")
    assert keys.message_key(b"s", 1, "1:a") != keys.message_key(b"s", 11, ":a")
    assert keys.record_digest("ab", "c") != keys.record_digest("a", "bc")


def test_hashes_for_different_purposes_or_secrets_have_nothing_in_common() -> None:
    assert keys.email_hash(b"one", "a") != keys.email_hash(b"two", "a")
    assert keys.email_hash(b"one", "a")[:40] != keys.message_key(b"one", 1, "a")


def test_content_makes_an_id_that_does_not_depend_on_the_order_of_what_it_says() -> None:
    others = (("phone", "+4512345678"), *BO)
    one = keys.content_event_id("web", "page.viewed", NOON, others, {"a": 1, "b": 2})
    two = keys.content_event_id("web", "page.viewed", NOON, others[::-1], {"b": 2, "a": 1})

    assert one == two
    assert one == keys.content_event_id(
        "web", "page.viewed", NOON + timedelta(milliseconds=400), others, {"a": 1, "b": 2}
    )
    assert one != keys.content_event_id("web", "page.viewed", NOON + timedelta(seconds=1), others, {"a": 1, "b": 2})
    assert one != keys.content_event_id("web", "page.viewed", NOON, others, {"a": 1, "b": 2}, number=1)
