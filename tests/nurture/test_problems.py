"""How problems are shown: to a person, a program and a code host."""

from __future__ import annotations

import json

from nurture.problems import (
    Problem,
    as_github,
    as_json,
    as_text,
    did_you_mean,
    errors_in,
    in_reading_order,
    nearest,
    warnings_in,
)

WRONG = Problem("sequences/a.yaml", 3, 7, "unknown-event", "error", "unknown event type `x`", "did you mean `y`?")
ODD = Problem("scoring.yaml", 9, 1, "no-points", "warning", "this rule gives\nno points")


def test_text_has_one_line_for_each_problem():
    assert as_text([WRONG, ODD], "templates/") == (
        "templates/sequences/a.yaml:3:7: error unknown-event: unknown event type `x` (did you mean `y`?)\n"
        "templates/scoring.yaml:9:1: warning no-points: this rule gives no points"
    )
    assert as_text([]) == ""


def test_json_keeps_errors_and_warnings_apart():
    assert json.loads(as_json([WRONG, ODD])) == {
        "errors": [
            {
                "file": "sequences/a.yaml",
                "line": 3,
                "column": 7,
                "code": "unknown-event",
                "message": "unknown event type `x`",
                "remedy": "did you mean `y`?",
            }
        ],
        "warnings": [
            {
                "file": "scoring.yaml",
                "line": 9,
                "column": 1,
                "code": "no-points",
                "message": "this rule gives\nno points",
                "remedy": "",
            }
        ],
    }


def test_workflow_commands_cannot_be_forged_by_a_file_name_or_a_text():
    forged = Problem("a,line=1::b\n.yaml", 1, 1, "c", "error", "50% off\n::error::forged")

    assert as_github([WRONG, forged]).split("\n") == [
        "::error file=sequences/a.yaml,line=3,col=7,title=unknown-event::unknown event type `x` (did you mean `y`?)",
        "::error file=a%2Cline=1%3A%3Ab%0A.yaml,line=1,col=1,title=c::50%25 off ::error::forged",
    ]


def test_the_nearest_name_is_proposed_whatever_its_case():
    assert (
        did_you_mean("email.Cliked", ["email.clicked", "email.opened", "page.viewed"])
        == "did you mean `email.clicked`?"
    )
    assert nearest("NURTURE", ["nurture"]) == "nurture"
    assert nearest("xyz", ["nurture"]) is None


def test_few_names_are_listed_when_none_is_near():
    assert did_you_mean("xyz", ["b", "a"]) == "use one of: a, b"
    assert did_you_mean("xyz", [f"name{number}" for number in range(20)]) == ""
    assert did_you_mean("xyz", []) == ""


def test_problems_are_sorted_as_one_reads_and_said_once():
    assert in_reading_order([WRONG, ODD, WRONG]) == [ODD, WRONG]
    assert errors_in([ODD, WRONG]) == [WRONG]
    assert warnings_in([ODD, WRONG]) == [ODD]
