"""What a person says of an event, a human's or a machine's: it stands above every other verdict, with its reason."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import Connection, insert, or_, select, update

from db import work
from db.derived import SOURCE as DERIVED
from db.tables import events, messages
from db.types import json_text
from db.verdicts import CLICKED, OPENED, PENDING, PERSON, SOURCE
from nurture.keys import event_tiebreak

# A judgement is itself a fact about the lead, kept for good; marked like a machine's, so that it counts for nothing.
JUDGED = "event.judged"
_JUDGE = "ripen:judge"


def judge(connection: Connection, event_id: int, verdict: str, reason: str | None, now: datetime) -> bool:
    """Put a person's verdict, `human` or `machine`, into force and let the next run look; False without such an event.

    A derived event has no verdict of its own: it follows the raw one.
    """
    event = events.c.id == event_id
    judged = update(events).where(event, events.c.source.not_in((DERIVED, _JUDGE)))
    lead = connection.execute(
        judged.values(machine=verdict == "machine", machine_by=PERSON).returning(events.c.lead_id)
    ).one_or_none()
    if lead is None:
        return False
    note_id = uuid4().hex
    connection.execute(
        insert(events).values(
            source=_JUDGE,
            source_event_id=note_id,
            lead_id=lead.lead_id,
            type=JUDGED,
            occurred_at=now,
            received_at=now,
            tiebreak=event_tiebreak(_JUDGE, note_id),
            properties={"event": event_id, "verdict": verdict, **({"reason": reason} if reason else {})},
            machine=True,
            machine_by=PERSON,
            silent=True,
        )
    )
    if lead.lead_id is not None:
        work.mark_ids(connection, "score", [int(lead.lead_id)], now)
    return True


def listing(connection: Connection, lead_id: int, limit: int) -> list[dict[str, Any]]:
    """The opens and clicks of a lead, and whatever else was doubted, newest first: by whom, and why."""
    said = {row.event: row for row in connection.execute(_SAID, {"lead": lead_id})}
    found = []
    for row in connection.execute(_EVENTS.limit(limit), {"lead": lead_id}):
        each = dict(row._mapping)
        by = each.pop("machine_by") or (SOURCE if each["machine"] else None)
        note = said.get(str(row.id)) if by == PERSON else None
        machine, pending = each.pop("machine"), by in PENDING
        each["verdict"] = "pending" if pending else "machine" if machine else "human"
        each["by"] = None if pending else by
        found.append({**each, "reason": note.reason if note else None, "judged_at": note.occurred_at if note else None})
    return found


_LEAD: sa.BindParameter[int] = sa.bindparam("lead", type_=sa.BigInteger())
_EVENTS = (
    select(
        events.c.id,
        events.c.type,
        events.c.occurred_at,
        events.c.source,
        events.c.message_id,
        messages.c.email,
        json_text(events.c.properties, sa.literal("url")).label("url"),
        json_text(events.c.properties, sa.literal("user_agent")).label("user_agent"),
        events.c.machine,
        events.c.machine_by,
    )
    .outerjoin(messages, messages.c.id == events.c.message_id)
    .where(
        events.c.lead_id == _LEAD,
        events.c.source.not_in((DERIVED, _JUDGE)),
        or_(events.c.type.in_((OPENED, CLICKED)), events.c.machine, events.c.machine_by.is_not(None)),
    )
    .order_by(events.c.occurred_at.desc(), events.c.tiebreak.desc())
)
# In the order in which they were said, so that the last one counts.
_SAID = (
    select(
        json_text(events.c.properties, sa.literal("event")).label("event"),
        json_text(events.c.properties, sa.literal("reason")).label("reason"),
        events.c.occurred_at,
    )
    .where(events.c.lead_id == _LEAD, events.c.source == _JUDGE)
    .order_by(events.c.id)
)
