"""When a score changes although nothing happens, so that only then, and only for that lead, it is looked at again.

What fades is not followed day by day: a lead is looked at when its score comes to the next line (`Lines`) or ten. How
fast it falls is known from what is left of its points, and it never falls faster than that: half-lives flatten, linear
points end, and what a cap took away falls first. So nothing is missed; a look that comes too early looks ahead again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import reduce
from itertools import product
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, case, func, literal

from db.conditions import NOW, counted
from db.subqueries import nth_of, there_is, value_of
from db.tables import events, leads, score_contributions
from db.types import UTCDateTime, earlier_of, greatest_of, least_of, plus_seconds
from db.verdicts import settles_at
from nurture.conditions import Condition, Did, FieldIs, walk
from nurture.definitions.bundle import Bundle
from nurture.definitions.scoring import EventRule, Scoring
from nurture.score_lines import BIN, Lines

# The next look never comes sooner: near its line a score creeps.
_LEAST = 3_600.0
# Nor later, which any half-life that means anything is far from (95 years).
_MOST = 3e9
# People of an account whose sum is asked for are looked at daily: it is their sum that comes to a line.
_WITH_COLLEAGUES = 86_400
# What rounds to nothing is shown as nothing, so a score is looked at a last time when so many points are left to fade.
_SHOWN = 0.5
# Together less than what counts as equal.
_NOTHING = 1e-7
# Any instant that no run will see.
_NEVER = literal(datetime(9000, 1, 1, tzinfo=UTC), UTCDateTime())
_DIMENSIONS = ("interest", "fit")
_DIRECTIONS = ("falls", "rises")


class _Moves(NamedTuple):
    """What moves a score one way: the points that are left to fade, and how many a second it is at most by now."""

    left: ColumnElement[Any]
    a_second: ColumnElement[Any]


def next_look(
    bundle: Bundle, lead_id: ColumnElement[Any], scored: FromClause, lines: Lines
) -> ColumnElement[datetime | None]:
    """The first instant after NOW at which a lead's score may be another in anything that counts.

    `scored` is a row for each lead: the three scores, and the columns of `fading`.
    """
    # What is received while a run is on its way happens after the run's `now`; the next run has to look again.
    ahead = value_of(events, func.min(events.c.occurred_at), events.c.lead_id == lead_id, events.c.occurred_at > NOW)
    # Opens and clicks that came within the last minute are judged when it is over.
    settled = settles_at(bundle.catalogue.machines, lead_id)
    instants = [ahead, settled, *_crossings(bundle.scoring, scored, lines), *_fit_changes(bundle, lead_id)]
    if lines.of_accounts and _fading_rules(bundle.scoring):
        instants.append(_with_colleagues(bundle.scoring, scored, lead_id))
    known: list[ColumnElement[Any]] = [func.coalesce(each, _NEVER) for each in instants]
    return func.nullif(reduce(earlier_of, known), _NEVER)


def fading(bundle: Bundle) -> list[ColumnElement[Any]]:
    """What `next_look` has to know, as aggregates over the contributions of a lead."""
    scoring, parts = bundle.scoring, score_contributions
    columns: list[ColumnElement[Any]] = []
    for direction, dimension in _ways(scoring):
        halving, linear = _speeds(scoring, dimension, direction)
        # As if none of a rule's events had ended, where not all of them have; while a cap holds it falls no faster.
        lives = sa.and_(parts.c.kind == "rule", func.abs(parts.c.points) > _NOTHING)
        halves = {speed: _of(names, parts.c.points) for speed, names in halving.items()}
        lefts = [*halves.values(), *(_of(names, parts.c.points) for names in linear.values())]
        speeds = [left * literal(speed) for speed, left in halves.items()]
        speeds += [_of(names, parts.c.raw_points, lives) * literal(speed) for speed, names in linear.items()]
        columns.append(reduce(_plus, lefts).label(f"{direction}_{dimension}"))
        columns.append(reduce(_plus, speeds).label(f"{direction}_{dimension}_a_second"))
    if scoring.floor is not None:
        for name in _DIMENSIONS:
            given = case((sa.and_(parts.c.kind == "floor", parts.c.dimension == name), parts.c.points), else_=0.0)
            columns.append(func.sum(given).label(f"floor_{name}"))
    return columns


def _fading_rules(scoring: Scoring, dimension: str | None = None, direction: str | None = None) -> list[EventRule]:
    """The rules whose points fade: positive ones let a score fall, negative ones let it rise."""
    return [
        rule
        for rule in scoring.rules
        if scoring.decay_of(rule)
        and dimension in (None, rule.dimension)
        and direction in (None, "falls" if rule.points > 0 else "rises")
    ]


def _ways(scoring: Scoring) -> Iterator[tuple[str, str]]:
    """Direction and dimension, where anything fades that way."""
    return (each for each in product(_DIRECTIONS, _DIMENSIONS) if _fading_rules(scoring, each[1], each[0]))


def _of(names: list[str], points: ColumnElement[Any], *conditions: ColumnElement[bool]) -> ColumnElement[Any]:
    mine = sa.and_(score_contributions.c.rule.in_(names), *conditions)
    return func.coalesce(func.sum(case((mine, points), else_=0.0)), 0.0)


def _plus(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    return one + other


def _speeds(scoring: Scoring, dimension: str, direction: str) -> tuple[dict[float, list[str]], dict[float, list[str]]]:
    """The contributions that fade by half-lives and in a straight line, by the share of a point that goes in a second.

    With the group caps that hold down nothing but what falls by half-lives: what a cap takes away keeps the shares of
    its rules, so together they fade no faster than the slowest of them.
    """
    halving: dict[float, list[str]] = {}
    linear: dict[float, list[str]] = {}
    by_group: dict[str, list[float]] = {}
    for rule in _fading_rules(scoring, dimension, direction):
        decay = scoring.decay_of(rule)
        assert decay is not None
        if decay.linear is not None:
            linear.setdefault(1 / decay.linear.seconds, []).append(rule.id)
        elif decay.half_life is not None:
            speed = math.log(2) / decay.half_life.seconds
            halving.setdefault(speed, []).append(rule.id)
            by_group.setdefault(rule.group or "", []).append(speed)
    members = [rule.group for rule in scoring.rules] + [rule.group for rule in scoring.fit]
    for name, group in scoring.groups.items():
        speeds = by_group.get(name, [])
        if direction == "falls" and group.cap and speeds and len(speeds) == members.count(name):
            halving[min(speeds)].append(f"group:{name}")
    return halving, linear


def _crossings(scoring: Scoring, scored: FromClause, lines: Lines) -> Iterator[ColumnElement[Any]]:
    """When each score comes to its next line: those that fall to one below, and those that rise to one above."""
    for score in (*_DIMENSIONS, "total"):
        mine = sorted(line.points for line in lines.of_leads if line.dimension == score)
        if not mine and score != "total":
            continue
        for direction in _DIRECTIONS:
            found = [
                _moves(scoring, scored, direction, dimension)
                for way, dimension in _ways(scoring)
                if way == direction and score in (dimension, "total")
            ]
            if not found:
                continue
            moves = _Moves(
                reduce(_plus, [each.left for each in found]), reduce(_plus, [each.a_second for each in found])
            )
            if score == "total":
                distance = _to_line_or_ten(scored.c.total, mine, direction, moves.left)
            else:
                distance = _to_line(scored.c[score], mine, direction)
            yield _after(distance, moves, flattens=_flattens(scoring))


def _moves(scoring: Scoring, scored: FromClause, direction: str, dimension: str) -> _Moves:
    left: ColumnElement[Any] = func.abs(scored.c[f"{direction}_{dimension}"])
    if scoring.floor is not None and direction == "falls":
        # On the floor nothing falls.
        left = case((scored.c[f"floor_{dimension}"] > 0, 0.0), else_=left)
    return _Moves(left, func.abs(scored.c[f"{direction}_{dimension}_a_second"]))


def _to_line(score: ColumnElement[Any], lines: list[float], direction: str) -> ColumnElement[Any]:
    """How many points a score is away from the next line below or above; NULL where there is none."""
    if direction == "falls":
        return case(*[(score >= each, score - each) for each in reversed(lines)])
    return case(*[(score < each, each - score) for each in lines])


def _to_line_or_ten(
    score: ColumnElement[Any], lines: list[float], direction: str, left: ColumnElement[Any]
) -> ColumnElement[Any]:
    """The same to the next line, to the next ten, or to where what is left rounds to nothing."""
    below = func.floor(score / float(BIN)) * float(BIN)
    distance: ColumnElement[Any] = score - below if direction == "falls" else below + float(BIN) - score
    if lines:
        distance = least_of(distance, func.coalesce(_to_line(score, lines, direction), distance))
    return case((left > _SHOWN, least_of(distance, left - _SHOWN)), else_=distance)


def _after(distance: ColumnElement[Any], moves: _Moves, *, flattens: bool) -> ColumnElement[Any]:
    """The instant at which so many points may be gone at the earliest; NULL where there are not so many."""
    left, a_second = moves
    if flattens:
        # Several half-lives together fade no faster than their average does (Jensen's inequality).
        seconds = (
            left / func.nullif(a_second, 0.0) * -func.ln(greatest_of(1e-9, 1.0 - distance / func.nullif(left, 0.0)))
        )
    else:
        seconds = distance / func.nullif(a_second, 0.0)
    # A second later it is really below.
    bounded = least_of(literal(_MOST), greatest_of(literal(_LEAST), seconds + 1.0))
    return case((left > distance + _NOTHING, plus_seconds(NOW, bounded)), else_=sa.cast(sa.null(), UTCDateTime()))


def _flattens(scoring: Scoring) -> bool:
    return all(decay.half_life for rule in scoring.rules if (decay := scoring.decay_of(rule)))


def _with_colleagues(scoring: Scoring, scored: FromClause, lead_id: ColumnElement[Any]) -> ColumnElement[Any]:
    """A day later, while anything is left to fade, for who has an account."""
    left: list[ColumnElement[Any]] = [func.abs(scored.c["_".join(way)]) for way in _ways(scoring)]
    mine = there_is(leads, leads.c.id == lead_id, leads.c.account_id.is_not(None))
    fades = reduce(_plus, left) > _NOTHING
    later = plus_seconds(NOW, literal(_WITH_COLLEAGUES))
    return case((sa.and_(fades, mine), later), else_=sa.cast(sa.null(), UTCDateTime()))


def _fit_changes(bundle: Bundle, lead_id: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    """For each part of a fit rule that asks for a period, when that period ends for the lead."""
    parts = {repr(part): part for rule in bundle.scoring.fit for part in walk(rule.when)}
    return [found for part in parts.values() if (found := _end_of(part, lead_id)) is not None]


def _end_of(part: Condition, lead_id: ColumnElement[Any]) -> ColumnElement[Any] | None:
    match part:
        case Did() if part.did.within is not None:
            # With the n-th latest event the n-th is gone; earlier ones change nothing.
            last = nth_of(events, events.c.occurred_at, part.did.at_least, *counted(part.did, lead_id))
            return plus_seconds(last, literal(part.did.within.seconds))
        case FieldIs() if (age := part.older_than or part.newer_than) is not None:
            length = literal(age.seconds)
            return value_of(
                leads,
                plus_seconds(leads.c.created_at, length),
                leads.c.id == lead_id,
                plus_seconds(leads.c.created_at, length) > NOW,
            )
    return None
