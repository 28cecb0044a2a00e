"""Retention: what has been kept long enough goes, so many rows a run, found by what a run can look up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, func, literal, not_, or_, select, update

from db import runs as installation
from db.batches import listed
from db.sales_tasks import has_open_task
from db.subqueries import there_is
from db.tables import dead_letters, enrollments, events, frozen_mails, leads, messages, provider_facts, runs
from db.types import json_text, json_without

# Names under which sources and trackers say from where and with what somebody came.
USER_AGENTS = ("user_agent", "userAgent", "user-agent", "ua")
ADDRESSES = ("ip", "ip_address", "ipAddress", "client_ip", "remote_addr")
_EVENTS_DONE = "retention.events"


def _delete(connection: Connection, table: Table, old: Any, key: Any, limit: int) -> int:
    some = select(key).where(old).order_by(key).limit(limit)
    return connection.execute(delete(table).where(key.in_(some))).rowcount


def provider_reports(connection: Connection, before: datetime, limit: int) -> int:
    """What providers reported, as it came; what it meant has long been an event."""
    return _delete(connection, provider_facts, provider_facts.c.received_at < before, provider_facts.c.id, limit)


def settled_letters(connection: Connection, before: datetime, limit: int) -> int:
    """Dead letters that went in or were given up."""
    old = and_(dead_letters.c.status.in_(("replayed", "dropped")), dead_letters.c.settled_at < before)
    return _delete(connection, dead_letters, old, dead_letters.c.id, limit)


def run_notes(connection: Connection, before: datetime, limit: int) -> int:
    """What runs did; the last one stays, because the audit goes by it."""
    last = select(func.max(runs.c.id)).where(runs.c.status == "done").scalar_subquery()
    return _delete(connection, runs, and_(runs.c.now < before, runs.c.id != func.coalesce(last, 0)), runs.c.id, limit)


def frozen(connection: Connection, now: datetime, limit: int) -> int:
    """Mails kept for a repetition, once they are settled or their provider knows their key no more."""
    settled = there_is(messages, messages.c.id == frozen_mails.c.message_id, messages.c.settled_at.is_not(None))
    key = frozen_mails.c.message_id
    return _delete(connection, frozen_mails, or_(settled, frozen_mails.c.until < now), key, limit)


def event_traces(connection: Connection, before: datetime, limit: int) -> int:
    """Take network addresses and user agents out of old events; returns how many events lost something.

    Events are numbered as they come in, so a run goes on from the number where the last one stopped. Of a machine the
    user agent stays: it is nobody's, and the verdict goes by it.
    """
    done = int(installation.setting(connection, _EVENTS_DONE) or 0)
    # On SQLite the highest numbers are given anew when their rows were deleted.
    done = min(done, int(connection.execute(select(func.max(events.c.id))).scalar() or 0))
    recent = select(events.c.id).where(events.c.id > done, events.c.received_at >= before).order_by(events.c.id)
    first_recent = connection.execute(recent.limit(1)).scalar()
    rows = select(events.c.id).where(events.c.id > done).order_by(events.c.id).limit(limit)
    if first_recent is not None:
        rows = rows.where(events.c.id < first_recent)
    upto = connection.execute(select(func.max(rows.subquery().c.id))).scalar()
    if upto is None:
        return 0
    these = events.c.id > done, events.c.id <= upto
    changed = _take_out(connection, these, ADDRESSES)
    changed += _take_out(connection, (*these, events.c.machine.is_(False)), USER_AGENTS)
    installation.remember(connection, _EVENTS_DONE, str(upto))
    return changed


def _take_out(connection: Connection, these: Sequence[Any], names: Sequence[str]) -> int:
    rest: Any = events.c.properties
    for name in names:
        rest = json_without(rest, literal(name))
    has_one = or_(*(json_text(events.c.properties, literal(name)).is_not(None) for name in names))
    return connection.execute(update(events).where(*these, has_one).values(properties=rest)).rowcount


def old_mails(connection: Connection, keys: Sequence[str], before: datetime) -> list[str]:
    """Those of some messages, by key, that were settled long ago."""
    if not keys:
        return []
    asked = listed(connection, "asked", [[key] for key in keys], messages.c.key)
    rows = select(messages.c.key).where(messages.c.key.in_(select(asked.c.key)), messages.c.settled_at < before)
    return list(connection.execute(rows).scalars())


def quiet_leads(connection: Connection, before: datetime, limit: int) -> list[int]:
    """Leads of whom nothing was heard or said since then, whom no sequence and no salesperson has; never customers."""
    heard = there_is(events, events.c.lead_id == leads.c.id, events.c.occurred_at >= before)
    written = there_is(messages, messages.c.lead_id == leads.c.id, messages.c.handed_over_at >= before)
    inside = there_is(enrollments, enrollments.c.lead_id == leads.c.id, enrollments.c.status == "active")
    rows = select(leads.c.id).where(
        leads.c.updated_at < before,
        leads.c.merged_into_id.is_(None),
        leads.c.erased_at.is_(None),
        leads.c.stage != "customer",
        *(not_(each) for each in (heard, written, inside, has_open_task(leads.c.id))),
    )
    return list(connection.execute(rows.order_by(leads.c.id).limit(limit)).scalars())
