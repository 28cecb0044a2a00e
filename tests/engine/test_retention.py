"""What has been kept long enough goes, on the virtual clock; what is younger, or still needed, stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from connectors.email.eml_folder import EmlFolder
from db import audit, tables
from tests.world import START, World

DAY = timedelta(days=1)


def counts(world: World):
    return world.run("retention").counts


def add(world, table, *rows):
    with world.database.write() as connection:
        connection.execute(sa.insert(tables.metadata.tables[table]), list(rows))


def clean(world):
    with world.database.read() as connection:
        assert audit.run_checks(connection, world.now, repair=False) == []


def test_what_providers_reported_goes_after_ninety_days(world):
    world.lead("ada")
    fact = {"provider": "post", "kind": "delivered", "lead_id": 1, "raw": {"to": "ada@example.com"}}
    add(
        world,
        "provider_facts",
        *({**fact, "fact_id": str(age), "occurred_at": START, "received_at": START - age * DAY} for age in (0, 89, 91)),
    )
    assert counts(world) == {"provider_reports_deleted": 1}
    assert [row["fact_id"] for row in world.rows("provider_facts")] == ["0", "89"]
    assert counts(world) == {}


@pytest.mark.every_database
def test_addresses_and_user_agents_of_old_events_go_and_the_rest_of_the_event_stays(world):
    world.lead("ada")
    traces = {"ip": "192.0.2.7", "user_agent": "Mozilla/5.0 (X11)"}
    world.happens("ada", "page.viewed", url="/prices", **traces)
    world.happens("ada", "email.clicked", machine=True, **traces)
    world.run()
    score = world.score("ada")
    world.now += 60 * DAY
    world.happens("ada", "page.viewed", url="/young", **traces)
    world.run()
    assert all("ip" in row["properties"] for row in world.rows("events"))
    world.now += 31 * DAY
    assert counts(world)["event_traces_removed"] == 2 + 1
    old, machine, young = world.rows("events")
    assert old["properties"] == {"url": "/prices"}
    # Nobody's user agent: the verdict goes by it.
    assert machine["properties"] == {"user_agent": traces["user_agent"]}
    assert young["properties"] == {"url": "/young", **traces}
    assert "event_traces_removed" not in counts(world)
    with world.database.write() as connection:
        connection.execute(sa.update(tables.runs).values(counts={}))
    world.run()
    assert world.score("ada")["total"] == score["total"] + 1
    world.now += 60 * DAY
    assert counts(world)["event_traces_removed"] == 2
    assert world.rows("events")[2]["properties"] == {"url": "/young"}
    clean(world)


def test_so_many_rows_a_run_and_the_next_run_goes_on(new_world):
    world = new_world(retention={"rows_per_run": 2})
    world.lead("ada")
    for number in range(5):
        world.happens("ada", "page.viewed", ip=f"192.0.2.{number}")
    world.run()
    world.now += 91 * DAY
    done = [counts(world).get("event_traces_removed", 0) for _ in range(4)]
    assert done == [2, 2, 1, 0]


@pytest.mark.every_database
def test_settled_letters_go_and_those_that_wait_stay(world):
    world.lead("ada")
    for number in range(3):
        world.happens("ada", "no.such_type", number=number)
    gone, young, _ = [row["id"] for row in world.rows("dead_letters")]
    with world.database.write() as connection:
        for letter, age in ((gone, 91), (young, 5)):
            settled = sa.update(tables.dead_letters).where(tables.dead_letters.c.id == letter)
            connection.execute(settled.values(status="dropped", settled_at=world.now - age * DAY))
    assert counts(world) == {"letters_deleted": 1}
    assert gone not in [row["id"] for row in world.rows("dead_letters")]
    assert len(world.rows("dead_letters")) == 2


def test_frozen_mails_go_when_they_are_settled_or_nobody_knows_their_key_any_more(world):
    for name in ("ada", "bo", "cy"):
        world.lead(name)
        world.happens(name, "content.white_paper_downloaded")
    world.run("rescore")
    world.run("restage")
    world.run("enroll")
    world.run("advance")
    settled, old, young = [row["id"] for row in world.rows("messages")]
    for message, until in ((settled, world.now + DAY), (old, world.now - DAY), (young, world.now + DAY)):
        add(
            world,
            "frozen_mails",
            {"message_id": message, "act": "a", "place": 1, "members": 1, "plan": {}, "until": until},
        )
    with world.database.write() as connection:
        mine = sa.update(tables.messages).where(tables.messages.c.id == settled)
        connection.execute(mine.values(status="skipped", reason="by-test", settled_at=world.now))
    assert counts(world) == {"frozen_mails_deleted": 2}
    assert [row["message_id"] for row in world.rows("frozen_mails")] == [young]


def test_notes_of_runs_go_after_four_hundred_days_and_the_last_one_stays(world):
    world.run()
    first = world.rows("runs")[0]["id"]
    world.now += 399 * DAY
    world.run("follow-up")
    world.now += 2 * DAY
    assert counts(world)["run_notes_deleted"] == 1
    assert first not in [row["id"] for row in world.rows("runs")]


def test_mail_files_go_after_ninety_days(new_world, tmp_path):
    world = new_world(email=EmlFolder(tmp_path / "outbox"))
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.run()
    world.days(3)
    assert len(list((tmp_path / "outbox").glob("*.eml"))) == 2
    world.now += 88 * DAY
    assert counts(world) == {"mail_files_deleted": 1}
    assert len(list((tmp_path / "outbox").glob("*.eml"))) == 1
    clean(world)


def test_quiet_leads_are_nobody_s_business_unless_the_settings_say_so(world):
    world.lead("ada")
    world.run()
    world.now += 2000 * DAY
    assert counts(world).get("quiet_leads") is None


def lived(new_world, **rules) -> World:
    world: World = new_world(retention={"quiet_leads_days": 365, **rules})
    for name in ("ada", "bo", "cy", "di"):
        world.lead(name)
        world.happens(name, "page.viewed")
    world.happens("cy", "deal.won")
    world.happens("di", "demo.requested")
    world.run()
    world.now += 366 * DAY
    world.happens("bo", "page.viewed")
    return world


def test_quiet_leads_are_proposed_by_number(new_world):
    world = lived(new_world)
    outcome = world.run("retention")
    assert outcome.counts["quiet_leads"] == 1
    assert outcome.notes["quiet_leads"] == [world.lead_id("ada")]
    assert {row["erased_at"] for row in world.rows("leads")} == {None}


def test_quiet_leads_are_erased_where_the_settings_ask_for_it(new_world):
    world = lived(new_world, quiet_leads="erase")
    ada = world.lead_id("ada")
    done = counts(world)
    assert (done["quiet_leads_erased"], done["erasures_completed"]) == (1, 1)
    assert [row["id"] for row in world.rows("leads") if row["erased_at"]] == [ada]
    [certificate] = [row["certificate"] for row in world.rows("erasures")]
    assert certificate["reason"].startswith("retention")
    assert "quiet_leads_erased" not in counts(world)
    world.run()
    clean(world)


def test_the_daily_sync_shows_what_went(world):
    world.lead("ada")
    fact = {"provider": "post", "kind": "delivered", "fact_id": "1", "raw": {}, "occurred_at": START}
    add(world, "provider_facts", {**fact, "received_at": START - 100 * DAY})
    outcome = world.run()
    assert outcome.steps["retention"] == {"provider_reports_deleted": 1}
