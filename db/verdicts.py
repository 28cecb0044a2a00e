"""Who opened and clicked: people, or machines, whose activity is kept, flagged and worth nothing.

A person's verdict stands above what the source says, and that above the rules of events.yaml. What a rule says is a
pure function of the lead's events, their messages and the definitions, so the order of arrival does not matter.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, FromClause, and_, case, func, literal, or_, select, update

from db import work
from db.conditions import NOW
from db.machine_rules import CLICKED, OPENED, PERSON, RULES, may_speak_of_nothing, tests_of, told_of
from db.subqueries import value_of
from db.tables import events
from db.types import is_empty, plus_seconds
from nurture.definitions.machines import Machines

# Who else gave the verdict in `events.machine_by`.
SOURCE = "source"
# An open or click that has just come counts for nothing: unjudged until the next rescore, settling until that much time
# has passed since it was received, in which a scanner that follows more links gives itself away.
UNJUDGED, SETTLING = "unjudged", "settling"
PENDING = (UNJUDGED, SETTLING)
BATCH: sa.BindParameter[str] = sa.bindparam("batch", type_=sa.String())


class VerdictPlan:
    """The statement that judges opens and clicks, built once per set of definitions."""

    def __init__(self, machines: Machines) -> None:
        self.statement = _judge(machines, work.leads_of(BATCH, "score"))

    def judge(self, connection: Connection, batch: str, now: datetime) -> int:
        """Bring the verdicts on a claimed batch of leads up to date; returns how many events changed sides.

        What has not settled by `now` is left as it is; `settles_at` says when to come back.
        """
        return connection.execute(self.statement, {"batch": batch, "now": now}).rowcount


def left_to_rules(event: FromClause) -> Any:
    """Neither a person nor the source has spoken; before verdicts had names, a flag without one was the source's."""
    nobody = and_(event.c.machine_by.is_(None), event.c.machine.is_(False))
    return or_(nobody, event.c.machine_by.in_((*RULES, *PENDING)))


def first_verdict(kind: str, machine: bool, *, silent: bool, settles: bool = False) -> tuple[bool, str | None]:
    """The columns `machine` and `machine_by` of an event that is being stored.

    Nothing may react to a machine's click before it is judged; history that is imported makes nothing happen anyway.
    """
    if machine:
        return True, SOURCE
    if kind in (OPENED, CLICKED) and not silent:
        return True, SETTLING if settles else UNJUDGED
    return False, None


def has_to_settle(
    machines: Machines, message_id: int | None, occurred_at: datetime, now: datetime, *, pulled: bool
) -> bool:
    """Whether more may come that says who did it, before an event received `now` is judged.

    Only other visits to the same mail can tell more. What we fetched from a source that kept it for us for so long has
    settled there: the rest of it came with it.
    """
    if machines.settle is None or message_id is None:
        return False
    return not pulled or occurred_at + machines.settle.total > now


def settling(lead_id: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    """What makes an event one of a lead's that has to settle; the first three stand in the index of points."""
    return [
        events.c.lead_id == lead_id,
        events.c.type.in_((OPENED, CLICKED)),
        events.c.machine.is_(True),
        events.c.machine_by == SETTLING,
    ]


def settles_at(machines: Machines, lead_id: ColumnElement[Any]) -> ColumnElement[datetime | None]:
    """When the first of a lead's events that have to settle can be judged; NULL when there are none."""
    settle = machines.settle.total if machines.settle is not None else timedelta(0)
    first = func.min(events.c.received_at)
    return value_of(events, plus_seconds(first, literal(settle.total_seconds())), *settling(lead_id))


def _judge(machines: Machines, whom: Any) -> Any:
    judged = events.alias("judged")
    wanted = [judged.c.lead_id.in_(whom), judged.c.type.in_((OPENED, CLICKED)), left_to_rules(judged)]
    if machines.settle is not None:
        settled = judged.c.received_at <= plus_seconds(NOW, literal(-machines.settle.seconds))
        wanted.append(or_(judged.c.machine_by.is_distinct_from(SETTLING), settled))
    if not may_speak_of_nothing(machines):
        # An open of which nothing more is known than that it happened is nobody's but a person's.
        known = is_empty(judged.c.properties).is_(False)
        wanted.append(or_(known, judged.c.message_id.is_not(None), judged.c.machine_by.is_not(None)))
    names = ("id", "lead_id", "type", "occurred_at", "message_id", "properties")
    # Kept, so that the user agent is read out of the properties once, and not anew for each name that it may hold.
    event = (
        select(*(judged.c[name] for name in names), *told_of(judged))
        .where(*wanted)
        .cte("doubted")
        .prefix_with("MATERIALIZED")
    )
    tests = tests_of(machines, event, whom)
    rule: Any = case(*[(test, literal(name)) for name, test in tests], else_=None) if tests else sa.null()
    verdicts = select(event.c.id, sa.cast(rule, events.c.machine_by.type).label("rule")).subquery()
    return (
        update(events)
        # A person may have spoken while the statement waited for the row.
        .where(events.c.id == verdicts.c.id, left_to_rules(events))
        .where(events.c.machine_by.is_distinct_from(verdicts.c.rule))
        .values(machine=verdicts.c.rule.is_not(None), machine_by=verdicts.c.rule)
    )


__all__ = [
    "CLICKED",
    "OPENED",
    "PENDING",
    "PERSON",
    "RULES",
    "SETTLING",
    "SOURCE",
    "UNJUDGED",
    "VerdictPlan",
    "first_verdict",
    "has_to_settle",
    "left_to_rules",
    "settles_at",
    "settling",
]
