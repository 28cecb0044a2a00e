"""The rules of events.yaml that tell machines from people, each a test on one open or click of the leads of a batch.

Each looks at nothing but the lead's own events and their messages, so that a score stays the lead's own.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, and_, func, literal, or_, select

from db.conditions import event_matches
from db.subqueries import ConstantRows, there_is
from db.tables import events, messages
from db.types import ascii_lower, json_text, plus_seconds, position_of
from nurture.definitions.machines import EveryLink, Gateway, Honeypot, Machines, Prefetch, PrivacyOpens
from nurture.durations import Duration

OPENED, CLICKED, DELIVERED = "email.opened", "email.clicked", "email.delivered"
PERSON = "person"
# The rules, in the order in which they are named when several hold.
HONEYPOT, PREFETCH, PREFETCHER, PRIVACY_OPEN = "honeypot", "prefetch", "prefetcher", "privacy-open"
TOO_FAST, EVERY_LINK, GATEWAY = "too-fast", "every-link", "gateway"
RULES = (HONEYPOT, PREFETCH, PREFETCHER, PRIVACY_OPEN, TOO_FAST, EVERY_LINK, GATEWAY)
# When the provider took a mail: the run's `now`, which the true moment follows by as long as the hand-over takes.
_TAKEN_AT = messages.c.handed_over_at
_TRUE = "true"


def told_of(event: FromClause) -> list[ColumnElement[Any]]:
    """What the rules ask of an event's properties, each read out of the JSON once."""
    asked = {name: json_text(event.c.properties, literal(name)) for name in ("honeypot", "prefetch")}
    return [
        _agent(event).label("agent"),
        ascii_lower(json_text(event.c.properties, literal("method"))).label("method"),
        *(value.label(name) for name, value in asked.items()),
    ]


def tests_of(machines: Machines, event: FromClause, whom: Any) -> list[tuple[str, Any]]:
    """For each rule that is on, its name and its test; `event` has the columns of `told_of`, `whom` are the leads."""
    tests: list[tuple[str, Any]] = []
    if machines.honeypot is not None:
        tests.append((HONEYPOT, _honeypot(machines.honeypot, event)))
    if machines.prefetch is not None:
        tests.append((PREFETCH, _prefetch(machines.prefetch, event)))
    if machines.user_agents:
        tests.append((PREFETCHER, _named(machines.user_agents, event)))
    if machines.privacy_opens is not None:
        opened = _privacy(machines.privacy_opens, event)
        tests += [(PRIVACY_OPEN, and_(event.c.type == OPENED, or_(*opened)))] if opened else []
    if machines.too_fast is not None:
        tests.append((TOO_FAST, _too_fast(machines.too_fast, event)))
    if machines.every_link is not None:
        tests.append((EVERY_LINK, and_(event.c.type == CLICKED, _in_burst(machines.every_link, event, whom))))
    if machines.gateway is not None:
        tests.append((GATEWAY, and_(event.c.type == CLICKED, _in_scan(machines.gateway, event, whom))))
    return tests


def may_speak_of_nothing(machines: Machines) -> bool:
    """Whether a rule may hold because a property is missing."""
    asked = machines.privacy_opens.properties.values() if machines.privacy_opens is not None else []
    return any(
        name in ("is_not", "not_in") or (name == "is_set" and not operand)
        for name, operand in (each.chosen() for each in asked)
    )


def _agent(event: FromClause) -> ascii_lower:
    return ascii_lower(json_text(event.c.properties, literal("user_agent")))


def _about(event: FromClause, instant: Any, length: Duration) -> Any:
    """The event happened so long before the instant, or after it, at the most."""
    return event.c.occurred_at.between(
        plus_seconds(instant, literal(-length.seconds)), plus_seconds(instant, literal(length.seconds))
    )


def _given_away(event: FromClause, longest: Duration, *what: Any, of: FromClause) -> Any:
    """There is such a visit to the same mail about then, unless a person says that it was a person's."""
    # Looked up by lead and time: nobody reads more than what happened in those minutes.
    return there_is(
        of,
        of.c.lead_id == event.c.lead_id,
        of.c.type == CLICKED,
        _about(of, event.c.occurred_at, longest),
        of.c.message_id == event.c.message_id,
        or_(of.c.machine, of.c.machine_by.is_distinct_from(PERSON)),
        *what,
    )


def _honeypot(rule: Honeypot, event: FromClause) -> Any:
    trap = events.alias("trap")
    itself = and_(event.c.type == CLICKED, event.c.honeypot == _TRUE)
    same_agent = and_(_agent(trap) == event.c.agent, _about(trap, event.c.occurred_at, rule.same_agent))
    near = or_(_about(trap, event.c.occurred_at, rule.any_agent), same_agent)
    longest = max(rule.same_agent, rule.any_agent, key=lambda each: each.seconds)
    hidden = json_text(trap.c.properties, literal("honeypot")) == _TRUE
    return or_(itself, _given_away(event, longest, hidden, near, of=trap))


def _prefetch(rule: Prefetch, event: FromClause) -> Any:
    check = events.alias("check")
    head = ascii_lower(json_text(check.c.properties, literal("method"))) == "head"
    follows = _given_away(event, rule.same_agent, head, _agent(check) == event.c.agent, of=check)
    return or_(event.c.method == "head", event.c.prefetch == _TRUE, and_(event.c.type == CLICKED, follows))


def _named(agents: list[str], event: FromClause) -> Any:
    rows = [(each.lower(),) for each in agents]
    known = ConstantRows(sa.column("part", sa.String), name="agent_rows").rows(rows).cte("agents")
    named = there_is(known, position_of(event.c.agent, known.c.part) > 0)
    return and_(event.c.agent.is_not(None), named)


def _privacy(rule: PrivacyOpens, event: FromClause) -> list[Any]:
    whole = [func.coalesce(event.c.agent == each.lower(), sa.false()) for each in rule.user_agents]
    return whole + [and_(*event_matches(event, {name: value})) for name, value in rule.properties.items()]


def _too_fast(length: Duration, event: FromClause) -> Any:
    """About as soon as the provider took the message, or reported it delivered; clocks differ a little either way."""
    delivery = events.alias("delivery")
    taken = there_is(messages, messages.c.id == event.c.message_id, _about(event, _TAKEN_AT, length))
    delivered = there_is(
        delivery,
        delivery.c.lead_id == event.c.lead_id,
        delivery.c.type == DELIVERED,
        delivery.c.message_id == event.c.message_id,
        _about(event, delivery.c.occurred_at, length),
    )
    return or_(taken, delivered)


def _in_burst(rule: EveryLink, event: FromClause, whom: Any) -> Any:
    """Among the clicks that follow some click of the same message are too many different links in too short a time."""
    first, other, hit = events.alias("first_click"), events.alias("other_click"), events.alias("hit_click")
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
    same = (hit.c.lead_id == bursts.c.lead_id, hit.c.message_id == bursts.c.message_id)
    return _is_within(bursts, event, hit, *same)


def _in_scan(rule: Gateway, event: FromClause, whom: Any) -> Any:
    """Among the clicks that follow some click from the same place are those of too many other messages."""
    first, other, hit = events.alias("first_mail"), events.alias("other_mail"), events.alias("hit_mail")
    end = plus_seconds(first.c.occurred_at, literal(rule.within.seconds))
    scans = (
        select(first.c.lead_id, _place(first).label("place"), first.c.occurred_at.label("begins"), end.label("ends"))
        # Clicks of two mails within moments are rare: only for those is any JSON read.
        .select_from(
            first.join(other, and_(other.c.lead_id == first.c.lead_id, other.c.message_id != first.c.message_id))
        )
        .where(
            first.c.lead_id.in_(whom),
            first.c.type == CLICKED,
            other.c.type == CLICKED,
            other.c.occurred_at.between(first.c.occurred_at, end),
            _place(other) == _place(first),
        )
        .group_by(first.c.id, first.c.lead_id, first.c.occurred_at, sa.text("place"))
        .having(func.count(other.c.message_id.distinct()) >= rule.messages - 1)
        .cte("scans")
    )
    known = (hit.c.lead_id == scans.c.lead_id, hit.c.message_id.is_not(None), _place(hit) == scans.c.place)
    return _is_within(scans, event, hit, *known)


def _is_within(moments: FromClause, event: FromClause, hit: FromClause, *same: Any) -> Any:
    """The event is a click within one of some moments (`begins`, `ends`), worked out once for all of them.

    Asked anew for each event PostgreSQL would walk through every moment of the batch.
    """
    inside = (hit.c.type == CLICKED, hit.c.occurred_at.between(moments.c.begins, moments.c.ends))
    return event.c.id.in_(select(hit.c.id).select_from(moments.join(hit, and_(*same))).where(*inside))


def _place(event: FromClause) -> Any:
    """Where a visit came from: its network, and where that is not known, its agent."""
    return func.coalesce(json_text(event.c.properties, literal("network")), _agent(event))


__all__ = ["CLICKED", "DELIVERED", "OPENED", "PERSON", "RULES", "may_speak_of_nothing", "tests_of", "told_of"]
