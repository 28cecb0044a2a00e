"""A world on each database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.email import Abilities, MemoryOutbox
from tests.engine.subscriptions import business
from tests.twins import Beginning, NewWorld
from tests.world import World


@pytest.fixture
def world(twin: Callable[[Beginning], World]) -> World:
    """The small business of `tests.world`, on SQLite and on PostgreSQL."""
    return twin(_nothing_has_happened)


def _nothing_has_happened(new_world: NewWorld) -> World:
    return new_world()


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


@pytest.fixture
def world_with(new_world: Callable[..., World]) -> Callable[..., World]:
    """Makes worlds with an outbox of these abilities and readers (five), each with a message that is ready."""

    def make(abilities: Abilities, readers: int = 5, **options: Any) -> World:
        outbox = MemoryOutbox(abilities, finds=options.pop("finds", False))
        world = new_world(email=outbox, **options)
        world.outbox = outbox
        world.readers(readers)
        for part in ("rescore", "restage", "enroll", "advance"):
            world.run(part)
        return world

    return make


@pytest.fixture
def papers(twin: Callable[[Beginning], World]) -> World:
    """The business of `tests.engine.subscriptions`; Ada has had one mail of it."""
    return twin(_papers)


def _papers(new_world: NewWorld) -> World:
    world = new_world(business())
    world.lead("ada", ads=True)
    world.happens("ada", "content.white_paper_downloaded")
    world.run("follow-up")
    return world
