"""Who enters a sequence, who leaves it, and whose awaited event came; looked at for leads that changed.

Entry is on the edge: a mark remembers for whom the condition holds, and only those without a mark enter.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Select, and_, case, delete, func, literal, not_, or_, select, update

from db import sequences, work
from db.conditions import NOW, Scope, compile_condition
from db.derived import SOURCE as DERIVED
from db.holds import CAN_BE_HELD, HOLDOUT, IN_SALES_HANDS, NOT_HELD, held
from db.sales_tasks import has_open_task
from db.shares import held_out
from db.statistics import grown
from db.subqueries import there_is, value_of
from db.tables import enrollments, entry_marks, events, identities, leads, stage_transitions, work_queue
from db.types import UTCDateTime, plus_seconds
from nurture.conditions import Condition, Did
from nurture.definitions.bundle import Bundle
from nurture.definitions.sequences import BECAME_CUSTOMER, Sequence

BATCH: sa.BindParameter[str] = sa.bindparam("batch", type_=sa.String())
VERSION: sa.BindParameter[int] = sa.bindparam("version", type_=sa.BigInteger())
_ENTER = [
    "sequence",
    "lead_id",
    "version_id",
    "pinned",
    "status",
    "step_id",
    "waiting_for",
    "wake_at",
    "happened_at",
    "reason",
    "holdout",
    "held_since",
    "entered_at",
    "moved_at",
]


class EntryPlan:
    """The statements of one sequence for the leads of a batch (or, for what time alone changes, for everybody)."""

    def __init__(self, name: str, sequence: Sequence, bundle: Bundle) -> None:
        self.name = name
        self.sequence = sequence
        self.scope = Scope(bundle.fields)
        self.everybody = _Statements(self, everybody(), silent=literal(False))
        self.without_entering = _Statements(self, everybody(), silent=literal(True))
        self.batch = _Statements(self, work.leads_of(BATCH, "entry"), silent=_SILENT)
        self.given_back = _given_back(name, sequence, bundle)

    def enter(self, connection: Connection, batch: str | None, now: datetime, version: int) -> dict[str, int]:
        """Take note of who fulfils the entry condition now, and enroll those for whom it has just become true."""
        edges = self._mark(connection, batch, now, now - _A_SECOND)
        values = {"now": now, "batch": batch, "version": version}
        entered = 0
        ways = [self.everybody.enter if batch is None else self.batch.enter] if edges else []
        if batch is not None and self.given_back is not None:
            ways.append(self.given_back)
        for rows in ways:
            insert = work.insert_for(connection)(enrollments).from_select(_ENTER, rows)
            entered += max(connection.execute(insert.on_conflict_do_nothing(), values).rowcount, 0)
        grown(connection, edges, entry_marks, enrollments)
        return {"edges": edges, "entered": entered}

    def pass_by(self, connection: Connection, batch: str | None, now: datetime) -> None:
        """Take note of the edges while nobody enters; those of a hold are looked at again when it ends."""
        since = sequences.held_since(connection, self.name)
        self._mark(connection, batch, now, (since or now) - _A_SECOND)

    def _mark(self, connection: Connection, batch: str | None, now: datetime, before: datetime) -> int:
        statements = self.everybody if batch is None else self.batch
        values = {"now": now, "batch": batch, "before": before}
        connection.execute(statements.fall, values)
        rise = work.insert_for(connection)(entry_marks).from_select(["sequence", "lead_id", "since"], statements.rise)
        return connection.execute(rise.on_conflict_do_nothing(), values).rowcount


_SILENT = leads.c.id.in_(work.leads_of(BATCH, "entry").where(work_queue.c.silent.is_(True)))
# What held before, without being an edge, held at least a second ago; during a hold, before it.
_A_SECOND = timedelta(seconds=1)
_BEFORE: sa.BindParameter[datetime] = sa.bindparam("before", type_=UTCDateTime())


def everybody() -> Select[Any]:
    """The ids of all leads, without those who have become part of another or were erased."""
    return select(leads.c.id).where(leads.c.merged_into_id.is_(None), leads.c.erased_at.is_(None))


class _Statements:
    """Fall, rise and enter for one choice of leads."""

    def __init__(self, plan: EntryPlan, whom: Select[Any], silent: Any) -> None:
        name, entry = plan.name, plan.sequence.entry
        here = leads.c.merged_into_id.is_(None), leads.c.erased_at.is_(None)
        holds = [*here, compile_condition(entry.when, plan.scope)]
        still = there_is(leads, leads.c.id == entry_marks.c.lead_id, *holds)
        self.fall = delete(entry_marks).where(
            entry_marks.c.sequence == name, entry_marks.c.lead_id.in_(whom), not_(still)
        )
        marked = there_is(entry_marks, entry_marks.c.sequence == name, entry_marks.c.lead_id == leads.c.id)
        inherited = _without_news(plan, entry.when)
        self.rise = select(literal(name), leads.c.id, case((silent, _BEFORE), (inherited, _BEFORE), else_=NOW)).where(
            leads.c.id.in_(whom), not_(marked), *holds
        )
        edge = [entry_marks.c.sequence == name, entry_marks.c.since == NOW, entry_marks.c.lead_id.in_(whom)]
        self.enter = _enter(name, plan.sequence, entry_marks.c.lead_id, edge)


def _waiting_since(lead_id: Any) -> Any:
    mine = (work_queue.c.queue == "entry", work_queue.c.lead_id == lead_id)
    return value_of(work_queue, work_queue.c.marked_at, *mine)


def _without_news(plan: EntryPlan, condition: Condition) -> Any:
    """Whether imported or inherited events alone have made the condition true: it would hold without the news, too.

    News is what was received since the lead was last looked at, without imported history, and without the anonymous
    activity that has found its lead since then.
    """
    since = _waiting_since(events.c.lead_id)
    linked = there_is(
        identities,
        identities.c.id == events.c.identity_id,
        identities.c.created_at >= since,
        or_(events.c.source == DERIVED, events.c.received_at <= identities.c.created_at),
    )
    fresh = events.c.received_at >= since
    news = and_(events.c.silent.is_(False), fresh, not_(linked))
    of_lead = events.c.lead_id == leads.c.id
    scored = there_is(events, of_lead, news)
    cause = there_is(events, events.c.id == stage_transitions.c.event_id, news)
    moved = there_is(
        stage_transitions,
        stage_transitions.c.lead_id == leads.c.id,
        stage_transitions.c.recorded_at >= _waiting_since(leads.c.id),
        or_(cause, and_(stage_transitions.c.event_id.is_(None), scored)),
    )
    quiet = there_is(events, of_lead, or_(and_(events.c.silent, fresh), linked))
    scope = replace(plan.scope, happened=not_(news), scored=scored, moved=moved)
    return and_(quiet, compile_condition(condition, scope))


def _enter(name: str, sequence: Sequence, lead_id: Any, edge: list[Any]) -> Select[Any]:
    earlier = enrollments.alias()
    before = and_(earlier.c.sequence == name, earlier.c.lead_id == lead_id)
    if sequence.entry.reentry.after is None:
        blocked: Any = there_is(earlier, before)
    else:
        pause = literal(sequence.entry.reentry.after.seconds)
        blocked = there_is(
            earlier, before, or_(earlier.c.ended_at.is_(None), plus_seconds(earlier.c.ended_at, pause) > NOW)
        )
    # The held-out stand aside: the same goal and exits, no steps.
    out = held_out(sequence, lead_id) if sequence.holdout else sa.false()
    return select(
        literal(name),
        lead_id,
        VERSION,
        literal(False),
        literal("active"),
        literal(sequence.steps[0].id),
        case((out, "hold"), else_="wake"),
        case((not_(out), NOW)),
        NOW,
        case((out, HOLDOUT)),
        case((out, sa.true()), else_=sa.false()),
        case((out, NOW)),
        NOW,
        NOW,
    ).where(*edge, not_(blocked), not_(has_open_task(lead_id)))


def _given_back(name: str, sequence: Sequence, bundle: Bundle) -> Select[Any] | None:
    """Those of a batch whom sales gave back for a reason that sends them to this sequence, whatever its entry says."""
    reasons = [reason for reason, each in bundle.lifecycle.recycle.reasons.items() if each.sequence == name]
    if not reasons:
        return None
    back = stage_transitions
    since_the_last_look = [
        back.c.lead_id.in_(work.leads_of(BATCH, "entry")),
        back.c.cause == "recycle",
        back.c.reason.in_(reasons),
        back.c.silent.is_(False),
        back.c.recorded_at >= _waiting_since(back.c.lead_id),
    ]
    return _enter(name, sequence, back.c.lead_id, since_the_last_look)


def mark_without_entering(connection: Connection, plan: EntryPlan, now: datetime) -> int:
    """On publish: those who fulfil the condition already do not enter; only later edges do."""
    return _mark_as_before(connection, plan.name, plan.without_entering, now)


def _mark_as_before(connection: Connection, name: str, statements: _Statements, now: datetime) -> int:
    since = sequences.held_since(connection, name)
    return connection.execute(
        work.insert_for(connection)(entry_marks)
        .from_select(["sequence", "lead_id", "since"], statements.rise)
        .on_conflict_do_nothing(),
        {"now": now, "before": (since or now) - _A_SECOND},
    ).rowcount


def holds_for(connection: Connection, plan: EntryPlan, lead_id: int, now: datetime) -> bool:
    """Whether the entry condition holds for one lead."""
    query = select(leads.c.id).where(leads.c.id == lead_id, compile_condition(plan.sequence.entry.when, plan.scope))
    return connection.execute(query, {"now": now}).first() is not None


def mark_lead_without_entering(connection: Connection, plan: EntryPlan, lead_id: int, now: datetime) -> None:
    """On a merge: what holds because of inherited events is no edge, now or later."""
    mine = _Statements(plan, select(leads.c.id).where(leads.c.id == lead_id), silent=literal(True))
    _mark_as_before(connection, plan.name, mine, now)


def forget_marks(connection: Connection, sequence: str) -> None:
    """On publish of a changed entry condition: take the marks anew."""
    connection.execute(delete(entry_marks).where(entry_marks.c.sequence == sequence))


def leave_statements(
    version_id: int, sequence: Sequence, scope: Scope, whom: Any, known_events: Container[str]
) -> list[tuple[str, Any]]:
    """Goal first, then exits in their order, then sales; each ends (or pauses) the enrollments for which it holds."""
    mine = [enrollments.c.version_id == version_id, enrollments.c.status == "active", whom]
    scope = scope.since(enrollments.c.entered_at)

    def end(status: str, reason: str, condition: Any) -> Any:
        return update(enrollments).where(*mine, condition).values(ended(status, reason))

    def of(condition: Condition) -> Any:
        return there_is(leads, leads.c.id == enrollments.c.lead_id, compile_condition(since_entry(condition), scope))

    statements = []
    if sequence.goal is not None:
        statements.append(("left:goal", end("goal", "goal", of(sequence.goal))))
    for each in sequence.all_exits(known_events):
        statements.append((f"left:{each.reason}", end("exited", each.reason, of(each.when))))
    if BECAME_CUSTOMER not in sequence.stay_after:
        statements.append((f"left:{BECAME_CUSTOMER}", end("exited", BECAME_CUSTOMER, _bought_since_entry())))
    in_hands = has_open_task(enrollments.c.lead_id)
    if sequence.in_sales_hands == "leave":
        statements.append((f"left:{IN_SALES_HANDS}", end("exited", IN_SALES_HANDS, in_hands)))
    else:
        paused = update(enrollments).where(*mine, CAN_BE_HELD, in_hands).values(held(IN_SALES_HANDS))
        statements.append((f"held:{IN_SALES_HANDS}", paused))
    return statements


def _bought_since_entry() -> Any:
    return there_is(
        stage_transitions,
        stage_transitions.c.lead_id == enrollments.c.lead_id,
        stage_transitions.c.to_stage == "customer",
        stage_transitions.c.recorded_at > enrollments.c.entered_at,
    )


def ended(status: str, reason: Any) -> dict[str, Any]:
    """The columns of an enrollment that is over."""
    return {
        "status": status,
        "reason": reason,
        "waiting_for": None,
        "wake_at": None,
        "waiting_since": None,
        "message_id": None,
        **NOT_HELD,
        "moved_at": NOW,
        "ended_at": NOW,
    }


def since_entry(condition: Condition) -> Condition:
    """In goals and exits an event counts from the entry on, unless a period is given: an old reply ends nothing."""
    match condition:
        case Did() if condition.did.within is None and not condition.did.since_entry:
            return condition.model_copy(update={"did": condition.did.model_copy(update={"since_entry": True})})
    updates: dict[str, Any] = {}
    for part in ("all", "any"):
        if hasattr(condition, part):
            updates[part] = [since_entry(each) for each in getattr(condition, part)]
    if hasattr(condition, "not_"):
        updates["not_"] = since_entry(condition.not_)
    return condition.model_copy(update=updates) if updates else condition


def stop_all(connection: Connection, sequence: str, reason: str, now: datetime, *, also_pinned: bool = True) -> int:
    """Everybody leaves, with that reason."""
    mine = [enrollments.c.sequence == sequence, enrollments.c.status == "active"]
    if not also_pinned:
        mine.append(enrollments.c.pinned.is_(False))
    return connection.execute(
        update(enrollments).where(*mine).values(ended("exited", reason)),
        {"now": now},
    ).rowcount


def counts_by_sequence(connection: Connection) -> Mapping[str, dict[str, int]]:
    """How many enrollments each sequence has, by state."""
    found: dict[str, dict[str, int]] = {}
    rows = connection.execute(
        select(enrollments.c.sequence, enrollments.c.status, func.count()).group_by(
            enrollments.c.sequence, enrollments.c.status
        )
    )
    for sequence, status, count in rows:
        found.setdefault(str(sequence), {})[str(status)] = int(count)
    return found


__all__ = [
    "EntryPlan",
    "counts_by_sequence",
    "ended",
    "everybody",
    "forget_marks",
    "holds_for",
    "leave_statements",
    "mark_lead_without_entering",
    "mark_without_entering",
    "since_entry",
    "stop_all",
]
