"""Lives that several tests look at: each is lived once a database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.databases import PostgresDatabases, SqliteDatabases
from tests.journeys.life import Deed, Life, shipped
from tests.world import World

# A Monday, ten o'clock in Copenhagen.
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
DOWNLOAD = "content.white_paper_downloaded"
PEOPLE = {"ida": None, "karl": None, "dora": None, "remy": None, "rea": "Acme", "cole": "Acme"}


def day(number: int, hour: int = 9) -> datetime:
    """So many days after the start."""
    return START.replace(hour=hour) + timedelta(days=number)


def _karl_clicks(life: Life) -> Iterable[Deed]:
    """Karl clicks each mail the morning after."""
    now, seen = life.world.now, {deed[3].get("mail") for deed in life.deeds}
    for step, sent_at in life.mails("karl", "white-paper-nurture"):
        if sent_at == now and step not in seen:
            yield (now + timedelta(hours=20), "karl", "email.clicked", {"mail": step})


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def half_a_year(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """From March to September with the shipped templates: six people who took a white paper."""
    home: Path = tmp_path_factory.mktemp("journey")
    databases = (
        SqliteDatabases(request.getfixturevalue("sqlite_folder"))
        if request.param == "sqlite"
        else PostgresDatabases(request.getfixturevalue("pg_server"))
    )
    world = World(databases.migrated(), home, shipped())
    life = Life(world, daily_every=20)
    for name, company in PEOPLE.items():
        world.lead(name, ads=True, **({"company": company} if company else {}))
        life.will(name, DOWNLOAD, START)
    life.will("karl", "page.pricing_visited", day(6))
    life.will("karl", "webinar.registered", day(45))
    life.will("dora", "demo.requested", day(20))
    life.will("remy", "demo.requested", day(1))
    life.will("remy", "sales.rejected", day(3), reason="too_early")
    life.will("remy", "demo.requested", day(64))
    life.will("rea", "email.replied", day(2))
    life.will("rea", "deal.won", day(30))
    life.will("cole", "demo.requested", day(35))
    life.until(day(200), _karl_clicks)
    yield life
    world.close()
    databases.drop_all()
