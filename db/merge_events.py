"""Of two leads that are one person: what they did, each fact once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection, and_, case, func, select, update

from db.batches import ids
from db.derived import SOURCE as DERIVED
from db.merge_people import Pair
from db.tables import dead_letters, events
from db.verdicts import PENDING
from db.work import insert_for
from nurture.keys import record_digest

# The reason under which the second copy of a fact is kept.
DUPLICATE = "duplicate-in-merge"


def join_events(connection: Connection, pair: Pair, now: datetime) -> tuple[int, int]:
    """Give the events of one lead to the other, without the facts that both have; returns how many moved, how many not.

    Two events are one fact when source, type, instant, properties and the message they answer are equal. A fact that
    one of them has twice is two facts. The copy that came first stays. The other one is nobody's any more: its row
    stays, so that its source can tell it again without effect, and a dead letter says why.
    """
    doubles = connection.execute(_doubles(pair)).all()
    if doubles:
        _set_aside(connection, pair, {int(row.dropped): int(row.kept) for row in doubles}, now)
    mine = events.c.lead_id == pair.goes
    moved = connection.execute(update(events).where(mine, events.c.source != DERIVED).values(lead_id=pair.stays))
    # The next derivation drops those that no longer follow.
    connection.execute(update(events).where(mine).values(lead_id=pair.stays))
    return moved.rowcount, len(doubles)


def _doubles(pair: Pair) -> Any:
    content = (
        events.c.source,
        events.c.type,
        events.c.occurred_at,
        sa.cast(events.c.properties, sa.Text).label("content"),
        func.coalesce(events.c.message_id, 0).label("answers"),
        # A verdict on one of them is none on the other.
        and_(events.c.machine, func.coalesce(events.c.machine_by, "").not_in(PENDING)).label("machine"),
    )
    place = (
        func.row_number()
        .over(partition_by=(events.c.lead_id, *content), order_by=(events.c.tiebreak, events.c.id))
        .label("place")
    )
    numbered = (
        select(events.c.id, events.c.lead_id, place, *content)
        .where(events.c.lead_id.in_(pair), events.c.source != DERIVED)
        .cte("numbered")
    )
    mine, theirs = numbered.alias("mine"), numbered.alias("theirs")
    same = [mine.c[name] == theirs.c[name] for name in ("place", "source", "type", "occurred_at", "content", "answers")]
    first = mine.c.id < theirs.c.id
    return select(
        case((first, theirs.c.id), else_=mine.c.id).label("dropped"),
        case((first, mine.c.id), else_=theirs.c.id).label("kept"),
    ).select_from(
        mine.join(
            theirs,
            and_(
                mine.c.lead_id == pair.stays, theirs.c.lead_id == pair.goes, mine.c.machine == theirs.c.machine, *same
            ),
        )
    )


def _set_aside(connection: Connection, pair: Pair, kept_by_dropped: dict[int, int], now: datetime) -> None:
    asked = ids(connection, "asked", sorted(kept_by_dropped))
    dropped = events.c.id.in_(select(asked.c.id))
    rows = connection.execute(select(events).where(dropped).order_by(events.c.id)).mappings().all()
    letters = [_letter(row, pair, kept_by_dropped[row["id"]], now) for row in rows]
    connection.execute(insert_for(connection)(dead_letters).on_conflict_do_nothing(), letters)
    connection.execute(update(events).where(dropped).values(lead_id=None, identity_id=None))


def _letter(row: Any, pair: Pair, kept: int, now: datetime) -> dict[str, Any]:
    told: Sequence[str] = (
        "id",
        "source",
        "source_event_id",
        "type",
        "occurred_at",
        "lead_id",
        "identity_id",
        "properties",
    )
    return {
        "source": row["source"],
        "kind": "event",
        "place": f"merge of lead {pair.goes} into lead {pair.stays}",
        "reason": DUPLICATE,
        "message": f"event {row['id']} says what event {kept} says of the same person; it counts once",
        "raw": orjson.dumps({name: row[name] for name in told}),
        "context": {"kept": kept},
        "digest": record_digest(DUPLICATE, str(row["id"])),
        "received_at": now,
        "status": "dropped",
        "settled_at": now,
    }
