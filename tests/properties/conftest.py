"""The world of the engine's tests, on each database."""

from __future__ import annotations

from tests.engine.conftest import new_world, world

__all__ = ["new_world", "world"]
