"""What an operator should look at: how much of each kind of trouble there is, and since when; never whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, func, literal, or_, select, union_all

from db.conditions import NOW
from db.sending_rates import held_by_rate
from db.tables import dead_letters, messages, sales_tasks, sequence_states, transports


@dataclass(frozen=True, slots=True)
class Trouble:
    """One kind of trouble: how much of it there is, and since when."""

    kind: str
    count: int
    since: datetime | None


def troubles(connection: Connection, now: datetime) -> list[Trouble]:
    """Every kind of trouble that there is at `now`, in the order of its urgency; one statement."""
    found = {
        row.kind: Trouble(row.kind, int(row.number), row.since) for row in connection.execute(_TROUBLES, {"now": now})
    }
    return [found[kind] for kind in _KINDS if found[kind].count]


def messages_of_run(connection: Connection, now: datetime) -> list[dict[str, Any]]:
    """What runs at `now` made of messages, by outcome and reason, most first; `queued` ones wait for a later time."""
    return [
        {"outcome": row.status, "reason": row.reason, "messages": int(row.number)}
        for row in connection.execute(_MESSAGES, {"now": now})
    ]


def paused_transports(connection: Connection, now: datetime) -> list[dict[str, Any]]:
    """The transports that refuse us: name, until when they rest, and why in the provider's words."""
    rows = connection.execute(
        select(transports.c.name, transports.c.paused_until, transports.c.reason)
        .where(transports.c.paused_until > NOW, transports.c.failures > 0)
        .order_by(transports.c.name),
        {"now": now},
    )
    return [dict(row._mapping) for row in rows]


def _kind(name: str, since: Any, condition: Any) -> Select[Any]:
    return select(literal(name).label("kind"), func.count().label("number"), func.min(since).label("since")).where(
        condition
    )


_KINDS: dict[str, Select[Any]] = {
    each: _kind(each, since, condition)
    for each, since, condition in (
        # Nobody knows whether these were sent; they are never resent by themselves.
        ("messages-unknown", messages.c.handed_over_at, messages.c.status == "unknown"),
        ("transport-paused", transports.c.changed_at, and_(transports.c.paused_until > NOW, transports.c.failures > 0)),
        # So many readers objected, or so many mailboxes are dead, that it rests until a person lets it go on.
        ("sequences-held", sequence_states.c.since, held_by_rate()),
        # A field is missing, or the text is unfit; the message waits.
        (
            "messages-cannot-render",
            messages.c.queued_at,
            and_(messages.c.status == "queued", messages.c.reason == "cannot-render"),
        ),
        ("tasks-overdue", sales_tasks.c.due_at, and_(sales_tasks.c.status == "open", sales_tasks.c.due_at < NOW)),
        ("crm-failed", sales_tasks.c.opened_at, sales_tasks.c.crm_status == "failed"),
        # Those with a time to be released come back by themselves.
        (
            "letters-waiting",
            dead_letters.c.received_at,
            and_(
                dead_letters.c.status == "waiting",
                or_(dead_letters.c.release_at.is_(None), dead_letters.c.release_at < NOW),
            ),
        ),
    )
}
_TROUBLES = union_all(*_KINDS.values())

_MESSAGES = (
    select(messages.c.status, messages.c.reason, func.count().label("number"))
    .where(
        or_(
            messages.c.settled_at == NOW,
            and_(messages.c.settled_at.is_(None), messages.c.not_before > NOW),
        )
    )
    .group_by(messages.c.status, messages.c.reason)
    .order_by(func.count().desc(), messages.c.status, messages.c.reason)
)
