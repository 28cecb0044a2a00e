"""The demo's days: the base is imported, then each day new facts come in and the same flows run as in production."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Literal

from cli.demo.business import ZONE, Business
from cli.demo.mishaps import mishaps_of
from cli.demo.outside import Outside
from cli.demo.workspace import make_workspace, write_base
from tasks.context import Context
from tasks.day import run_flow
from tasks.import_file import import_file
from tasks.publish import publish
from tasks.workspace import open_context

LAST_DAY = date(2026, 6, 25)
DAILY = time(8, 30)
# When it is morning on the other side of the Atlantic, too.
AFTERNOON = time(15, 15)

# What is going on, and on which day, counted from 1; 0 before the first.
LiveProgress = Callable[[str, int], None]
# The last daily sync, run by somebody else (Prefect), as of an instant.
LastRun = Callable[[datetime], None]


@dataclass
class Life:
    """A demo that has been lived."""

    home: Path
    context: Context
    business: Business
    last_run: datetime
    lines: int = 0
    imported: dict[str, int] = field(default_factory=dict)


def live(
    home: Path,
    leads: int,
    days: int,
    seed: int,
    progress: LiveProgress,
    *,
    begin: Callable[[], None] = lambda: None,
    last_run: LastRun | None = None,
) -> Life:
    """Make the workspace, import the base and live the days; raises BadInput when the folder is somebody else's.

    `begin` is called once the workspace stands; `last_run` runs the last daily sync instead of us.
    """
    business = Business(seed, leads, days, LAST_DAY)
    progress("laying out the workspace", 0)
    make_workspace(home)
    context = open_context(home)
    publish(context, business.opens, note="the shipped definitions")
    begin()
    life = Life(home, context, business, instant(LAST_DAY, DAILY))
    settings = context.settings
    outside = Outside(business, home, settings.inside(settings.email.folder), settings.inside(settings.crm_folder))
    _import_base(life, outside, progress)
    for number in range(business.known_before + 1, leads + 1):
        outside.expect(business.own_life(number))
    for day, now, flow in moments(business):
        progress(f"{day:%A %d %B %Y}", (day - business.first_day).days + 1)
        life.lines += outside.report(now, mishaps_of(business, now))
        if last_run is not None and now == life.last_run:
            last_run(now)
        else:
            run_flow(context, flow, now)
        outside.look()
    return life


def _import_base(life: Life, outside: Outside, progress: LiveProgress) -> None:
    progress("importing the known leads and their history", 0)
    context, opens = life.context, life.business.opens
    leads, events, later = write_base(life.business, life.home / "samples")
    outside.expect(later)
    files: tuple[tuple[Path, Literal["leads", "events"]], ...] = ((leads, "leads"), (events, "events"))
    for path, kind in files:
        found = import_file(
            context.database,
            path,
            kind,
            None,
            now=opens,
            catalogue=context.compiled().bundle.catalogue,
            secret=context.settings.secret_bytes(),
        )
        life.imported[kind] = found.created


def moments(business: Business) -> Iterator[tuple[date, datetime, str]]:
    """Every run of the demo: the daily sync, and a follow-up on working days; the last day ends with its sync."""
    day = business.first_day
    while day <= business.last_day:
        yield day, instant(day, DAILY), "daily-sync"
        if day.weekday() < 5 and day < business.last_day:
            yield day, instant(day, AFTERNOON), "follow-up"
        day += timedelta(days=1)


def instant(day: date, clock: time) -> datetime:
    """A local time of the business, in UTC."""
    return datetime.combine(day, clock, ZONE).astimezone(UTC)
