"""Lives across the autumn, over the days when the machine is off, and through an operator's year."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from db import sequences
from tests.engine.conftest import new_world
from tests.journeys.life import Life
from tests.world import DOCUMENTS, World

__all__ = ["new_world"]
pytestmark = pytest.mark.xdist_group("journeys")
NEW_YORK, COPENHAGEN = ZoneInfo("America/New_York"), ZoneInfo("Europe/Copenhagen")
NewWorld = Callable[..., World]


def with_steps(*steps: dict[str, Any], **changes: Any) -> dict[str, Any]:
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"] |= {"steps": list(steps), **changes}
    return documents


def weekly(weeks: int) -> list[dict[str, Any]]:
    """A mail, and then one a week."""
    found: list[dict[str, Any]] = [{"id": "mail-0", "email": "thanks"}]
    for week in range(1, weeks):
        found += [{"id": f"week-{week}", "wait": "7 days"}, {"id": f"mail-{week}", "email": "more"}]
    return found


def test_a_weekly_mail_keeps_its_local_time_when_the_clocks_go_back_here_and_a_week_later_there(new_world: NewWorld):
    world = new_world(with_steps(*weekly(5)))
    world.now = datetime(2026, 10, 12, 14, tzinfo=UTC)
    life = Life(world, daily_every=15)
    for name, zone in (("ada", "Europe/Copenhagen"), ("bo", "America/New_York")):
        world.lead(name, time_zone=zone)
        world.happens(name, "content.white_paper_downloaded")
    world.run("follow-up")
    life.until(datetime(2026, 11, 20, tzinfo=UTC))
    here = [at.astimezone(COPENHAGEN).strftime("%H:%M") for _, at in life.mails("ada", "papers")]
    there = [at.astimezone(NEW_YORK).strftime("%H:%M") for _, at in life.mails("bo", "papers")]
    assert (here, there) == (["16:00"] * 5, ["10:00"] * 5)
    assert [at.hour for _, at in life.mails("ada", "papers")] == [14, 14, 15, 15, 15]
    assert life.explained("ada", "papers")["reason"] == "completed"
    assert life.breaches() == []


def test_a_month_off_costs_nobody_more_than_the_mail_that_came_too_late_and_the_next_waits_its_week(
    new_world: NewWorld,
):
    world = new_world(with_steps(*weekly(4)))
    life = Life(world, daily_every=15)
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.run("follow-up")
    began = world.now
    world.now += timedelta(days=30)
    world.run()
    life.until(began + timedelta(days=60))
    assert [(step, (at - began).days) for step, at in life.mails("ada", "papers")] == [
        ("mail-0", 0),
        ("mail-2", 37),
        ("mail-3", 44),
    ]
    late = [each for each in life.explained("ada")["messages"] if each["status"] == "skipped"]
    assert [each["reason"] for each in late] == ["too-late"]
    assert life.breaches() == []


def test_a_summer_on_hold_an_edit_meanwhile_and_a_stop_in_autumn_each_leave_everybody_where_they_should_be(
    new_world: NewWorld,
):
    world = new_world(with_steps(*weekly(12)))
    life = Life(world, daily_every=15)

    def says(state: str) -> None:
        with world.database.write() as connection:
            sequences.set_state(connection, "papers", state, None, world.now)

    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.run("follow-up")
    began = world.now
    life.until(began + timedelta(days=16))
    says("hold")
    # Bo comes during the hold, and enters after it.
    world.lead("bo")
    world.now += timedelta(days=30)
    world.happens("bo", "content.white_paper_downloaded")
    world.run()
    assert len(life.mails("ada", "papers")) == 3
    world.documents["sequences/papers"]["steps"][5]["wait"] = "3 days"
    world.publish()
    world.now += timedelta(days=30)
    says("on")
    resumed = world.now
    life.until(resumed + timedelta(days=15))
    # Two of three days had passed before the hold, so that one is left.
    assert life.mails("ada", "papers")[3][1] - resumed == timedelta(days=1)
    assert [step for step, _ in life.mails("bo", "papers")] == ["mail-0", "mail-1", "mail-2"]
    says("stop")
    life.until(resumed + timedelta(days=20))
    assert {life.explained(name, "papers")["reason"] for name in ("ada", "bo")} == {"sequence-stopped"}
    assert life.breaches() == []
