"""What the check says of topics, confirmations, bounces and rates."""

from __future__ import annotations

from pathlib import Path

import pytest

from nurture.check import check_documents
from tasks.definition_files import load_tree

TREE = load_tree(Path(__file__).resolve().parents[2] / "templates")
LETTER = "  newsletter:\n    label: Newsletter\n"
ADS = "  ads: {label: Advertising audiences, channel: ads, bases: [consent]}"


def codes(**changes):
    """The errors after these words of a file have been replaced."""
    tree = dict(TREE)
    for file, (old, new) in changes.items():
        path = f"{file.replace('__', '/')}.yaml"
        assert old in tree[path]
        tree[path] = tree[path].replace(old, new, 1)
    return {problem.code for problem in check_documents(tree).errors}


def test_a_double_opt_in_is_one_word_where_the_shipped_mail_asks_for_it():
    assert codes(events=(LETTER, f"{LETTER}    double_opt_in: true\n")) == set()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"events": (LETTER, f"{LETTER}    double_opt_in: true\n    bases: [soft_opt_in]\n")}, "double-opt-in-basis"),
        ({"events": (ADS, ADS.replace("}", ", double_opt_in: true}"))}, "double-opt-in-channel"),
        ({"events": ("  nurture: {", "  nurture: {double_opt_in: true, ")}, "nobody-asks"),
        ({"events": ("within: 14 days}", "within: 0 days}")}, "zero-duration"),
        ({"lifecycle": ("window: 30 days", "window: 0 days")}, "zero-duration"),
        ({"emails__confirm-subscription__email": ("transactional", "marketing")}, "confirm-marketing"),
        ({"events": ("bases: [consent]", "bases: [habit]")}, "unknown-value"),
        ({"events": ("bases: [consent]", "bases: []")}, "wrong-value"),
        ({"lifecycle": ("{warn: 0.1, hold: 0.3}", "{warn: 0.3, hold: 0.1}")}, "wrong-value"),
    ],
)
def test_what_cannot_work_is_said(changes, code):
    assert codes(**changes) == {code}
