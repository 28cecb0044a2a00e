"""By when a sales task must be taken: in business hours of the project's zone, without weekends and closed days."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nurture.definitions.lifecycle import SalesDesk
from tasks.desk import task_due

COPENHAGEN = "Europe/Copenhagen"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        # In winter nine o'clock in Copenhagen is eight in UTC; the desk works from 8 to 17.
        ("2026-03-02 08:00", "2026-03-02 12:00"),
        ("2026-03-02 14:00", "2026-03-03 09:00"),
        # A task that is due as the desk closes is due then, not the next morning.
        ("2026-03-02 12:00", "2026-03-02 16:00"),
        # Before the desk opens, and after it has closed.
        ("2026-03-02 03:00", "2026-03-02 11:00"),
        ("2026-03-02 20:00", "2026-03-03 11:00"),
        # Friday evening; the clocks change on the Sunday, so Monday's eight o'clock is an hour earlier.
        ("2026-03-27 16:00", "2026-03-30 10:00"),
        ("2026-10-23 15:00", "2026-10-26 11:00"),
    ],
)
def test_four_hours_run_while_the_desk_works(now, due):
    assert task_due(SalesDesk(), COPENHAGEN, at(now)) == at(due)


def test_public_holidays_and_own_closed_days_do_not_count():
    # Thursday to Monday of Easter, and the bridge day that this business takes.
    desk = SalesDesk(holidays="DK", closed=["2026-04-07"])
    assert task_due(desk, COPENHAGEN, at("2026-04-01 13:00")) == at("2026-04-08 08:00")
    assert task_due(SalesDesk(), COPENHAGEN, at("2026-04-01 13:00")) == at("2026-04-02 08:00")


def test_the_holidays_of_the_new_year_count_over_its_beginning():
    assert task_due(SalesDesk(holidays="DK"), COPENHAGEN, at("2025-12-31 15:00")) == at("2026-01-02 10:00")


def test_a_day_of_work_is_longer_than_a_day_at_the_desk():
    desk = SalesDesk.model_validate({"due": "1 day"})
    assert task_due(desk, COPENHAGEN, at("2026-03-02 07:00")) == at("2026-03-04 13:00")


@pytest.mark.parametrize("day", ["2026-02-30", "24.12.2026", "2026-1-1"])
def test_a_closed_day_is_a_date(day):
    with pytest.raises(ValueError, match=r"a day is written like|there is no day"):
        SalesDesk.model_validate({"closed": [day]})
