"""Holdouts and variants: sticky by a hash of sequence and lead, the same in Python and on both databases."""

from __future__ import annotations

from copy import deepcopy

import pytest
import sqlalchemy as sa

from db.shares import share
from nurture.keys import share_of, share_seeds
from tests.world import DOCUMENTS

PEOPLE = 40


def world_of(new_world, **changes):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"] |= changes
    world = new_world(documents)
    for number in range(PEOPLE):
        world.lead(f"lead{number}")
        world.happens(f"lead{number}", "content.white_paper_downloaded")
    world.run("follow-up")
    return world


def test_the_databases_and_python_compute_the_same_share(world):
    ids = [*range(1, 200), 2**31 - 2, 2**31 - 1, 2**31, 2**53 + 7, 2**62]
    numbers = sa.values(sa.column("id", sa.BigInteger), name="numbers").data([(each,) for each in ids]).cte()
    with world.database.read() as connection:
        for purpose, name in (("holdout", "papers"), ("variant", "x"), ("holdout", "æøå")):
            rows = connection.execute(sa.select(numbers.c.id, share(numbers.c.id, purpose, name))).all()
            assert {row[0]: row[1] for row in rows} == {id_: share_of(id_, share_seeds(purpose, name)) for id_ in ids}


def test_the_held_out_get_nothing_and_keep_the_same_goal(new_world):
    world = world_of(new_world, holdout=50)
    world.days(5)
    rows = world.rows("enrollments")
    out = [row["lead_id"] for row in rows if row["holdout"]]
    assert 10 <= len(out) <= 30
    assert set(out) == {
        row["id"] for row in world.rows("leads") if share_of(row["id"], share_seeds("holdout", "papers")) < 5000
    }
    assert {row["lead_id"] for row in world.rows("messages")}.isdisjoint(out)
    assert {row["reason"] for row in rows if row["holdout"]} == {"holdout"}
    name = next(row["email"] for row in world.rows("leads") if row["id"] == out[0]).partition("@")[0]
    world.happens(name, "demo.requested")
    other = next(row["email"] for row in world.rows("leads") if row["id"] == out[1]).partition("@")[0]
    world.happens(other, "email.replied")
    world.run("follow-up")
    ended = {row["lead_id"]: (row["status"], row["reason"]) for row in world.rows("enrollments")}
    assert (ended[out[0]], ended[out[1]]) == (("goal", "goal"), ("exited", "replied"))
    assert world.run("audit").notes.get("audit") is None


def test_a_variant_is_the_same_for_a_lead_in_every_step_of_a_test_and_also_when_it_enters_again(new_world):
    variants = [{"name": "short", "email": "more", "share": 50}]
    steps = [
        {"id": "first", "email": "thanks", "variants": variants},
        {"id": "pause", "wait": "1 day"},
        {"id": "second", "email": "thanks", "variants": variants},
        {"id": "another-pause", "wait": "1 day"},
        {"id": "third", "email": "thanks", "variants": variants, "test": "other"},
    ]
    entry = {
        "when": {"did": {"event": "content.white_paper_downloaded", "within": "5 days"}},
        "reentry": {"after": "1 day"},
    }
    world = world_of(new_world, steps=steps, entry=entry)
    world.days(8, "daily-sync")
    for number in range(PEOPLE):
        world.happens(f"lead{number}", "content.white_paper_downloaded")
    world.days(6, "daily-sync")
    by_lead: dict[int, dict[str, set[str]]] = {}
    for row in world.rows("messages"):
        assert row["email"] == {"control": "thanks", "short": "more"}[row["variant"]]
        by_lead.setdefault(row["lead_id"], {}).setdefault(row["step_id"], set()).add(row["variant"])
    assert len(world.rows("messages")) == 6 * PEOPLE
    assert all(found["first"] == found["second"] and len(found["first"]) == 1 for found in by_lead.values())
    assert all(len(found["third"]) == 1 for found in by_lead.values())
    assert any(found["first"] != found["third"] for found in by_lead.values())
    assert {tuple(found["first"]) for found in by_lead.values()} == {("control",), ("short",)}
    assert {row["detail"] for row in world.rows("executed_steps", kind="email")} == {"control", "short"}


def test_shares_are_as_large_as_they_say():
    for name in ("papers", "quiet-leads", "webinar", "x"):
        seeds = share_seeds("holdout", name)
        part = sum(share_of(lead, seeds) < 1000 for lead in range(1, 20_001))
        assert 1800 < part < 2200


@pytest.mark.every_database
def test_the_report_compares_variants_and_the_held_out(new_world):
    from tasks.report_data import gather
    from tasks.report_page import render

    variants = [{"name": "short", "email": "more", "share": 50}]
    world = world_of(
        new_world,
        steps=[{"id": "first", "email": "thanks", "variants": variants}, {"id": "p", "wait": "9 days"}],
        holdout=25,
    )
    world.days(1)
    for number in range(PEOPLE):
        world.happens(f"lead{number}", "demo.requested" if number % 2 else "page.viewed")
    world.run("follow-up")
    [facts] = gather(world.database, world.now)["sequences"]
    sent = {row["variant"]: row["sent"] for row in facts["variants"]}
    assert set(sent) == {"control", "short"}
    groups = facts["holdout"]
    assert sum(sent.values()) == groups["others"]["entered"] == PEOPLE - groups["held_out"]["entered"]
    assert groups["others"]["goals"] + groups["held_out"]["goals"] == PEOPLE // 2
    assert sum(row["goals"] for row in facts["variants"]) == groups["others"]["goals"]
    page = render(gather(world.database, world.now), world.context.settings.project)
    assert f"who were held out, {100 * groups['held_out']['goals'] / groups['held_out']['entered']:.0f}" in page
    assert '<td class="left">short</td>' in page
