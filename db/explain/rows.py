"""Parameters and reading that the statements about one lead share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from db.types import UTCDateTime

Row = dict[str, Any]
LEAD: sa.BindParameter[int] = bindparam("lead", type_=sa.BigInteger())
TASK: sa.BindParameter[int] = bindparam("task", type_=sa.BigInteger())
UNTIL: sa.BindParameter[datetime] = bindparam("until", type_=UTCDateTime())
LIMIT: sa.BindParameter[int] = bindparam("rows", type_=sa.Integer())


def one(connection: Connection, query: Any, **values: Any) -> Row | None:
    """The one row, or None."""
    row = connection.execute(query, values).one_or_none()
    return None if row is None else dict(row._mapping)


def every(connection: Connection, query: Any, **values: Any) -> list[Row]:
    """All rows."""
    return [dict(row._mapping) for row in connection.execute(query, values)]
