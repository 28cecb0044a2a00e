"""Subqueries that see their surroundings: only their own table is theirs, every other one is that of the statement.

SQLAlchemy finds out by itself only what the directly enclosing query has; two levels down it would silently join the
outer table once more, and the condition would be about anybody instead of this row.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Exists, FromClause, ScalarSelect, exists, select


def there_is(table: FromClause, *conditions: Any) -> Exists:
    """Whether the table has such a row."""
    return exists().where(*conditions).correlate_except(table)


def value_of(table: FromClause, value: Any, *conditions: Any) -> ScalarSelect[Any]:
    """One value (or aggregate) of the table's rows that fulfil the conditions."""
    return select(value).select_from(table).where(*conditions).correlate_except(table).scalar_subquery()
