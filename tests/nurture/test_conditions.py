"""The condition language without a database."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from nurture.conditions import Condition, depends_on_time, time_can_make_true

READ = TypeAdapter(Condition).validate_python
RECENTLY = {"did": {"event": "page.viewed", "within": "30 days"}}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (RECENTLY, False),
        ({"not": RECENTLY}, True),
        ({"not": {"not": RECENTLY}}, False),
        ({"all": [{"did": "page.viewed"}, {"not": RECENTLY}]}, True),
        ({"any": [{"stage": "mql"}, {"not": {"any": [{"stage": "sql"}, RECENTLY]}}]}, True),
        ({"not": {"did": "page.viewed"}}, False),
        ({"field": "created_at", "older_than": "3 days"}, True),
        ({"field": "created_at", "newer_than": "3 days"}, False),
    ],
)
def test_time_alone_makes_true_only_what_says_that_nothing_happened_or_that_something_is_old(written, expected):
    assert time_can_make_true(READ(written)) is expected


def test_a_period_ends_without_any_event():
    assert depends_on_time(READ(RECENTLY))
    assert not depends_on_time(READ({"did": "page.viewed"}))
