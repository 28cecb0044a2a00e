"""A world on each database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.world import World


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    """The small business of `tests.world`, on SQLite and on PostgreSQL."""
    made = World(database_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def new_world(databases: Any, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes worlds with other documents or settings."""
    made: list[World] = []

    def make(documents: dict[str, Any] | None = None, **options: Any) -> World:
        made.append(World(databases.migrated(), tmp_path, documents, **options))
        return made[-1]

    yield make
    for world in made:
        world.close()
