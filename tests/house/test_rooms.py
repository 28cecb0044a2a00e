"""The rooms: declared, signed, importable, and built on declared libraries only."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.project import PYPROJECT, ROOT, WORKSHOPS, declared_rooms, modules, rooms_on_disk, sources

ROOMS = sorted(declared_rooms())


def test_pyproject_installs_exactly_the_rooms_on_disk() -> None:
    assert declared_rooms() == rooms_on_disk()


def test_the_import_rules_cover_every_room() -> None:
    assert set(PYPROJECT["tool"]["importlinter"]["root_packages"]) == rooms_on_disk()


def test_every_room_with_subpackages_declares_them() -> None:
    patterns = set(PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"])
    assert patterns == {name for room in ROOMS for name in (room, f"{room}.*")}


@pytest.mark.parametrize("room", [*ROOMS, "templates", "migrations", "tests", "bench"])
def test_every_room_has_a_sign_on_its_door(room: str) -> None:
    sign = ROOT / room / "README.md"
    assert sign.is_file(), f"{room}/README.md is missing: what lives here, what never does, how to add one"
    assert sign.read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("room", ROOMS)
def test_every_folder_with_modules_is_a_package(room: str) -> None:
    lost = {str(path.parent.relative_to(ROOT)) for path in sources(room) if not (path.parent / "__init__.py").exists()}
    assert not lost, "without an __init__.py these would not be installed"


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_imports(room: str) -> None:
    for name in modules(room):
        importlib.import_module(name)


def test_every_installed_command_can_be_called() -> None:
    for command, entry in PYPROJECT["project"]["scripts"].items():
        module, function = entry.split(":")
        assert callable(getattr(importlib.import_module(module), function)), command


def test_the_command_line_starts_without_prefect() -> None:
    probe = "import sys, cli.main; sys.exit('prefect' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr or "cli.main imports Prefect, which costs every command two seconds"


def declared(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in requirements}


RUN = declared(
    PYPROJECT["project"]["dependencies"]
    + [line for extra in PYPROJECT["project"]["optional-dependencies"].values() for line in extra]
)
DEVELOPMENT = RUN | declared(PYPROJECT["dependency-groups"]["dev"])


def imported(path: Path) -> set[str]:
    """The top names that a file imports, relative imports aside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("folder", [*ROOMS, *sorted(WORKSHOPS)])
def test_every_imported_library_is_declared(folder: str) -> None:
    allowed = DEVELOPMENT if folder in {"tests", "bench"} else RUN
    distributions = packages_distributions()
    own = rooms_on_disk() | WORKSHOPS | sys.stdlib_module_names
    undeclared = {}
    # The benches of peers name libraries that only a side-by-side run installs.
    for path in (path for path in sources(folder) if "peers" not in path.parts):
        for name in imported(path) - own:
            if not {canonicalize_name(found) for found in distributions.get(name, [])} & allowed:
                undeclared[name] = str(path.relative_to(ROOT))
    assert not undeclared, "declare these in pyproject.toml and run `make lock`"


def test_no_flow_file_hides_a_room_or_a_standard_module() -> None:
    names = {path.stem for path in (ROOT / "flows").glob("*.py")} - {"__init__"}
    assert not names & (rooms_on_disk() | WORKSHOPS | sys.stdlib_module_names)


def test_every_loosened_lint_rule_carries_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    ignores = text.split("\nignore = [\n")[1].split("\n]")[0].splitlines()
    assert ignores
    assert [line for line in ignores if not re.search(r"# \S", line)] == []
