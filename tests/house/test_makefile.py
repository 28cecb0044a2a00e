"""The Makefile: what it promises in `make help` is what it does."""

from __future__ import annotations

import os
import re
import subprocess
from importlib.util import find_spec

import pytest

from tests.house.project import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = next(line for line in MAKEFILE.splitlines() if line.startswith(".PHONY:")).split()[1:]


def make(*arguments: str) -> str:
    """What make prints, called as from a shell of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    ran = subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


def test_the_promised_targets_exist() -> None:
    assert {"help", "setup", "demo", "test", "lint", "serve", "bench", "soak"} <= set(TARGETS)


def test_make_alone_prints_the_help() -> None:
    assert make() == make("help")


def test_help_says_what_each_target_does() -> None:
    shown = dict(re.findall(r"^  make (\S+) +(\S.*)$", make("help"), re.MULTILINE))
    assert set(shown) == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_every_module_that_a_target_runs_exists(target: str) -> None:
    for name in re.findall(r"python -m (\S+)", make("--dry-run", target)):
        spec = find_spec(name)
        assert spec, f"make {target} runs {name}, which does not exist"
        assert not spec.submodule_search_locations or find_spec(f"{name}.__main__"), f"{name} has no __main__"


def test_a_change_is_checked_by_lint_and_by_tests_even_if_one_fails() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    commands = re.findall(r"^make (\w+) \|\| failed=1$", script.read_text(encoding="utf-8"), re.MULTILINE)
    assert commands == ["lint", "test"]
