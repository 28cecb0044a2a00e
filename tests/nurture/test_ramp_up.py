"""How many messages a day a domain may send: the ramp grows from its first day, and a limit is never exceeded."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nurture.ramp_up import Ramp, most_on

START = date(2026, 3, 2)
RAMP = Ramp(START, 200, 1.5)


def after(days: int) -> date:
    return START + timedelta(days=days)


def test_without_a_ramp_each_day_has_the_limit_or_none():
    assert most_on(START, None, None) is None
    assert most_on(START, 500, None) == 500


@pytest.mark.parametrize(
    ("day", "most"), [(-30, 200), (-1, 200), (0, 200), (1, 300), (2, 450), (3, 675), (4, 1012), (5, 1518)]
)
def test_each_day_has_so_many_times_what_the_day_before_had_and_no_part_of_a_message(day, most):
    assert most_on(after(day), None, RAMP) == most


def test_the_limit_ends_the_ramp_and_holds_also_when_it_is_less_than_the_first_day():
    assert [most_on(after(day), 500, RAMP) for day in (0, 2, 3, 400)] == [200, 450, 500, 500]
    assert most_on(START, 50, RAMP) == 50


def test_a_ramp_that_does_not_grow_stays_as_it_is():
    assert most_on(after(1000), None, Ramp(START, 7, 1.0)) == 7


@given(
    first=st.integers(1, 10**6),
    growth=st.floats(1, 10),
    limit=st.none() | st.integers(1, 10**7),
    day=st.integers(-3000, 30_000),
)
def test_no_day_has_less_than_the_one_before_or_nothing_and_no_ramp_overflows(first, growth, limit, day):
    ramp = Ramp(START, first, growth)
    today, tomorrow = most_on(after(day), limit, ramp), most_on(after(day + 1), limit, ramp)
    assert 1 <= today <= tomorrow
    assert limit is None or tomorrow <= limit


def test_a_slow_ramp_goes_on_after_a_year():
    slow = Ramp(START, 200, 1.005)
    assert most_on(after(365), 10_000, slow) == 1234
    assert most_on(after(1000), 10_000, slow) == 10_000
