"""What differs between the databases must not show: instants, JSON, numbers in texts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from db.engine import Database
from db.types import (
    ascii_lower,
    epoch_seconds,
    from_microseconds,
    json_text,
    month_number,
    plus_seconds,
    position_of,
    text_number,
    to_microseconds,
)

NOON = datetime(2026, 3, 29, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))


@pytest.fixture
def run(database_url):
    database = Database(database_url)

    def scalar(expression):
        with database.read() as connection:
            return connection.execute(sa.select(expression)).scalar()

    yield scalar
    database.dispose()


def instant(value):
    from db.tables import leads

    return sa.literal(value, leads.c.created_at.type)


def test_an_instant_comes_back_as_the_same_instant_in_utc(run):
    back = run(instant(NOON))
    assert (back, back.tzinfo) == (NOON, UTC)


def test_a_naive_datetime_is_refused(run):
    with pytest.raises(Exception, match="naive"):
        run(instant(datetime(2026, 1, 1)))  # noqa: DTZ001 - that is the point


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_are_exact(value):
    assert from_microseconds(to_microseconds(value)) == value


def test_adding_seconds_and_epochs_agree(run):
    assert run(plus_seconds(instant(NOON), sa.literal(86_400.5))) == NOON + timedelta(seconds=86_400.5)
    assert run(epoch_seconds(instant(NOON))) == pytest.approx(NOON.timestamp(), abs=1e-5)


def test_a_month_is_a_calendar_month_in_utc(run):
    first = datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert run(month_number(instant(first))) == 202602


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("50", 50.0),
        ("-1.5", -1.5),
        ("1e3", 1000.0),
        ("50 %", None),
        ("", None),
        ("-", None),
        ("1.2.3", None),
        ("abc", None),
    ],
)
def test_a_text_is_a_number_or_nothing_and_never_an_error(run, text, number):
    assert run(text_number(sa.literal(text))) == number


def test_json_values_are_texts_on_both_databases(run):
    from db.types import Json

    value = sa.literal({"a": 1, "b": True, "c": None, 'quote"': "x"}, Json)
    assert [run(json_text(value, sa.literal(key))) for key in ("a", "b", "c", "missing")] == ["1", "true", None, None]


NUMBERS = {
    "int": (50, 50.0),
    "real": (-1.5, -1.5),
    "small": (1e-9, 1e-9),
    "text": ("50", 50.0),
    "exponent": ("1e3", 1000.0),
    "words": ("50 %", None),
    "empty": ("", None),
    "true": (True, None),
    "null": (None, None),
    "list": ([1], None),
    "object": ({"a": 1}, None),
    "vast": (10**60, None),
}


@pytest.mark.parametrize("key", [*NUMBERS, "missing"])
def test_a_value_of_json_is_a_number_or_nothing_on_both_databases(run, key):
    from db.types import Json

    value = sa.literal({name: each for name, (each, _) in NUMBERS.items() if name != "vast"}, Json)
    if key == "vast":
        value = sa.cast(sa.literal('{"vast": 1' + "0" * 60 + "}", sa.Text), Json)
    expected = NUMBERS.get(key, (None, None))[1]
    found = run(text_number(json_text(value, sa.literal(key))))
    assert found == (None if expected is None else pytest.approx(expected))


def test_lower_case_is_for_ascii_only(run):
    assert run(ascii_lower(sa.literal("HEAD OF SÆRLIG Ø"))) == "head of sÆrlig Ø"
    assert run(position_of(sa.literal("abc"), sa.literal("c"))) == 3
