"""Advancing a tenth of all enrollments through their next steps to a mail in the ledger, and nobody when none is due.

Half of those who are due end a wait of days; the other half a wait for a click, and take a branch by score and events.
The floor writes the same rows for another tenth. The loop does a sample of a third one, lead by lead through an ORM,
and is scaled to the tenth.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.business import Business
from bench.cost import Meter, cost_of
from bench.one_by_one import one_by_one
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
from tasks.advance import advance
from tasks.context import Run

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
    sample = cost_of(one_by_one, store, server=store.server)
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
