"""The project as its files declare it, for the tests of the house."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# Folders of Python that are used from the checkout only, never installed.
WORKSHOPS = {"bench", "migrations", "tests"}


def declared_rooms() -> set[str]:
    """The rooms that pyproject installs."""
    patterns = PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    return {pattern.removesuffix(".*") for pattern in patterns}


def rooms_on_disk() -> set[str]:
    """The folders of the checkout that hold Python packages, the workshops aside."""
    return {path.parent.name for path in ROOT.glob("*/__init__.py")} - WORKSHOPS


def sources(folder: str) -> list[Path]:
    """Every Python file of one folder, in order."""
    return sorted((ROOT / folder).rglob("*.py"))


def modules(room: str) -> list[str]:
    """Every module of one room by its import name; a package goes by its folder."""
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sources(room))
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]
