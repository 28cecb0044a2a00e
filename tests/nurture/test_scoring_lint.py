"""Scoring rules that have no meaning are refused with a remedy, and those that have one are not."""

from __future__ import annotations

import pytest

from nurture.check import check_documents
from tests.nurture.sample_definitions import FILES

PERIODS = ("day", "week", "month", "ever")
WITHIN = {
    "day": {"day", "week", "month", "ever"},
    "week": {"week", "ever"},
    "month": {"month", "ever"},
    "ever": {"ever"},
}


def found(scoring: str) -> list[tuple[str, str, int]]:
    problems = check_documents({**FILES, "scoring.yaml": scoring}).problems
    assert all(each.remedy for each in problems)
    return [(each.code, each.severity, each.line) for each in problems]


@pytest.mark.parametrize("of_rule", PERIODS)
@pytest.mark.parametrize("of_group", PERIODS)
def test_the_period_of_a_rules_cap_lies_whole_within_that_of_its_group(of_rule, of_group):
    scoring = f"""\
rules:
  - event: email.clicked
    points: 5
    group: mail
    cap: {{points: 10, per: {of_rule}}}
groups:
  mail: {{cap: {{points: 50, per: {of_group}}}}}
"""
    fits = of_group in WITHIN[of_rule]
    assert found(scoring) == ([] if fits else [("cap-outside-group", "error", 5)])


def test_a_group_without_a_cap_takes_every_period():
    assert (
        found("""\
rules:
  - {event: email.clicked, points: 5, group: mail, cap: {points: 10, per: month}}
groups:
  mail: {decay: {half_life: 30 days}}
""")
        == []
    )


FIT = "{id: large, points: 10, group: g, when: {field: employees, at_least: 50}}"


@pytest.mark.parametrize(
    ("group", "problem"),
    [
        ("{cap: 50}", []),
        ("{cap: {points: 50, per: ever}}", []),
        ("{cap: {points: 50, per: week}}", [("profile-points-have-no-date", "error", 4)]),
        ("{decay: {linear: 30 days}}", [("profile-points-do-not-fade", "error", 2)]),
    ],
)
def test_points_for_a_profile_have_no_date_and_do_not_fade(group, problem):
    assert found(f"fit:\n  - {FIT}\ngroups:\n  g: {group}\n") == problem


def test_a_cap_is_about_one_dimension_and_a_shared_decay_is_not():
    rules = f"rules:\n  - {{event: email.clicked, points: 5, group: g}}\nfit:\n  - {FIT}\n"
    assert found(rules + "groups:\n  g: {cap: 50}\n") == [("mixed-dimensions", "error", 4)]
    assert found(rules.replace("points: 10,", "points: 10, dimension: interest,") + "groups:\n  g: {cap: 50}\n") == []
    two = """\
rules:
  - {event: email.clicked, points: 5, group: g}
  - {event: demo.requested, points: 5, group: g, dimension: fit}
groups:
  g: {decay: {linear: 30 days}}
"""
    assert found(two) == []


@pytest.mark.parametrize(("floor", "problem"), [(-20, []), (0, []), (5, [("floor-above-zero", "error", 3)])])
def test_a_floor_is_not_above_zero(floor, problem):
    assert found(f"rules:\n  - {{event: email.clicked, points: 5}}\nfloor: {floor}\n") == problem


def test_a_cap_on_points_that_are_taken_away_has_no_effect():
    scoring = "rules:\n  - {event: email.bounced, points: -5, cap: 10, group: g}\ngroups:\n  g: {cap: 20}\n"
    assert found(scoring) == [("cap-without-effect", "warning", 2), ("cap-without-effect", "warning", 4)]
