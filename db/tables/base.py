"""The metadata with its naming rules, and small builders of columns."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, MetaData

from db.types import Id, UTCDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def primary_id() -> Column[int]:
    """A whole number that grows."""
    return Column("id", Id, primary_key=True, autoincrement=True)


def reference(
    name: str, target: str, *, nullable: bool = False, index: bool = False, primary_key: bool = False, **kw: Any
) -> Column[int]:
    """A foreign key to `table.id`."""
    foreign = ForeignKey(target, **kw)
    if primary_key:
        # A key that is given is never a number that grows by itself.
        return Column(name, Id, foreign, nullable=nullable, index=index, primary_key=True, autoincrement=False)
    return Column(name, Id, foreign, nullable=nullable, index=index)


def instant(name: str, *, nullable: bool = False, index: bool = False) -> Column[Any]:
    """A point in time, in UTC."""
    return Column(name, UTCDateTime(), nullable=nullable, index=index)


def one_of(column: str, *values: str) -> CheckConstraint:
    """A column that only takes these words."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")
