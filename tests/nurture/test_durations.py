"""Durations as they are written: days and longer for people, seconds for machines."""

from __future__ import annotations

import pytest

from nurture.durations import parse_duration, parse_short_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10 s", 10),
        ("1 second", 1),
        ("90 seconds", 90),
        ("1 minute 30 s", 90),
        ("2 h, 5 sec", 7205),
        ("3 days", 259_200),
    ],
)
def test_seconds_are_read_where_they_are_allowed(text, seconds):
    assert parse_short_duration(text).seconds == seconds
    assert parse_short_duration(text).text == text


@pytest.mark.parametrize("text", ["10 s", "90 seconds", "1 minute 30 s"])
def test_a_wait_is_not_written_in_seconds(text):
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "s", "10", "10 sx", "10 s 3 dayz", "10 parsecs"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="duration"):
        parse_short_duration(text)
