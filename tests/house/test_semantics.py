"""The page of promises: every line names tests, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache

from tests.house.project import ROOT

PAGE = (ROOT / "docs/semantics.md").read_text(encoding="utf-8")
_PROMISES = PAGE.partition("## How many examples")[0].splitlines()
ROWS = [line for line in _PROMISES if line.startswith("| ") and not line.startswith(("| what", "| ---"))]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)))


@cache
def names_in(path: str) -> frozenset[str]:
    """The names of a file's tests; none when there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_line_of_the_page_names_a_test():
    assert len(ROWS) > 60
    assert [row for row in ROWS if "::test_" not in row] == []


def test_every_test_that_the_page_names_exists():
    assert [f"{path}::{name}" for path, name in NAMED if name not in names_in(path)] == []


def test_every_property_and_every_journey_stands_on_the_page():
    files = sorted((ROOT / "tests/properties").glob("test_*.py")) + sorted((ROOT / "tests/journeys").glob("test_*.py"))
    paths = [path.relative_to(ROOT).as_posix() for path in files]
    written = {f"{path}::{name}" for path in paths for name in names_in(path) if name.startswith("test_")}
    assert written - {f"{path}::{name}" for path, name in NAMED} == set()
