"""Who opened and clicked: people, or machines, whose activity is kept, flagged and worth nothing.

A person's verdict stands above what the source says, and that above the rules of events.yaml. What a rule says is a
pure function of the lead's events, their messages and the definitions, so the order of arrival does not matter.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, FromClause, and_, case, func, literal, or_, select, update

from db import work
from db.conditions import event_matches
from db.subqueries import ConstantRows, there_is
from db.tables import events, messages
from db.types import ascii_lower, is_empty, json_text, plus_seconds, position_of
from nurture.definitions.machines import EveryLink, Machines, PrivacyOpens
from nurture.durations import Duration

OPENED, CLICKED, DELIVERED = "email.opened", "email.clicked", "email.delivered"
# Who or what gave the verdict in `events.machine_by`.
PERSON, SOURCE = "person", "source"
# An open or click that has just come counts for nothing until the next rescore has judged it.
UNJUDGED = "unjudged"
# The rules, in the order in which they are named when several hold.
PREFETCHER, PRIVACY_OPEN, TOO_FAST, EVERY_LINK = "prefetcher", "privacy-open", "too-fast", "every-link"
RULES = (PREFETCHER, PRIVACY_OPEN, TOO_FAST, EVERY_LINK)
BATCH: sa.BindParameter[str] = sa.bindparam("batch", type_=sa.String())


class VerdictPlan:
    """The statement that judges opens and clicks, built once per set of definitions."""

    def __init__(self, machines: Machines) -> None:
        self.statement = _judge(machines, work.leads_of(BATCH, "score"))

    def judge(self, connection: Connection, batch: str, now: datetime) -> int:
        """Bring the verdicts on a claimed batch of leads up to date; returns how many events changed sides."""
        return connection.execute(self.statement, {"batch": batch, "now": now}).rowcount


def left_to_rules(event: FromClause) -> Any:
    """Neither a person nor the source has spoken; before verdicts had names, a flag without one was the source's."""
    nobody = and_(event.c.machine_by.is_(None), event.c.machine.is_(False))
    return or_(nobody, event.c.machine_by.in_((*RULES, UNJUDGED)))


def first_verdict(kind: str, machine: bool, *, silent: bool) -> tuple[bool, str | None]:
    """The columns `machine` and `machine_by` of an event that is being stored.

    Nothing may react to a machine's click before it is judged; history that is imported makes nothing happen anyway.
    """
    if machine:
        return True, SOURCE
    if kind in (OPENED, CLICKED) and not silent:
        return True, UNJUDGED
    return False, None


def _judge(machines: Machines, whom: Any) -> Any:
    judged = events.alias("judged")
    wanted = [judged.c.lead_id.in_(whom), judged.c.type.in_((OPENED, CLICKED)), left_to_rules(judged)]
    if not _may_speak_of_nothing(machines):
        # An open of which nothing more is known than that it happened is nobody's but a person's.
        known = is_empty(judged.c.properties).is_(False)
        wanted.append(or_(known, judged.c.message_id.is_not(None), judged.c.machine_by.is_not(None)))
    names = ("id", "lead_id", "type", "occurred_at", "message_id", "properties")
    agent = ascii_lower(json_text(judged.c.properties, literal("user_agent"))).label("agent")
    # Kept, so that the user agent is read out of the properties once, and not anew for each name that it may hold.
    event = select(*(judged.c[name] for name in names), agent).where(*wanted).cte("doubted").prefix_with("MATERIALIZED")
    tests = _tests(machines, event, whom)
    rule: Any = case(*[(test, literal(name)) for name, test in tests], else_=None) if tests else sa.null()
    verdicts = select(event.c.id, sa.cast(rule, events.c.machine_by.type).label("rule")).subquery()
    return (
        update(events)
        # A person may have spoken while the statement waited for the row.
        .where(events.c.id == verdicts.c.id, left_to_rules(events))
        .where(events.c.machine_by.is_distinct_from(verdicts.c.rule))
        .values(machine=verdicts.c.rule.is_not(None), machine_by=verdicts.c.rule)
    )


def _may_speak_of_nothing(machines: Machines) -> bool:
    """Whether a rule may hold because a property is missing."""
    asked = machines.privacy_opens.properties.values() if machines.privacy_opens is not None else []
    return any(
        name in ("is_not", "not_in") or (name == "is_set" and not operand)
        for name, operand in (each.chosen() for each in asked)
    )


def _tests(machines: Machines, event: FromClause, whom: Any) -> list[tuple[str, Any]]:
    tests: list[tuple[str, Any]] = []
    agent = event.c.agent
    if machines.user_agents:
        rows = [(each.lower(),) for each in machines.user_agents]
        known = ConstantRows(sa.column("part", sa.String), name="agent_rows").rows(rows).cte("agents")
        named = there_is(known, position_of(agent, known.c.part) > 0)
        tests.append((PREFETCHER, and_(agent.is_not(None), named)))
    if machines.privacy_opens is not None:
        opened = _privacy(machines.privacy_opens, event, agent)
        tests += [(PRIVACY_OPEN, and_(event.c.type == OPENED, or_(*opened)))] if opened else []
    if machines.too_fast is not None:
        tests.append((TOO_FAST, _too_fast(machines.too_fast, event)))
    if machines.every_link is not None:
        tests.append((EVERY_LINK, and_(event.c.type == CLICKED, _in_burst(machines.every_link, event, whom))))
    return tests


def _privacy(rule: PrivacyOpens, event: FromClause, agent: Any) -> list[Any]:
    whole = [func.coalesce(agent == each.lower(), sa.false()) for each in rule.user_agents]
    return whole + [and_(*event_matches(event, {name: value})) for name, value in rule.properties.items()]


def _too_fast(length: Duration, event: FromClause) -> Any:
    """About as soon as the provider took the message, or reported it delivered; clocks differ a little either way."""

    def about(instant: Any) -> Any:
        return event.c.occurred_at.between(
            plus_seconds(instant, literal(-length.seconds)), plus_seconds(instant, literal(length.seconds))
        )

    delivery = events.alias("delivery")
    taken = there_is(messages, messages.c.id == event.c.message_id, about(messages.c.handed_over_at))
    delivered = there_is(
        delivery,
        delivery.c.lead_id == event.c.lead_id,
        delivery.c.type == DELIVERED,
        delivery.c.message_id == event.c.message_id,
        about(delivery.c.occurred_at),
    )
    return or_(taken, delivered)


def _in_burst(rule: EveryLink, event: FromClause, whom: Any) -> Any:
    """Among the clicks that follow some click of the same message are too many different links in too short a time."""
    first, other = events.alias("first_click"), events.alias("other_click")
    end = plus_seconds(first.c.occurred_at, literal(rule.within.seconds))
    bursts = (
        select(first.c.lead_id, first.c.message_id, first.c.occurred_at.label("begins"), end.label("ends"))
        .select_from(
            first.join(other, and_(other.c.lead_id == first.c.lead_id, other.c.message_id == first.c.message_id))
        )
        .where(
            first.c.lead_id.in_(whom),
            first.c.type == CLICKED,
            first.c.message_id.is_not(None),
            other.c.type == CLICKED,
            other.c.occurred_at.between(first.c.occurred_at, end),
        )
        .group_by(first.c.id, first.c.lead_id, first.c.message_id, first.c.occurred_at)
        .having(func.count(json_text(other.c.properties, literal("url")).distinct()) >= rule.links)
        .cte("bursts")
    )
    return there_is(
        bursts,
        bursts.c.lead_id == event.c.lead_id,
        bursts.c.message_id == event.c.message_id,
        event.c.occurred_at.between(bursts.c.begins, bursts.c.ends),
    )


__all__ = [
    "CLICKED",
    "OPENED",
    "PERSON",
    "RULES",
    "SOURCE",
    "UNJUDGED",
    "VerdictPlan",
    "first_verdict",
    "left_to_rules",
]
