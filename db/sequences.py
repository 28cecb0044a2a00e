"""What the operator asked of each sequence: on, hold, drain or stop."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from db import work
from db.tables import sequence_states


def closed(connection: Connection) -> set[str]:
    """The sequences that nobody enters now."""
    return {
        str(name)
        for name in connection.execute(
            select(sequence_states.c.sequence).where(sequence_states.c.state != "on")
        ).scalars()
    }


def states(connection: Connection) -> dict[str, str]:
    """The state of every sequence that is not simply on."""
    rows = connection.execute(select(sequence_states.c.sequence, sequence_states.c.state))
    return {str(name): str(state) for name, state in rows}


def set_state(connection: Connection, sequence: str, state: str, reason: str | None, now: datetime) -> None:
    """Hold, drain, stop or resume (`on`) a sequence."""
    rows = work.insert_for(connection)(sequence_states).values(sequence=sequence, state=state, reason=reason, since=now)
    connection.execute(
        rows.on_conflict_do_update(
            index_elements=["sequence"], set_={name: rows.excluded[name] for name in ("state", "reason", "since")}
        )
    )
