"""A domain that receivers do not know sends a little more each day, never more than its limit."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from nurture.ramp_up import Ramp, most_on

START = date(2026, 12, 1)
RAMP = Ramp(START, 200, 1.5)


@pytest.mark.parametrize(("day", "most"), [(-3, 200), (0, 200), (1, 300), (2, 450), (3, 675), (10, 1_000)])
def test_each_day_allows_more_until_the_limit(day, most):
    assert most_on(START + timedelta(days=day), 1_000, RAMP) == most


def test_without_a_ramp_the_limit_alone_counts_and_without_both_nothing_does():
    assert most_on(START, 50, None) == 50
    assert most_on(START, None, None) is None


def test_without_a_limit_the_ramp_grows_for_a_year_and_no_longer():
    a_year = most_on(START + timedelta(days=365), None, RAMP)
    assert a_year == most_on(START + timedelta(days=100_000), None, RAMP)
    assert most_on(START + timedelta(days=5), None, Ramp(START, 7, 1.0)) == 7
