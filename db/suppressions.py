"""Suppressions: addresses that get no mail, known by their keyed hash, so that a stop outlives an erasure.

Each reason stands alone: an address that complained and bounced is suppressed twice, and each is lifted by its own act.
Nothing but the acts below lifts one, and each says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, bindparam, func, select, update

from db import leads
from db.batches import listed
from db.tables import leads as lead_table
from db.tables import suppressions
from db.work import insert_for
from nurture.stops import CHANNELS, NEVER_BY_OPERATOR


class Stop(NamedTuple):
    """One address and what it gets no more: `all`, `channel:<name>`, or `topic:<name>`."""

    email_hash: str
    scope: str
    reason: str
    since: datetime


class OptIn(NamedTuple):
    """A person's own yes to topics, at an instant: the suppressions with these reasons that stood before it end."""

    email_hash: str
    topics: frozenset[str]
    at: datetime
    reasons: frozenset[str]
    because: str


def suppress(connection: Connection, stops: Iterable[Stop]) -> int:
    """Suppress addresses; one that is suppressed already stays as it is. The caller holds the lock on their leads.

    A fact whose suppression was lifted does not suppress again when it is told once more.
    """
    # The earliest counts, whatever arrived first in the batch.
    first: dict[tuple[str, str, str], Stop] = {}
    for stop in sorted(stops, key=lambda each: each.since):
        first.setdefault((stop.email_hash, stop.scope, stop.reason), stop)
    if not first:
        return 0
    over = _lifted(connection, sorted({each.email_hash for each in first.values()}))
    rows = [stop._asdict() for key, stop in first.items() if key not in over or stop.since > over[key]]
    if not rows:
        return 0
    done = connection.execute(insert_for(connection)(suppressions).on_conflict_do_nothing(), rows)
    return max(done.rowcount, 0)


def _lifted(connection: Connection, hashes: Sequence[str]) -> dict[tuple[str, str, str], datetime]:
    """Since when the latest of those stood that were lifted."""
    table = suppressions
    asked = listed(connection, "asked", [[each] for each in hashes], table.c.email_hash)
    rows = (
        select(table.c.email_hash, table.c.scope, table.c.reason, func.max(table.c.since))
        .where(table.c.email_hash.in_(select(asked.c.email_hash)), table.c.lifted_at.is_not(None))
        .group_by(table.c.email_hash, table.c.scope, table.c.reason)
    )
    return {(hash_, scope, reason): since for hash_, scope, reason, since in connection.execute(rows)}


def allow(connection: Connection, opt_ins: Sequence[OptIn], channels: Mapping[str, str], now: datetime) -> int:
    """End what a person's own yes lifts; returns how many suppressions. The caller holds the lock on the leads.

    One of a wider scope becomes one for each topic that the person has not said yes to. `channels` are those of all
    topics.
    """
    if not opt_ins:
        return 0
    active = _active(connection, sorted({each.email_hash for each in opt_ins}))
    lifted: dict[int, str] = {}
    narrower: list[Stop] = []
    for each in opt_ins:
        covered = {"all", *(f"channel:{channels[name]}" for name in each.topics)}
        for row in active:
            if row.email_hash != each.email_hash or row.reason not in each.reasons or row.since >= each.at:
                continue
            if row.scope in {f"topic:{name}" for name in each.topics} or row.scope in covered:
                lifted[row.id] = each.because
            if row.scope in covered:
                within = CHANNELS if row.scope == "all" else (row.scope.partition(":")[2],)
                others = [name for name, channel in channels.items() if channel in within and name not in each.topics]
                narrower += [Stop(each.email_hash, f"topic:{name}", row.reason, row.since) for name in others]
    if not lifted:
        return 0
    connection.execute(
        _LIFT, [{"number": id_, "now": now, "because": because[:500]} for id_, because in lifted.items()]
    )
    suppress(connection, narrower)
    return len(lifted)


def _active(connection: Connection, hashes: Sequence[str]) -> Sequence[Any]:
    table = suppressions
    asked = listed(connection, "asked", [[each] for each in hashes], table.c.email_hash)
    rows = select(table.c.id, table.c.email_hash, table.c.scope, table.c.reason, table.c.since)
    mine = table.c.email_hash.in_(select(asked.c.email_hash)), table.c.lifted_at.is_(None)
    return connection.execute(rows.where(*mine).order_by(table.c.id)).all()


_LIFT = (
    update(suppressions)
    .where(suppressions.c.id == bindparam("number"), suppressions.c.lifted_at.is_(None))
    .values(lifted_at=bindparam("now"), lifted_because=bindparam("because"))
)


def lock_address(connection: Connection, email_hash: str) -> None:
    """Lock the leads with this address: who is about to send to it locks them too."""
    rows = select(lead_table.c.id).where(lead_table.c.email_hash == email_hash)
    leads.lock(connection, connection.execute(rows).scalars().all())


def lift_by_operator(
    connection: Connection, email_hash: str, scope: str | None, because: str, now: datetime
) -> tuple[list[RowMapping], list[RowMapping]]:
    """End the suppressions of an address, of one scope or of all of them, but none that a person of ours may not lift.

    Returns those that were lifted, and those that stay.
    """
    lock_address(connection, email_hash)
    table = suppressions
    mine = [table.c.email_hash == email_hash, table.c.lifted_at.is_(None)]
    if scope is not None:
        mine.append(table.c.scope == scope)
    rows = connection.execute(select(table).where(*mine).order_by(table.c.id)).mappings().all()
    stay = [row for row in rows if row["reason"] in NEVER_BY_OPERATOR]
    gone = [row for row in rows if row["reason"] not in NEVER_BY_OPERATOR]
    if gone:
        said = f"operator: {because}"[:500]
        connection.execute(_LIFT, [{"number": row["id"], "now": now, "because": said} for row in gone])
    return gone, stay


def of_address(connection: Connection, email_hash: str) -> list[RowMapping]:
    """Everything that stops, or has stopped, an address, the active ones first."""
    table = suppressions
    rows = select(table).where(table.c.email_hash == email_hash)
    found = connection.execute(rows.order_by(table.c.id)).mappings().all()
    return sorted(found, key=lambda row: row["lifted_at"] is not None)


def of_lead(connection: Connection, lead_id: int) -> list[RowMapping]:
    """The same for the present address of a lead."""
    rows = select(lead_table.c.email_hash).where(lead_table.c.id == lead_id)
    found = connection.execute(rows).scalar()
    return of_address(connection, found) if found else []


def listing(connection: Connection, *, limit: int) -> list[RowMapping]:
    """Active suppressions, newest first, each with the lead that has the address now, if any."""
    table = suppressions
    rows = (
        select(table.c.id, lead_table.c.id.label("lead_id"), table.c.scope, table.c.reason, table.c.since)
        .outerjoin(lead_table, lead_table.c.email_hash == table.c.email_hash)
        .where(table.c.lifted_at.is_(None))
        .order_by(table.c.id.desc())
        .limit(limit)
    )
    return list(connection.execute(rows).mappings())


def counts(connection: Connection) -> dict[str, int]:
    """How many active suppressions there are, by reason."""
    rows = select(suppressions.c.reason, func.count()).where(suppressions.c.lifted_at.is_(None))
    found = connection.execute(rows.group_by(suppressions.c.reason).order_by(suppressions.c.reason))
    return {str(reason): int(count) for reason, count in found}
