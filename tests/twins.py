"""Worlds to begin with: each way to begin is lived once a process and kind of database; tests get copies of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tests.databases import Databases
from tests.world import World


class NewWorld(Protocol):
    """Makes a world on a database of its own; the rest is as in `World`."""

    def __call__(self, documents: dict[str, object] | None = None, **options: object) -> World: ...


# How a world begins: a function of a module, which is told how to make one.
Beginning = Callable[[NewWorld], World]


class Originals:
    """The worlds of which there are copies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lived: dict[tuple[str, Beginning], World] = {}

    def twin(self, beginning: Beginning, databases: Databases, home: Path) -> World:
        """A world that has begun in this way, as if nobody else had."""
        known = databases.kind, beginning
        if known not in self.lived:
            self.lived[known] = self._live(beginning, databases.lasting())
        original = self.lived[known]
        return original.twin(databases.copy(original.context.settings.database_url), home)

    def _live(self, beginning: Beginning, databases: Databases) -> World:
        def new_world(documents: dict[str, object] | None = None, **options: object) -> World:
            home = Path(tempfile.mkdtemp(prefix="original-", dir=self.folder))
            return World(databases.migrated(), home, documents, **options)  # type: ignore[arg-type]

        world = beginning(new_world)
        assert world.context.email is world.outbox, "another connector would be the twins' too"
        world.close()
        return world
