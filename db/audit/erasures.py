"""Erasures: of an erased person nothing is left but an empty row, and nothing waits to be sent to one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, Table, delete, or_, select, union, update

from db.audit.check import Check, Done, Scene
from db.entries import ended
from db.erasure_ledgers import clear_messages
from db.tables import audience_members, enrollments, identities, leads, messages, sales_tasks
from nurture.records import PROFILE

_ERASED = select(leads.c.id).where(leads.c.erased_at.is_not(None))
_PERSONAL = (*PROFILE, "email_hash", "account_id")


def _of_erased(table: Table) -> Select[Any]:
    return select(table.c.lead_id).where(table.c.lead_id.in_(_ERASED))


def _left(connection: Connection, scene: Scene) -> Select[Any]:
    known = select(leads.c.id).where(
        leads.c.erased_at.is_not(None), or_(*(leads.c[name].is_not(None) for name in _PERSONAL))
    )
    active = _of_erased(enrollments).where(enrollments.c.status == "active")
    waiting = _of_erased(messages).where(messages.c.settled_at.is_(None), messages.c.status == "queued")
    asked = _of_erased(sales_tasks).where(sales_tasks.c.status.in_(("open", "accepted")))
    told = _of_erased(audience_members).where(audience_members.c.status.in_(("adding", "member")))
    parts = (known, _of_erased(identities), active, waiting, asked, told)
    return select(union(*parts).subquery().c[0])


def _empty(connection: Connection, scene: Scene) -> Done:
    """What stands beyond doubt: nobody may be known by, enrolled for or mailed at what was erased."""
    broken = list(connection.execute(_left(connection, scene)).scalars())
    blank: dict[str, Any] = {**dict.fromkeys(_PERSONAL), "attributes": {}}
    connection.execute(update(leads).where(leads.c.id.in_(broken)).values(blank))
    connection.execute(delete(identities).where(identities.c.lead_id.in_(broken)))
    active = update(enrollments).where(enrollments.c.lead_id.in_(broken), enrollments.c.status == "active")
    connection.execute(active.values(ended("exited", "erased")), {"now": scene.now})
    clear_messages(connection, broken, scene.now)
    tasks = sales_tasks.c.lead_id.in_(broken), sales_tasks.c.status.in_(("open", "accepted"))
    cancelled = {"status": "cancelled", "closed_at": scene.now, "crm_revision": sales_tasks.c.crm_revision + 1}
    connection.execute(update(sales_tasks).where(*tasks).values(cancelled))
    members = audience_members.c.lead_id.in_(broken), audience_members.c.status.in_(("adding", "member"))
    back = {"status": "removing", "reason": "erased", "changed_at": scene.now, "batch": None}
    connection.execute(update(audience_members).where(*members).values(back))
    return [("emptied again", len(broken))]


CHECKS: tuple[Check, ...] = (
    Check(
        "erased-is-empty",
        "of an erased person nothing is left but an empty row, instants and numbers",
        "erase the lead once more: `ripen privacy erase ID --yes`",
        _left,
        _empty,
    ),
)
