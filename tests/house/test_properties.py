"""The soak finds every property test, also those whose examples are drawn inside of the test."""

from __future__ import annotations

import ast

from tests.house.project import ROOT


def names(decorators):
    return {ast.unparse(each).partition("(")[0] for each in decorators}


def test_a_test_that_draws_examples_inside_is_marked_for_the_soak():
    inside, unmarked = 0, []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for test in ast.parse(path.read_text()).body:
            if not isinstance(test, ast.FunctionDef):
                continue
            nested = [each for each in ast.walk(test) if isinstance(each, ast.FunctionDef) and each is not test]
            if any("given" in names(each.decorator_list) for each in nested):
                inside += 1
                if "pytest.mark.hypothesis" not in names(test.decorator_list):
                    unmarked.append(f"{path.relative_to(ROOT)}::{test.name}")
    assert inside > 0
    assert unmarked == []
