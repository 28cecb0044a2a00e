"""Advancing a tenth of all enrollments through their next steps to a mail in the ledger, and nobody when none is due.

Half of those who are due end a wait of days; the other half a wait for a click, and take a branch by score and events.
The floor writes the same rows for another tenth. The loop does a sample of a third one, lead by lead through an ORM,
and is scaled to the tenth.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, registry

from bench.business import Business
from bench.cost import Meter, cost_of
from bench.people import (
    A_MINUTE,
    DUE,
    FIRST,
    FLOORS,
    LOOPS,
    RIPENS,
    SEQUENCE,
    agree,
    cursor_of,
    enroll,
    sql,
    version_of,
)
from bench.stores import Store
from bench.table import Row
from db import tables
from tasks.advance import advance
from tasks.context import Run

_SAMPLE = 1_000
_TIMES = 50


def measure(store: Store, business: Business, files: Path) -> Iterator[Row]:
    """Those who are due, against SQL by hand and against a loop; and a look at nobody."""
    _enroll(store)
    size = f"{business.leads // 10:,} of {business.leads:,}"
    ripen = cost_of(_advance, store, server=store.server)
    floor = cost_of(_by_hand, store, server=store.server)
    assert floor.result == business.leads // 10, floor.result
    # A few of Ripen's have gone before.
    floor_of_these = floor.part(ripen.result / floor.result)
    note = f"{ripen.cpu / ripen.result * 1e6:.0f} µs an enrollment"
    yield Row("advance who is due", size, ripen, floor_of_these, "UPDATE and INSERT..SELECT of the rows", 4.0, note)
    sample = cost_of(_one_by_one, store, server=store.server)
    loop = sample.part(ripen.result / sample.result)
    note = f"the loop costs {loop.cpu / ripen.cpu:.0f} times as much (at least 50); {sample.result:,} rows, scaled"
    yield Row("advance, against a loop over rows", size, ripen, loop, "ORM, one lead after the other", 1 / 50, note)
    quiet = cost_of(_nobody, store, server=store.server).each(_TIMES)
    look_up = cost_of(_look_up, store, server=store.server).each(_TIMES)
    note = f"{quiet.cpu * 1000:.2g} ms"
    yield Row("advance when nobody is due", f"{business.leads:,}", quiet, look_up, "indexed look-up", None, note)


def prepare(store: Store, business: Business, files: Path) -> None:
    """Three tenths have a mail in the ledger."""
    _enroll(store)
    cost_of(_advance, store)
    cost_of(_by_hand, store)
    cost_of(_advance, store, LOOPS)


def _enroll(store: Store) -> None:
    agree(store, "nurture")
    enroll(store)


def _advance(meter: Meter, store: Store, whose: int = RIPENS) -> int:
    context = store.context()
    advance(Run(context, FIRST + A_MINUTE))
    with meter:
        counts = advance(Run(context, DUE[whose] + A_MINUTE))
    return counts["messages_queued"]


def _nobody(meter: Meter, store: Store) -> None:
    run = Run(store.context(), DUE[LOOPS] + 2 * A_MINUTE)
    advance(run)
    with meter:
        for _ in range(_TIMES):
            advance(run)


def _look_up(meter: Meter, store: Store) -> None:
    query = "SELECT DISTINCT version_id, step_id FROM enrollments WHERE status = 'active' AND wake_at <= $now"
    with cursor_of(store) as cursor, meter:
        for _ in range(_TIMES):
            cursor.execute(sql(store, query, now=DUE[LOOPS]))
            cursor.fetchall()


def _by_hand(meter: Meter, store: Store) -> int:
    values: dict[str, Any] = {"sequence": SEQUENCE, "version": version_of(store, f"sequences/{SEQUENCE}")}
    values |= {"now": DUE[FLOORS] + A_MINUTE, "week": 7 * 86_400_000_000 if store.kind == "sqlite" else "7 days"}
    statements = [text if store.kind == "sqlite" else text.replace("$week", "interval $week") for text in _BY_HAND]
    with meter, cursor_of(store) as cursor:
        for text in statements:
            cursor.execute(sql(store, text, **values))
        return int(cursor.rowcount)


_BY_HAND = (
    """
    CREATE TEMP TABLE due AS
    SELECT e.id, e.lead_id, e.wake_at, e.step_id AS stands,
        CASE WHEN e.step_id = 'let-it-be-read' THEN 'case-study'
            WHEN s.interest >= 40 OR EXISTS (
                SELECT 1 FROM events v WHERE v.lead_id = e.lead_id
                AND v.type IN ('page.pricing_visited', 'content.spec_sheet_viewed')
                AND v.occurred_at >= e.entered_at AND NOT v.machine
            ) THEN 'spec-sheet' ELSE 'problem-guide' END AS goes,
        CASE WHEN e.step_id = 'let-it-be-read' THEN 'waited'
            WHEN EXISTS (
                SELECT 1 FROM events v WHERE v.lead_id = e.lead_id AND v.type = 'email.clicked'
                AND v.occurred_at >= e.happened_at AND NOT v.machine
            ) THEN 'event' ELSE 'timeout' END AS outcome
    FROM enrollments e LEFT JOIN scores s ON s.lead_id = e.lead_id
    WHERE e.version_id = $version AND e.status = 'active' AND e.wake_at <= $now
    """,
    """
    INSERT INTO executed_steps (enrollment_id, step_id, kind, version_id, outcome, detail, executed_at)
    SELECT id, stands, 'wait', $version, outcome, NULL, $now FROM due
    UNION ALL SELECT id, 'how-keen', 'branch', $version, 'way',
        CASE goes WHEN 'spec-sheet' THEN 'comparing' ELSE 'learning' END, $now
    FROM due WHERE stands = 'case-study-clicked'
    UNION ALL SELECT id, goes, 'email', $version, 'queued', NULL, $now FROM due
    """,
    """
    INSERT INTO messages
        (enrollment_id, step_id, lead_id, sequence, email, topic, marketing, version_id, priority, status,
         queued_at, due_at, expires_at)
    SELECT id, goes, lead_id, $sequence, 'wp-' || goes, 'nurture', true, $version, 50, 'queued',
        $now, wake_at, wake_at + $week
    FROM due
    """,
    """
    UPDATE enrollments
    SET step_id = d.goes, waiting_for = 'message', message_id = m.id, wake_at = NULL, waiting_since = NULL,
        happened_at = d.wake_at, moved_at = $now
    FROM due d JOIN messages m ON m.enrollment_id = d.id AND m.step_id = d.goes
    WHERE enrollments.id = d.id
    """,
)


def _one_by_one(meter: Meter, store: Store) -> int:
    """As somebody writes it who does not think in sets: load, ask, add, flush; committed every hundred leads."""
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
