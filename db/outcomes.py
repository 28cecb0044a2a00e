"""Read models of what came of it: how fast sales was, what it answered, which source brought leads and buyers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, and_, case, distinct, func, select

from db.tables import events, leads, sales_tasks, stage_transitions
from db.types import epoch_seconds, json_text

_HOURS = 3600.0
# How long it took, in hours, and up to where each bar goes; the last one is open. A deal takes weeks, the rest hours.
SPEED_BINS = (1.0, 4.0, 8.0, 24.0, 72.0, 168.0)
DEAL_BINS = (72.0, 168.0, 336.0, 720.0, 1440.0)


def speed_to_lead(connection: Connection) -> dict[str, dict[str, Any]]:
    """From qualified to opened, to accepted and to won: how many tasks, the median in hours, and bins in hours."""
    clocks = {
        "opened": sales_tasks.c.opened_at,
        "accepted": sales_tasks.c.accepted_at,
        "won": case((sales_tasks.c.status == "won", sales_tasks.c.closed_at)),
    }
    return {
        name: _clock(connection, instant, DEAL_BINS if name == "won" else SPEED_BINS)
        for name, instant in clocks.items()
    }


def _clock(connection: Connection, until: Any, limits: tuple[float, ...]) -> dict[str, Any]:
    hours = (epoch_seconds(until) - epoch_seconds(sales_tasks.c.qualified_at)) / _HOURS
    taken = (
        select(hours.label("hours"))
        .where(sales_tasks.c.kind == "sql", sales_tasks.c.qualified_at.is_not(None), until.is_not(None))
        .subquery()
    )
    bounds = [(taken.c.hours <= bound, place) for place, bound in enumerate(limits)]
    place = case(*bounds, else_=len(limits)).label("place")
    rows = connection.execute(select(place, func.count()).select_from(taken).group_by(sa.text("place")))
    found = {int(number): int(count) for number, count in rows}
    bins = [
        {"hours": limits[number] if number < len(limits) else None, "tasks": found.get(number, 0)}
        for number in range(len(limits) + 1)
    ]
    return {"tasks": sum(found.values()), "median_hours": _median(connection, taken), "bins": bins}


def _median(connection: Connection, taken: Any) -> float | None:
    """The middle value, or the mean of the two in the middle; SQLite knows no percentiles."""
    place = func.row_number().over(order_by=taken.c.hours).label("place")
    placed = select(taken.c.hours, place, func.count().over().label("of")).subquery()
    middle = select(func.avg(placed.c.hours)).where(
        placed.c.place * 2 >= placed.c.of, placed.c.place * 2 <= placed.c.of + 2
    )
    value = connection.execute(middle).scalar()
    return None if value is None else float(value)


def tasks_by_source(connection: Connection) -> list[dict[str, Any]]:
    """Sales tasks per source of the lead: how many, and how many stand in each state or were escalated."""
    return _tasks(connection, func.coalesce(leads.c.source, "unknown").label("source"))


def tasks_by_reason(connection: Connection) -> list[dict[str, Any]]:
    """The same per reason for which the task was opened: the event or the threshold that made the lead an SQL."""
    return _tasks(connection, func.coalesce(sales_tasks.c.reason, "unknown").label("reason"))


def _tasks(connection: Connection, group: Any) -> list[dict[str, Any]]:
    def times(condition: Any) -> Any:
        return func.sum(case((condition, 1), else_=0))

    states = {name: times(sales_tasks.c.status == name) for name in ("open", "accepted", "rejected", "won", "lost")}
    rows = connection.execute(
        select(
            group,
            func.count().label("tasks"),
            *(column.label(name) for name, column in states.items()),
            times(sales_tasks.c.escalated_at.is_not(None)).label("escalated"),
        )
        .select_from(sales_tasks.join(leads, leads.c.id == sales_tasks.c.lead_id))
        .where(sales_tasks.c.kind == "sql")
        .group_by(sa.text(group.name))
        .order_by(sa.text("tasks DESC"), sa.text(group.name))
    )
    return [{key: value if key == group.name else int(value) for key, value in row._mapping.items()} for row in rows]


def refusals_by_reason(connection: Connection) -> list[dict[str, Any]]:
    """Why sales gave leads back or lost the deal, most first."""
    reason = func.coalesce(json_text(events.c.properties, sa.literal("reason")), "not said").label("reason")
    number = func.count().label("times")
    rows = connection.execute(
        select(events.c.type, reason, number)
        .where(events.c.type.in_(("sales.rejected", "deal.lost")), events.c.lead_id.is_not(None))
        .group_by(events.c.type, sa.text("reason"))
        .order_by(number.desc(), sa.text("reason"))
    )
    return [dict(row._mapping) for row in rows]


def attribution_by_source(connection: Connection) -> list[dict[str, Any]]:
    """Per source of first contact: how many leads, and how many of them ever became MQL, SQL and customer."""
    reached = (
        select(
            stage_transitions.c.lead_id,
            *(
                func.max(case((stage_transitions.c.to_stage == stage, 1), else_=0)).label(stage)
                for stage in ("mql", "sql", "customer")
            ),
        )
        .group_by(stage_transitions.c.lead_id)
        .subquery()
    )

    def sum_of(*stages: str) -> Any:
        """Who skipped a stage has passed it too."""
        return func.sum(case((sa.or_(*(reached.c[stage] == 1 for stage in stages)), 1), else_=0))

    source = func.coalesce(leads.c.source, "unknown").label("source")
    rows = connection.execute(
        select(
            source,
            func.count().label("leads"),
            sum_of("mql", "sql", "customer").label("mql"),
            sum_of("sql", "customer").label("sql"),
            sum_of("customer").label("customer"),
        )
        .select_from(leads.outerjoin(reached, reached.c.lead_id == leads.c.id))
        .where(leads.c.merged_into_id.is_(None), leads.c.erased_at.is_(None))
        .group_by(sa.text("source"))
        .order_by(sa.text("leads DESC"), sa.text("source"))
    )
    return [{key: value if key == "source" else int(value) for key, value in row._mapping.items()} for row in rows]


def qualified_by_event(connection: Connection) -> list[dict[str, Any]]:
    """What made leads MQL and SQL: the type of the conversion event, or the rule when points did it."""
    # The event of an erased person is gone, and its rule says as much as may be said.
    kind = func.coalesce(events.c.type, stage_transitions.c.rule)
    cause = case((stage_transitions.c.cause == "event", kind), else_=stage_transitions.c.rule).label("made_by")
    number = func.count(distinct(stage_transitions.c.lead_id)).label("leads")
    rows = connection.execute(
        select(stage_transitions.c.to_stage.label("stage"), cause, number)
        .select_from(stage_transitions.outerjoin(events, events.c.id == stage_transitions.c.event_id))
        .where(and_(stage_transitions.c.to_stage.in_(("mql", "sql")), stage_transitions.c.cause != "recycle"))
        .group_by(stage_transitions.c.to_stage, sa.text("made_by"))
        .order_by(stage_transitions.c.to_stage, number.desc(), sa.text("made_by"))
    )
    return [dict(row._mapping) for row in rows]


__all__ = [
    "DEAL_BINS",
    "SPEED_BINS",
    "attribution_by_source",
    "qualified_by_event",
    "refusals_by_reason",
    "speed_to_lead",
    "tasks_by_reason",
    "tasks_by_source",
]
