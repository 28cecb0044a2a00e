"""A database that is written through the real intake."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.intake import Store


@pytest.fixture
def stored(database_url: str) -> Iterator[Store]:
    """A new database, once on SQLite and once on PostgreSQL."""
    made = Store(database_url)
    yield made
    made.close()
