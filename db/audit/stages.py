"""Stages: a lead stands where its last transition took it, and each transition begins where the one before ended."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, literal, not_, or_, select, update

from db.audit.check import Check, Done, Scene
from db.subqueries import there_is
from db.tables import leads, sales_task_leads, stage_transitions
from nurture.conditions import STAGE_RANK


def _last(column: str) -> Any:
    return (
        select(stage_transitions.c[column])
        .where(stage_transitions.c.lead_id == leads.c.id)
        .order_by(stage_transitions.c.id.desc())
        .limit(1)
        .correlate(leads)
        .scalar_subquery()
    )


def _elsewhere(connection: Connection, scene: Scene) -> Select[Any]:
    return select(leads.c.id).where(
        leads.c.merged_into_id.is_(None), leads.c.stage != func.coalesce(_last("to_stage"), "lead")
    )


def _follow(connection: Connection, scene: Scene) -> Done:
    back = update(leads).where(leads.c.id.in_(_elsewhere(connection, scene)))
    values = {"stage": func.coalesce(_last("to_stage"), "lead"), "stage_since": _last("effective_at")}
    return [("set to where the last transition led", connection.execute(back.values(values)).rowcount)]


def _broken_chain(connection: Connection, scene: Scene) -> Select[Any]:
    """A jump, or an automatic move that does not go forward; who took in another lead has two histories in one."""
    before = func.lag(stage_transitions.c.to_stage).over(
        partition_by=stage_transitions.c.lead_id, order_by=stage_transitions.c.id
    )
    moves = select(stage_transitions, func.coalesce(before, "lead").label("before")).subquery()
    rank = {name: case(STAGE_RANK, value=moves.c[name], else_=-1) for name in ("from_stage", "to_stage")}
    backward = and_(moves.c.cause.in_(("event", "score")), rank["to_stage"] <= rank["from_stage"])
    merged = there_is(leads, leads.c.merged_into_id == moves.c.lead_id)
    return select(moves.c.lead_id).where(or_(moves.c.from_stage != moves.c.before, backward), not_(merged)).distinct()


def _sql_without_task(connection: Connection, scene: Scene) -> Select[Any]:
    qualified = there_is(
        stage_transitions,
        stage_transitions.c.lead_id == leads.c.id,
        stage_transitions.c.to_stage == "sql",
        stage_transitions.c.silent.is_(False),
    )
    return select(leads.c.id).where(
        leads.c.stage == literal("sql"),
        leads.c.merged_into_id.is_(None),
        leads.c.erased_at.is_(None),
        qualified,
        not_(there_is(sales_task_leads, sales_task_leads.c.lead_id == leads.c.id)),
    )


CHECKS: tuple[Check, ...] = (
    Check(
        "stages",
        "a lead's stage is that of its last transition",
        "`ripen explain` the lead and compare",
        _elsewhere,
        _follow,
    ),
    Check(
        "transition-chain",
        "each transition begins where the one before ended, and automatic ones go forward",
        "transitions are never rewritten: `ripen explain` the lead, and report it as a fault",
        _broken_chain,
    ),
    Check(
        "sql-has-task",
        "every lead that qualified has been given to sales",
        "give the lead to sales by hand today; its next demo request or meeting opens a task by itself",
        _sql_without_task,
    ),
)
