"""Read models of experiments: what each variant led to, and how those who got mails did beside the held-out."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, case, func, select

from db.reports import ANSWERS
from db.tables import enrollments, events, messages

_SENT = ("accepted", "unknown")


def by_variant(connection: Connection) -> list[dict[str, Any]]:
    """Per sequence, step and variant: messages sent, goals reached by their readers, and answers of people by kind."""
    columns = (messages.c.sequence, messages.c.step_id, messages.c.variant)
    rows = connection.execute(
        select(
            *columns,
            func.count().label("sent"),
            func.sum(case((enrollments.c.status == "goal", 1), else_=0)).label("goals"),
        )
        .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
        .where(messages.c.variant.is_not(None), messages.c.status.in_(_SENT))
        .group_by(*columns)
        .order_by(*columns)
    )
    found = {
        (row.sequence, row.step_id, row.variant): {
            "sequence": row.sequence,
            "step": row.step_id,
            "variant": row.variant,
            "sent": int(row.sent),
            "goals": int(row.goals),
            **dict.fromkeys(ANSWERS.values(), 0),
        }
        for row in rows
    }
    answers = connection.execute(
        select(*columns, events.c.type, func.count(events.c.message_id.distinct()).label("messages"))
        .join(messages, messages.c.id == events.c.message_id)
        .where(messages.c.variant.is_not(None), events.c.type.in_(list(ANSWERS)), events.c.machine.is_(False))
        .group_by(*columns, events.c.type)
    )
    for row in answers:
        if (row.sequence, row.step_id, row.variant) in found:
            found[row.sequence, row.step_id, row.variant][ANSWERS[row.type]] = int(row.messages)
    return list(found.values())


def holdouts(connection: Connection) -> dict[str, dict[str, dict[str, int]]]:
    """Per sequence that holds somebody out: how many entered and reached the goal, held out and not."""
    goal = func.sum(case((enrollments.c.status == "goal", 1), else_=0)).label("goals")
    rows = connection.execute(
        select(enrollments.c.sequence, enrollments.c.holdout, func.count().label("entered"), goal).group_by(
            enrollments.c.sequence, enrollments.c.holdout
        )
    )
    found: dict[str, dict[str, dict[str, int]]] = {}
    for row in rows:
        group = "held_out" if row.holdout else "others"
        found.setdefault(row.sequence, {})[group] = {"entered": int(row.entered), "goals": int(row.goals)}
    return {
        name: {"others": {"entered": 0, "goals": 0}, **groups} for name, groups in found.items() if "held_out" in groups
    }
