"""Waits, timeouts and windows where the lead lives, over the days on which clocks change and through holidays."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from tests.world import DOCUMENTS

HOUR = timedelta(hours=1)
# The day before European clocks go forward, ten o'clock in Copenhagen.
SATURDAY = datetime(2026, 3, 28, 9, tzinfo=UTC)


def documents_with(*steps, **options):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"] |= {"steps": list(steps), **options}
    return documents


def downloads(world, name="ada", **lead):
    world.lead(name, **lead)
    world.happens(name, "content.white_paper_downloaded")


def wakes_at(world, name):
    return world.rows("enrollments", lead_id=world.lead_id(name))[-1]["wake_at"]


def test_a_day_ends_at_the_same_local_time_and_24_hours_an_hour_later(new_world):
    for wait, copenhagen in (("1 day", 23 * HOUR), ("24 h", 24 * HOUR)):
        world = new_world(documents_with({"id": "pause", "wait": wait}, {"id": "more", "email": "more"}))
        world.now = SATURDAY
        downloads(world, "ada", country="DK")
        # Clocks changed three weeks before in New York, and never do in Tokyo.
        downloads(world, "bo", time_zone="America/New_York")
        downloads(world, "cleo", time_zone="Asia/Tokyo")
        # Nothing known: the project's zone.
        downloads(world, "dora")
        world.run("follow-up")
        found = [wakes_at(world, name) - SATURDAY for name in ("ada", "bo", "cleo", "dora")]
        assert found == [copenhagen, 24 * HOUR, 24 * HOUR, copenhagen]


def test_the_sequences_zone_counts_before_the_projects(new_world):
    steps = {"id": "pause", "wait": "1 day"}, {"id": "more", "email": "more"}
    world = new_world(documents_with(*steps, time_zone="Asia/Tokyo"))
    world.now = SATURDAY
    downloads(world)
    world.run("follow-up")
    assert wakes_at(world, "ada") == SATURDAY + 24 * HOUR


def test_a_timeout_of_days_keeps_the_local_time_too(new_world):
    wait = {"id": "clicked", "wait": {"until": "email.clicked", "timeout": "2 days"}}
    world = new_world(documents_with(wait, {"id": "more", "email": "more"}))
    world.now = SATURDAY
    downloads(world)
    world.run("follow-up")
    world.now = SATURDAY + 47 * HOUR - timedelta(minutes=1)
    world.run("follow-up")
    assert world.received("ada") == []
    world.now += timedelta(minutes=1)
    world.run("follow-up")
    assert world.received("ada") == ["more"]


@pytest.mark.every_database
def test_who_moves_during_a_wait_keeps_its_instant(new_world):
    world = new_world(documents_with({"id": "pause", "wait": "1 day"}, {"id": "more", "email": "more"}))
    world.now = SATURDAY
    downloads(world, "ada", country="DK")
    world.run("follow-up")
    with world.database.write() as connection:
        connection.execute(sa.text("UPDATE leads SET time_zone = 'Asia/Tokyo'"))
    world.now += 23 * HOUR
    world.run("follow-up")
    assert world.received("ada") == ["more"]


def test_the_wait_after_a_mail_counts_from_its_local_time_of_leaving(new_world):
    steps = {"id": "thanks", "email": "thanks"}, {"id": "pause", "wait": "1 day"}, {"id": "more", "email": "more"}
    world = new_world(documents_with(*steps))
    world.now = SATURDAY
    downloads(world)
    world.run("follow-up")
    world.now += 23 * HOUR
    world.run("follow-up")
    assert sorted(world.received("ada")) == ["more", "thanks"]


EASTER = {"days": ["mon", "tue", "wed", "thu", "fri"], "holidays": True, "closed": ["2026-04-07"]}


def test_a_sequences_window_is_closed_on_holidays_where_the_lead_lives_and_on_own_days(new_world):
    world = new_world(documents_with({"id": "more", "email": "more"}, window=EASTER))
    # Maundy Thursday: a holiday in Denmark, none in Germany.
    world.now = datetime(2026, 4, 2, 10, tzinfo=UTC)
    downloads(world, "ada", country="DE")
    downloads(world, "bo", country="DK")
    # The project is at home in Denmark.
    downloads(world, "cleo")
    world.run("follow-up")
    assert [world.received(name) for name in ("ada", "bo", "cleo")] == [["more"], [], []]
    rows = world.rows("messages", status="queued")
    assert {row["reason"] for row in rows} == {"quiet-hours"}
    # Tuesday after Easter is a day of the business's own.
    assert {row["not_before"] for row in rows} == {datetime(2026, 4, 8, 6, tzinfo=UTC)}


def test_a_wait_for_a_window_knows_holidays_too(new_world):
    world = new_world(documents_with({"id": "office", "wait": {"window": EASTER}}, {"id": "more", "email": "more"}))
    world.now = datetime(2026, 4, 2, 10, tzinfo=UTC)
    downloads(world, "ada", country="DE")
    downloads(world, "bo", country="DK")
    world.run("follow-up")
    assert world.received("ada") == ["more"]
    assert wakes_at(world, "bo") == datetime(2026, 4, 8, 6, tzinfo=UTC)


def test_a_mail_does_not_come_too_late_because_of_quiet_hours(new_world):
    step = {"id": "more", "email": "more", "max_lateness": "2 h"}
    world = new_world(documents_with(step, window={"days": ["fri"], "from": "08:00", "to": "17:00"}))
    downloads(world)
    world.run("follow-up")
    # From Monday to Friday at eight; a follow-up comes an hour later.
    world.now += 4 * 24 * HOUR - HOUR
    world.run("follow-up")
    assert world.received("ada") == ["more"]


def test_a_mail_comes_too_late_when_the_machine_is_off_while_its_window_is_open(new_world):
    step = {"id": "more", "email": "more", "max_lateness": "2 h"}
    world = new_world(documents_with(step, window={"days": ["fri"], "from": "08:00", "to": "17:00"}))
    downloads(world)
    world.run("follow-up")
    world.now += 4 * 24 * HOUR + 2 * HOUR
    world.run("follow-up")
    assert world.reasons("ada") == ["too-late"]


def test_the_number_of_statements_grows_neither_with_leads_nor_with_where_they_live(new_world):
    counts = []
    zones = ("Europe/Copenhagen", "Europe/London", "America/New_York", "Australia/Sydney", "Asia/Tokyo")
    for people in (1, 25):
        world = new_world(documents_with({"id": "pause", "wait": "2 days"}, {"id": "more", "email": "more"}))
        world.now = SATURDAY
        for number in range(people):
            downloads(world, f"lead{number}", time_zone=zones[number % len(zones)])
        for flow in ("rescore", "restage", "enroll"):
            world.run(flow)
        counted: list[str] = []
        sa.event.listen(world.database.engine, "before_cursor_execute", lambda *a, seen=counted: seen.append(a[2]))
        world.run("advance")
        counts.append(len(counted))
    assert counts[0] == counts[1]
