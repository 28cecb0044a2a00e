"""Closed days: a country's public holidays, and the business's own."""

from __future__ import annotations

import pytest

from nurture.closed_days import closed_days, has_holidays
from nurture.errors import DefinitionError


def test_easter_moves_with_the_year():
    assert "2026-04-03" in closed_days("DK", [2026])
    assert "2027-03-26" in closed_days("DK", [2026, 2027])
    assert "2027-03-26" not in closed_days("DK", [2026])


def test_own_days_are_added_for_the_years_asked():
    assert closed_days(None, [2026], ["2026-06-05", "2027-06-05"]) == {"2026-06-05"}


def test_without_a_country_nothing_is_closed():
    assert closed_days(None, [2026]) == frozenset()


def test_a_part_of_a_country_has_holidays_of_its_own():
    assert "2026-11-01" in closed_days("DE-BY", [2026])
    assert "2026-11-01" not in closed_days("DE", [2026])


@pytest.mark.parametrize("country", ["ZZ", "DE-XX", "Denmark"])
def test_an_unknown_country_is_a_mistake_in_the_definitions(country):
    assert not has_holidays(country)
    with pytest.raises(DefinitionError, match="no holidays are known"):
        closed_days(country, [2026])


def test_small_letters_do():
    assert closed_days("dk", [2026]) == closed_days("DK", [2026])
