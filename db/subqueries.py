"""Subqueries that see their surroundings: only their own table is theirs, every other one is that of the statement.

SQLAlchemy finds out by itself only what the directly enclosing query has; two levels down it would silently join the
outer table once more, and the condition would be about anybody instead of this row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Exists, FromClause, ScalarSelect, exists, select
from sqlalchemy.sql.selectable import HasCTE
from sqlalchemy.sql.visitors import InternalTraversal


def there_is(table: FromClause, *conditions: Any) -> Exists:
    """Whether the table has such a row."""
    return exists().where(*conditions).correlate_except(table)


def value_of(table: FromClause, value: Any, *conditions: Any) -> ScalarSelect[Any]:
    """One value (or aggregate) of the table's rows that fulfil the conditions."""
    return select(value).select_from(table).where(*conditions).correlate_except(table).scalar_subquery()


def nth_of(table: FromClause, value: Any, place: int, *conditions: Any) -> ScalarSelect[Any]:
    """The place-th greatest value (from 1) of the rows that fulfil the conditions; NULL when there are fewer."""
    rows = select(value).select_from(table).where(*conditions).order_by(value.desc()).limit(1).offset(place - 1)
    return rows.correlate_except(table).scalar_subquery()


class ConstantRows(sa.Values):
    """A table of rows that belong to a statement as its words do, such as the rules of a definition.

    A statement with VALUES is compiled anew each time it is executed, which takes 25 ms for the shipped conversions;
    here the rows are part of what the statement is recognised by.
    """

    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - declared as in the class above
        ("_column_args", InternalTraversal.dp_clauseelement_list),
        ("_data", InternalTraversal.dp_plain_obj),
        ("name", InternalTraversal.dp_string),
        ("literal_binds", InternalTraversal.dp_boolean),
        *HasCTE._has_ctes_traverse_internals,
    ]

    def rows(self, rows: Iterable[Sequence[Any]]) -> ConstantRows:
        """The same table with these rows."""
        return self.data(tuple(tuple(row) for row in rows))
