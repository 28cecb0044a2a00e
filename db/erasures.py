"""Erasures: the certificate of each, what is still to be told to the outside, and what came in after it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, func, insert, literal, or_, select, update

from db.engine import Database
from db.erasure_ledgers import ERASED, clear_texts
from db.tables import (
    audience_choices,
    audience_members,
    consents,
    entry_marks,
    erasures,
    events,
    leads,
    messages,
    metadata,
    provider_facts,
    sales_tasks,
    score_contributions,
    scores,
    suppressions,
    tracked_links,
    work_queue,
)
from db.types import UTCDateTime

# What may come in of somebody who is no longer here: an old link that is clicked, a provider's late report.
_LATE: tuple[Table, ...] = (
    provider_facts,
    events,
    scores,
    score_contributions,
    audience_choices,
    entry_marks,
    work_queue,
    tracked_links,
)
_IN_HAND = messages.c.status.in_(("claimed", "handing_over"))


def latest(connection: Connection, lead_id: int) -> dict[str, Any] | None:
    """The last erasure of a lead."""
    rows = select(erasures).where(erasures.c.lead_id == lead_id).order_by(erasures.c.id.desc()).limit(1)
    row = connection.execute(rows).mappings().one_or_none()
    return None if row is None else dict(row)


def unfinished(connection: Connection) -> list[dict[str, Any]]:
    """The erasures of which something is still to be done, the oldest first."""
    rows = select(erasures).where(erasures.c.completed_at.is_(None)).order_by(erasures.c.id)
    return [dict(row) for row in connection.execute(rows).mappings()]


def of(connection: Connection, erasure_id: int) -> dict[str, Any]:
    """One erasure."""
    return dict(connection.execute(select(erasures).where(erasures.c.id == erasure_id)).mappings().one())


def erased_since(connection: Connection, email_hash: str) -> datetime | None:
    """When an address was stopped because its person was erased, if it was."""
    mine = suppressions.c.email_hash == email_hash, suppressions.c.reason == ERASED, suppressions.c.lifted_at.is_(None)
    return connection.execute(select(suppressions.c.since).where(*mine).limit(1)).scalar()


def note(connection: Connection, lead_id: int, certificate: Mapping[str, Any], now: datetime) -> int:
    """Note an erasure with what it did; returns its id."""
    row = insert(erasures).values(lead_id=lead_id, requested_at=now, certificate=dict(certificate))
    return int(connection.execute(row.returning(erasures.c.id)).scalar_one())


def amend(
    connection: Connection, erasure_id: int, certificate: Mapping[str, Any], completed_at: datetime | None
) -> None:
    """Write down what has become of an erasure; one that was completed stays so since then."""
    connection.execute(
        update(erasures)
        .where(erasures.c.id == erasure_id)
        .values(
            certificate=dict(certificate),
            completed_at=func.coalesce(erasures.c.completed_at, literal(completed_at, UTCDateTime())),
        )
    )


def ids_of(connection: Connection, lead_id: int) -> list[int]:
    """The rows that were the person."""
    rows = select(leads.c.id).where(or_(leads.c.id == lead_id, leads.c.merged_into_id == lead_id))
    return sorted(connection.execute(rows).scalars())


def message_keys(connection: Connection, who: Sequence[int]) -> dict[str, bool]:
    """The keys of all messages to the person, and whether each is settled."""
    rows = select(messages.c.key, messages.c.settled_at).where(messages.c.lead_id.in_(who), messages.c.key.is_not(None))
    return {str(key): settled is not None for key, settled in connection.execute(rows)}


def waits_for(connection: Connection, who: Sequence[int], *, with_crm: bool) -> dict[str, Any]:
    """What is still to be told or to end: memberships by platform, tasks of the CRM, messages being handed over."""
    members = audience_members
    taken_back = (
        select(members.c.platform, func.count())
        .where(members.c.lead_id.in_(who), members.c.status == "removing")
        .group_by(members.c.platform)
    )
    untold = and_(sales_tasks.c.lead_id.in_(who), sales_tasks.c.crm_told_revision < sales_tasks.c.crm_revision)
    tasks = select(func.count()).select_from(sales_tasks).where(untold)
    in_hand = select(messages.c.id).where(messages.c.lead_id.in_(who), _IN_HAND)
    waits = {
        "audiences": {str(platform): int(count) for platform, count in connection.execute(taken_back)},
        "sales_tasks": int(connection.execute(tasks).scalar_one()) if with_crm else 0,
        "messages": sorted(connection.execute(in_hand).scalars()),
    }
    return {name: what for name, what in waits.items() if what}


def sweep(connection: Connection, who: Sequence[int] | None = None) -> int:
    """Take away what came in after an erasure, of some or of everybody; returns how many rows.

    Nobody is found again by it: it is named by our own numbers alone.
    """
    if who is None and connection.execute(select(erasures.c.id).limit(1)).scalar() is None:
        return 0
    of: Any = list(who) if who is not None else select(erasures.c.lead_id)
    gone = sum(connection.execute(delete(table).where(table.c.lead_id.in_(of))).rowcount for table in _LATE)
    sent = select(messages.c.id).where(messages.c.lead_id.in_(of))
    gone += connection.execute(delete(provider_facts).where(provider_facts.c.message_id.in_(sent))).rowcount
    words = consents.c.lead_id.in_(of), consents.c.source != ERASED
    blank = {"source": ERASED, "wording": None, "evidence": None}
    gone += connection.execute(update(consents).where(*words).values(blank)).rowcount
    return gone + clear_texts(connection, of)


def overwrite(database: Database) -> bool:
    """Let go of the room of deleted rows, so that nothing is left of them in the files of the database.

    False when somebody else is in the way; a later run tries again. SQLite writes its file anew, PostgreSQL frees its
    pages and forgets the samples that its planner keeps.
    """
    raw = database.engine.raw_connection()
    try:
        driver = raw.driver_connection
        assert driver is not None
        if database.dialect == "sqlite":
            return _write_anew(driver)
        driver.autocommit = True
        names = ", ".join(sorted(table.name for table in metadata.sorted_tables if table.name != "installation"))
        driver.execute(f"VACUUM (ANALYZE, SKIP_LOCKED) {names}")
        driver.autocommit = False
        return True
    finally:
        raw.close()


def _write_anew(driver: Any) -> bool:
    try:
        driver.execute("VACUUM")
        return not driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError:
        return False
