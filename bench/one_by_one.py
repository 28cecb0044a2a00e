"""Advancing enrollments as somebody writes it who does not think in sets: load, ask, add, flush, lead by lead."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, registry

from bench.cost import Meter
from bench.people import A_MINUTE, DUE, LOOPS
from bench.stores import Store
from db import tables

_SAMPLE = 1_000


def one_by_one(meter: Meter, store: Store) -> int:
    """Take on a sample of the share of the loop, committed every hundred leads; returns how many."""
    types: dict[str, Any] = {}
    for table in (tables.enrollments, tables.executed_steps, tables.messages, tables.leads, tables.scores):
        types[table.name] = type(table.name, (), {})
        keys = [table.c.enrollment_id, table.c.step_id] if table is tables.executed_steps else list(table.primary_key)
        registry().map_imperatively(types[table.name], table, primary_key=keys)
    enrollments, events, now = types["enrollments"], tables.events.c, DUE[LOOPS] + A_MINUTE
    due = (enrollments.status == "active", enrollments.wake_at <= now)
    with Session(store.context().database.engine) as session:
        ids = session.scalars(sa.select(enrollments.id).where(*due).order_by(enrollments.id).limit(_SAMPLE)).all()
        session.commit()
        with meter:
            for number, id_ in enumerate(ids):
                _take_on(session, types, session.get_one(enrollments, id_), events, now)
                if number % 100 == 99:
                    session.commit()
                    session.expunge_all()
            session.commit()
    return len(ids)


def _take_on(session: Session, types: dict[str, Any], one: Any, events: Any, now: Any) -> None:
    def ran(step: str, kind: str, outcome: str, detail: str | None = None) -> None:
        row = types["executed_steps"]()
        row.enrollment_id, row.step_id, row.kind, row.version_id = one.id, step, kind, one.version_id
        row.outcome, row.detail, row.executed_at = outcome, detail, now
        session.add(row)

    def did(types_of: tuple[str, ...], since: Any) -> bool:
        mine = (events.lead_id == one.lead_id, events.type.in_(types_of), events.occurred_at >= since)
        return session.execute(sa.select(events.id).where(*mine).limit(1)).first() is not None

    lead = session.get_one(types["leads"], one.lead_id)
    score = session.get(types["scores"], one.lead_id)
    goes = "case-study"
    if lead.stage in ("sql", "customer"):
        one.status, one.reason, one.ended_at = "goal", "goal", now
    if one.step_id == "let-it-be-read":
        ran(one.step_id, "wait", "waited")
    else:
        ran(one.step_id, "wait", "event" if did(("email.clicked",), one.happened_at) else "timeout")
        keen = (score is not None and score.interest >= 40) or did(("page.pricing_visited",), one.entered_at)
        ran("how-keen", "branch", "way", "comparing" if keen else "learning")
        goes = "spec-sheet" if keen else "problem-guide"
    ran(goes, "email", "queued")
    mail = types["messages"]()
    mail.enrollment_id, mail.step_id, mail.lead_id, mail.sequence = one.id, goes, one.lead_id, one.sequence
    mail.email, mail.topic, mail.marketing, mail.version_id = f"wp-{goes}", "nurture", True, one.version_id
    mail.priority, mail.status, mail.queued_at, mail.due_at = 50, "queued", now, one.wake_at
    session.add(mail)
    session.flush()
    one.step_id, one.waiting_for, one.message_id, one.wake_at = goes, "message", mail.id, None
    one.waiting_since, one.happened_at, one.moved_at = None, mail.due_at, now
    session.flush()
