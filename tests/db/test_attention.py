"""What needs a person: counted by kind, with the time since when, and gone when it is mended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from db import attention, messages, tables, transports
from nurture.records import EventRecord, Identity, Origin
from tests.world import World


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    made = World(database_url, tmp_path)
    yield made
    made.close()


def troubles(world: World) -> dict[str, int]:
    with world.database.read() as connection:
        return {each.kind: each.count for each in attention.troubles(connection, world.now)}


def change(world: World, table: str, **values: Any) -> None:
    with world.database.write() as connection:
        connection.execute(sa.update(tables.metadata.tables[table]).values(**values))


def one_mail(world: World) -> None:
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.run()


def test_a_quiet_business_needs_nobody(world):
    assert troubles(world) == {}
    one_mail(world)
    assert troubles(world) == {}


def test_a_message_without_a_recorded_reply_needs_a_person_until_it_is_resolved(world):
    one_mail(world)
    change(world, "messages", status="unknown", reason="reply-lost")
    with world.database.read() as connection:
        found = attention.troubles(connection, world.now)
    assert [(each.kind, each.count, each.since) for each in found] == [("messages-unknown", 1, world.now)]
    with world.database.write() as connection:
        messages.resolve(connection, 1, "accepted", "seen in the mailbox", world.now)
    assert troubles(world) == {}


def test_a_paused_transport_needs_a_person_until_its_pause_is_over(world):
    until = world.now + timedelta(minutes=30)
    with world.database.write() as connection:
        assert transports.refused(connection, "smtp", "535 wrong password", world.now) == 1
    assert troubles(world) == {"transport-paused": 1}
    with world.database.read() as connection:
        paused = attention.paused_transports(connection, world.now)
    assert paused == [{"name": "smtp", "paused_until": until, "reason": "535 wrong password"}]
    world.now = until
    assert troubles(world) == {}


def test_a_task_that_nobody_took_in_time_needs_a_person(world):
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run()
    assert troubles(world) == {}
    world.now += timedelta(days=7)
    assert troubles(world) == {"tasks-overdue": 1}
    change(world, "sales_tasks", status="accepted", crm_status="failed")
    assert troubles(world) == {"crm-failed": 1}


def test_a_record_that_could_not_be_used_needs_a_person_unless_it_only_waits_for_its_time(world):
    who = (Identity("email", "ada@example.com"),)
    world.store([EventRecord("test", "odd", "no.such_type", world.now, who, origin=Origin("line 1", b"odd"))])
    assert troubles(world) == {"letters-waiting": 1}
    tomorrow = world.now + timedelta(days=1)
    world.store([EventRecord("test", "early", "page.viewed", tomorrow, who, origin=Origin("line 2", b"early"))])
    assert troubles(world) == {"letters-waiting": 1}


def test_the_messages_of_a_run_are_counted_by_outcome_and_reason(world):
    for name, consent in (("ada", True), ("bo", True), ("cy", False)):
        world.lead(name, consent=consent)
        world.happens(name, "content.white_paper_downloaded")
    world.run()
    with world.database.read() as connection:
        found = attention.messages_of_run(connection, world.now)
        later = attention.messages_of_run(connection, world.now + timedelta(minutes=10))
    assert found == [
        {"outcome": "accepted", "reason": None, "messages": 2},
        {"outcome": "skipped", "reason": "no-consent", "messages": 1},
    ]
    assert later == []


def test_a_message_that_waits_is_counted_with_the_reason_why(world):
    one_mail(world)
    change(
        world,
        "messages",
        status="queued",
        reason="quiet-hours",
        settled_at=None,
        not_before=world.now + timedelta(hours=9),
    )
    with world.database.read() as connection:
        found = attention.messages_of_run(connection, world.now)
    assert found == [{"outcome": "queued", "reason": "quiet-hours", "messages": 1}]
