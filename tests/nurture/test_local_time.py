"""Local time: whose zone counts, days and hours, windows, and the two days a year on which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from nurture.definitions.sequences import Window
from nurture.durations import parse_duration
from nurture.local_time import after, closed_days_of, next_open, zone_of

COPENHAGEN, NEW_YORK, LORD_HOWE = (
    ZoneInfo(name) for name in ("Europe/Copenhagen", "America/New_York", "Australia/Lord_Howe")
)


def at(text: str, local: ZoneInfo | None = None) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=local or UTC).astimezone(UTC)


def window(start: str, end: str, *days: str, **more) -> Window:
    return Window.model_validate({"from": start, "to": end, **({"days": list(days)} if days else {}), **more})


def test_whose_zone_counts():
    assert zone_of("Asia/Tokyo", "DK", "Europe/Oslo").key == "Asia/Tokyo"
    assert zone_of(None, "dk", "Europe/Oslo").key == "Europe/Copenhagen"
    assert zone_of("Mars/Olympus", None, "Europe/Oslo", "Europe/Rome").key == "Europe/Oslo"
    assert zone_of(None, "XX", None, "Europe/Rome").key == "Europe/Rome"
    assert zone_of(None, None).key == "UTC"


@pytest.mark.parametrize(
    ("base", "wait", "end"),
    [
        # The night to 29 March 2026 has 23 hours, the one to 25 October 25.
        ("2026-03-28T10:00", "1 day", "2026-03-29T10:00"),
        ("2026-03-28T10:00", "24 h", "2026-03-29T11:00"),
        ("2026-10-24T10:00", "1 day", "2026-10-25T10:00"),
        ("2026-10-24T10:00", "24 h", "2026-10-25T09:00"),
        ("2026-03-27T10:00", "2 weeks", "2026-04-10T10:00"),
        ("2026-03-28T10:00", "1 day 4 hours", "2026-03-29T14:00"),
        # Half past two is skipped, and so is a quarter to three.
        ("2026-03-28T02:30", "1 day", "2026-03-29T03:00"),
        ("2026-03-28T02:45:30", "1 day", "2026-03-29T03:00"),
        ("2026-03-26T02:30", "3 days 30 min", "2026-03-29T03:30"),
    ],
)
def test_a_day_keeps_the_local_time_and_24_hours_do_not(base, wait, end):
    assert after(at(base, COPENHAGEN), parse_duration(wait), COPENHAGEN) == at(end, COPENHAGEN)


def test_a_local_time_that_occurs_twice_means_the_first():
    found = after(at("2026-10-24T02:30", COPENHAGEN), parse_duration("1 day"), COPENHAGEN)
    assert found == at("2026-10-25T00:30")


def test_a_day_after_the_second_of_two_is_that_time_on_the_next_day():
    second = at("2026-10-25T01:30")
    assert after(second, parse_duration("1 day"), COPENHAGEN) == at("2026-10-26T02:30", COPENHAGEN)


def test_half_an_hour_of_daylight_saving():
    found = after(at("2026-10-03T02:15", LORD_HOWE), parse_duration("1 day"), LORD_HOWE)
    assert found == at("2026-10-04T02:30", LORD_HOWE)


def test_a_day_that_a_zone_left_out_is_the_first_moment_after_it():
    apia = ZoneInfo("Pacific/Apia")
    assert after(at("2011-12-29T12:00", apia), parse_duration("1 day"), apia) == at("2011-12-31T00:00", apia)


@pytest.mark.parametrize(
    ("opening", "now", "opens"),
    [
        (("08:00", "17:00"), "2026-03-02T07:59", "2026-03-02T08:00"),
        (("08:00", "17:00"), "2026-03-02T12:00", "2026-03-02T12:00"),
        # The end is not within.
        (("08:00", "17:00"), "2026-03-02T17:00", "2026-03-03T08:00"),
        (("08:00", "17:00"), "2026-03-06T17:00", "2026-03-09T08:00"),
        # Begins in the hour that is skipped.
        (("02:30", "05:00", "sun"), "2026-03-29T00:00", "2026-03-29T03:00"),
        # Lies within it: that Sunday has none.
        (("02:10", "02:50", "sun"), "2026-03-29T00:00", "2026-04-05T02:10"),
        (("02:10", "02:50", "sun"), "2026-03-29T03:00", "2026-04-05T02:10"),
    ],
)
def test_when_a_window_opens(opening, now, opens):
    assert next_open(window(*opening), COPENHAGEN, at(now, COPENHAGEN)) == at(opens, COPENHAGEN)


def test_a_window_in_the_repeated_hour_is_open_once():
    sunday = window("02:10", "02:50", "sun")
    assert next_open(sunday, COPENHAGEN, at("2026-10-25T00:00")) == at("2026-10-25T00:10")
    assert next_open(sunday, COPENHAGEN, at("2026-10-25T01:15")) == at("2026-11-01T02:10", COPENHAGEN)


def test_a_window_that_does_not_open_is_looked_at_again_and_not_open():
    now = at("2026-01-01T12:00")
    years = [(now + timedelta(days=number)).date().isoformat() for number in range(800)]
    assert next_open(window("08:00", "17:00"), COPENHAGEN, now, years) == now + timedelta(days=400)


def opens(wanted: Window, country: str | None, now: str, local: ZoneInfo = COPENHAGEN) -> datetime:
    moment = at(now, local)
    return next_open(wanted, local, moment, closed_days_of(wanted, country, local, moment))


def test_holidays_are_those_of_where_the_lead_lives():
    wanted = window("08:00", "17:00", holidays=True)
    # Maundy Thursday to Easter Monday are holidays in Denmark; in Germany Thursday is not.
    assert opens(wanted, "DK", "2026-04-02T07:00") == at("2026-04-07T08:00", COPENHAGEN)
    assert opens(wanted, "DE", "2026-04-02T07:00") == at("2026-04-02T08:00", COPENHAGEN)
    assert opens(wanted, "US", "2026-07-03T07:00", NEW_YORK) == at("2026-07-06T08:00", NEW_YORK)


def test_holidays_may_be_those_of_one_country_for_everybody():
    wanted = window("08:00", "17:00", holidays="DK")
    assert opens(wanted, "DE", "2026-04-02T07:00") == at("2026-04-07T08:00", COPENHAGEN)


@pytest.mark.parametrize("country", [None, "", "XX"])
def test_where_no_holidays_are_known_only_own_days_are_closed(country):
    wanted = window("08:00", "17:00", holidays=True, closed=["2026-04-02"])
    assert opens(wanted, country, "2026-04-02T07:00") == at("2026-04-03T08:00", COPENHAGEN)


def test_without_being_asked_for_no_holiday_closes_a_window():
    assert opens(window("08:00", "17:00"), "DK", "2026-12-25T07:00") == at("2026-12-25T08:00", COPENHAGEN)


def test_holidays_of_the_next_year_count_at_the_end_of_this_one():
    wanted = window("08:00", "17:00", holidays=True)
    assert opens(wanted, "DK", "2026-12-31T17:30") == at("2027-01-04T08:00", COPENHAGEN)
