"""Local time: the statements keep the rule of `nurture.local_time`, and the rule keeps what a clock on a wall says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from db.batches import instant_cell, listed
from db.engine import Database
from db.local_days import later
from db.tables import leads
from db.types import UTCDateTime
from nurture.definitions.sequences import WEEKDAYS, Window
from nurture.durations import Duration
from nurture.local_time import COUNTRY_ZONES, after, next_open, offset_periods, zone_of
from tests.properties.examples import examples

FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2033, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
# Every zone of today's database, and some that are known for something: half an hour of daylight saving, midnight,
# the dateline, two changes around Ramadan, quarters of an hour, none at all.
ODD = (
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Havana",
    "America/Scoresbysund",
    "America/Nuuk",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "Asia/Tokyo",
)
ZONES = [*ODD, *sorted(available_timezones() - {"localtime", "Factory"})]
CHANGING = [
    name
    for name in (*ODD, "Europe/Copenhagen", "America/New_York", "Asia/Beirut", "America/Santiago")
    if len(offset_periods(ZoneInfo(name), FIRST, LAST)) > 1
]
PLACES: list[tuple[str | None, str | None]] = [
    *((name, None) for name in ZONES),
    *((None, country) for country in COUNTRY_ZONES),
    ("Europe/Copenhagen", "US"),
    ("Mars/Olympus", "NZ"),
    (None, None),
]
lengths = st.builds(
    Duration, days=st.sampled_from((0, 1, 1, 2, 3, 7, 30, 400)), minutes=st.sampled_from((0, 0, 0, 30, 240, 1440))
)
sometime = st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None)).map(lambda at: at.replace(tzinfo=UTC))


@st.composite
def near_changes(draw: st.DrawFn, days: int = 0) -> tuple[str, datetime]:
    """A zone, and an instant around so many days before a change of its clocks."""
    zone = draw(st.sampled_from(CHANGING))
    change = draw(st.sampled_from(offset_periods(ZoneInfo(zone), FIRST, LAST)[1:])).since
    hours = draw(st.timedeltas(timedelta(hours=-3), timedelta(hours=3)))
    return zone, change - timedelta(days=days) + hours


@st.composite
def waits(draw: st.DrawFn) -> tuple[Duration, list[tuple[int, datetime]]]:
    """A length, and people by number with the instants from which they wait."""
    length = draw(lengths)
    near = near_changes(length.days).map(lambda found: (ZONES.index(found[0]) + 1, found[1]))
    anybody = st.tuples(st.integers(1, len(PLACES)), sometime)
    return length, draw(st.lists(st.one_of(near, near, anybody), min_size=1, max_size=40))


anywhere = st.tuples(st.sampled_from(ZONES), sometime)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """One lead for each place, with the id of its position from 1 on."""
    made = Database(database_url)
    with made.write() as connection:
        rows = [
            {"id": number, "time_zone": zone, "country": country, "created_at": FIRST, "updated_at": FIRST}
            for number, (zone, country) in enumerate(PLACES, 1)
        ]
        connection.execute(sa.insert(leads), rows)
    yield made
    made.dispose()


@pytest.mark.hypothesis
def test_a_wait_ends_in_the_database_when_the_rule_says_so(database):
    columns = sa.Column("lead_id", sa.Integer), sa.Column("base", UTCDateTime())

    @settings(max_examples=examples(100))
    @given(waits(), st.sampled_from((None, "America/Sao_Paulo")))
    def holds(wait: tuple[Duration, list[tuple[int, datetime]]], sequence: str | None) -> None:
        length, people = wait
        with database.read() as connection:
            rows = [(lead, instant_cell(connection, base)) for lead, base in people]
            of = listed(connection, "people", rows, *columns)
            zones = (sequence, "Europe/Copenhagen")
            wake_at: Any = later(connection, of, of.c.base, length, [of.c.lead_id > 0], {}, *zones)
            found = connection.execute(sa.select(of.c.lead_id, of.c.base, wake_at.label("wake_at"))).all()
        assert len(found) == len(people)
        for lead, base, wake in found:
            assert wake == after(base, length, zone_of(*PLACES[lead - 1], *zones)), (PLACES[lead - 1], base)

    holds()


@settings(max_examples=examples(1000))
@given(st.data(), st.sampled_from((1, 2, 3, 7, 30, 400)))
def test_days_later_the_clock_shows_the_same_or_has_just_jumped_over_it(data, days):
    zone, base = data.draw(st.one_of(near_changes(days), anywhere))
    local = ZoneInfo(zone)
    wanted = base.astimezone(local).replace(tzinfo=None) + timedelta(days=days)
    found = after(base, Duration(days=days), local)
    shown = found.astimezone(local).replace(tzinfo=None)
    assert shown >= wanted
    assert after(base, Duration(days=days, minutes=90), local) == found + 90 * MINUTE
    if shown > wanted:
        # Nothing in between was ever shown: a second before, it was earlier than wanted.
        assert (found - timedelta(seconds=1)).astimezone(local).replace(tzinfo=None) < wanted
        assert found.second == 0
    else:
        # The first of two.
        for earlier in (timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2)):
            assert (found - earlier).astimezone(local).replace(tzinfo=None) != wanted


clocks = st.builds(time, st.integers(0, 23), st.sampled_from((0, 0, 15, 30, 59)))


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Windows of every kind, many of them at night, where clocks change."""
    night = st.builds(time, st.integers(1, 3), st.sampled_from((0, 15, 30, 45)))
    some = draw(st.sampled_from((clocks, night)))
    start, end = sorted(draw(st.lists(some, min_size=2, max_size=2, unique=True)))
    days = draw(st.one_of(st.just(["sat", "sun"]), st.lists(st.sampled_from(WEEKDAYS), min_size=1, unique=True)))
    return Window(days=days, **{"from": start, "to": end})


def open_minutes(
    window: Window, local: ZoneInfo, begin: datetime, minutes: int, closed: set[str]
) -> Iterator[datetime]:
    """The open minutes as a porter would have them, who looks at the clock each minute of the day: opens when it shows
    the first time or later, closes for the day when it shows the second or later."""
    opened: set[Any] = set()
    shut: set[Any] = set()
    # From before midnight on, so that the porter sees the whole day.
    for number in range(-1560, minutes):
        moment = begin + number * MINUTE
        shown = moment.astimezone(local)
        day = shown.date()
        if WEEKDAYS[day.weekday()] not in window.days or day.isoformat() in closed:
            continue
        if shown.time() >= window.from_:
            opened.add(day)
        if shown.time() >= window.to:
            shut.add(day)
        if number >= 0 and day in opened and day not in shut:
            yield moment


@settings(max_examples=examples(200))
@given(st.one_of(near_changes(), near_changes(1), near_changes(2), anywhere), windows(), st.integers(0, 3))
def test_a_window_opens_at_the_first_minute_that_a_porter_would_open_it(here, window, days_closed):
    local = ZoneInfo(here[0])
    now = here[1].replace(second=0, microsecond=0)
    closed = {(now.astimezone(local) + timedelta(days=number)).date().isoformat() for number in range(days_closed)}
    found = next_open(window, local, now, closed)
    assert found >= now
    span = 6 * 1440
    first = next(open_minutes(window, local, now, span, closed), None)
    if first is None:
        assert found >= now + span * MINUTE
    else:
        assert found == first
