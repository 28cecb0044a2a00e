"""INSERT ... ON CONFLICT that is compiled once.

Both databases speak the same words here. SQLAlchemy's own two constructs are compiled anew each time they are executed,
which takes milliseconds for a statement made of definitions: a third of a run was spent on that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy import ClauseElement, ColumnElement, Insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import _generative
from sqlalchemy.sql.visitors import InternalTraversal


class OnConflict(ClauseElement):
    """What happens to a row that breaks a unique key: nothing, or these columns of the one that is there are set."""

    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - as SQLAlchemy declares it
        ("targets", InternalTraversal.dp_plain_obj),
        ("columns", InternalTraversal.dp_plain_obj),
        ("values", InternalTraversal.dp_clauseelement_tuple),
        ("where", InternalTraversal.dp_clauseelement),
    ]

    def __init__(
        self,
        targets: Sequence[str] = (),
        columns: Sequence[str] = (),
        values: Sequence[ColumnElement[Any]] = (),
        where: ColumnElement[bool] | None = None,
    ) -> None:
        self.targets = tuple(targets)
        self.columns = tuple(columns)
        self.values = tuple(values)
        self.where = where


@compiles(OnConflict)
def _on_conflict(element: OnConflict, compiler: Any, **kw: Any) -> str:
    quote = compiler.preparer.quote
    target = f" ({', '.join(map(quote, element.targets))})" if element.targets else ""
    if not element.columns:
        return f"ON CONFLICT{target} DO NOTHING"
    kw = {**kw, "include_table": True, "use_schema": False}
    settings = [
        f"{quote(name)} = {compiler.process(value.self_group(), is_upsert_set=True, **kw)}"
        for name, value in zip(element.columns, element.values, strict=True)
    ]
    where = f" WHERE {compiler.process(element.where, **kw)}" if element.where is not None else ""
    return f"ON CONFLICT{target} DO UPDATE SET {', '.join(settings)}{where}"


class Upsert(Insert):
    """An INSERT that may say what happens on a conflict."""

    inherit_cache = True

    @property
    def excluded(self) -> Any:
        """The columns of the row that could not be inserted."""
        return sa.alias(self.table, name="excluded").columns

    @_generative
    def on_conflict_do_nothing(self) -> Self:
        """Leave out the rows that are there already."""
        self._post_values_clause = OnConflict()
        return self

    @_generative
    def on_conflict_do_update(
        self, *, index_elements: Sequence[str], set_: Mapping[str, Any], where: ColumnElement[bool] | None = None
    ) -> Self:
        """Set columns of the rows that are there already, where `where` holds for them."""
        columns = self.table.columns
        values = [_as_element(value, columns[name].type) for name, value in set_.items()]
        self._post_values_clause = OnConflict(index_elements, list(set_), values, where)
        return self


def _as_element(value: Any, type_: sa.types.TypeEngine[Any]) -> ColumnElement[Any]:
    """A plain value as a bound one of the column's type, so that the statement stays the same for other values."""
    if isinstance(value, ColumnElement):
        return value
    return sa.null() if value is None else sa.literal(value, type_)
