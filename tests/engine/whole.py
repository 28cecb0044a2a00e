"""The database as a whole: every row of it, and whether all its invariants hold."""

from __future__ import annotations

from typing import Any

from db import audit, tables
from tests.world import World


def everything(world: World) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    return {name: world.rows(name) for name in tables.metadata.tables}


def clean(world: World) -> None:
    """No invariant is broken."""
    with world.database.read() as connection:
        assert audit.run_checks(connection, world.now, repair=False) == []


def two(world: World, **fields: Any) -> None:
    """Ada, known by two addresses: as ada and as bo."""
    world.lead("ada", **fields)
    world.lead("bo", **fields)
