"""The events of a batch of leads, summed up by rule and period: the one pass over the events that a rescore makes.

Nearly everything is read from one index, in its order: first the sums by type of event, which several rules may share,
and only then the rules, of which there are far fewer rows. A rule that asks for more than the type has a look-up of its
own, and so has one that fades otherwise, or by other periods, than the others of its type.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, case, func, literal, select, union_all

from db.conditions import NOW, event_matches
from db.subqueries import ConstantRows
from db.tables import events, work_queue
from db.types import beside_index, epoch_seconds, greatest_of, least_of, month_number
from nurture.definitions.scoring import Decay, EventRule, Scoring

BATCH: sa.BindParameter[str] = sa.bindparam("batch", type_=sa.String())
# What nobody is paid for: the work of machines, and opens that were only inferred from a click, which is paid.
PAID = (events.c.machine.is_(False), events.c.inferred.is_(False))
_BATCH = and_(work_queue.c.queue == "score", work_queue.c.batch == BATCH)
# PostgreSQL refuses a power that is too small for a double; after 200 halvings nothing is left anyway.
_MOST_HALVINGS = 200.0
_FEW = 3
# What a rule says, in the rows of `sums`.
_SAID = ("rule", "dimension", "grouping", "points", "cap")


class _Shape(NamedTuple):
    """How the points of a rule fade, and in which periods they are counted."""

    half_life: float
    linear: float
    period: str


def period_of(scoring: Scoring, rule: EventRule) -> str:
    """The period in which a rule's points are counted: that of its cap, else that of its group's."""
    group_cap = scoring.groups[rule.group].cap if rule.group in scoring.groups else None
    return rule.cap.per if rule.cap else (group_cap.per if group_cap else "ever")


def sums(scoring: Scoring, numbers: Sequence[int], name: str) -> Select[Any] | CompoundSelect[Any]:
    """For some rules, by their place in the definitions: rows of lead, rule and period (`bucket`).

    Each has what the rule says, the number of events and the last one, and as `left` what is left of one point for each
    of them. Of rules without periods there is one row for each lead and rule, and nothing is sorted for it. The parts
    of the statement are called by `name`.
    """
    by_type: dict[str, _Shape] = {}
    shared: list[int] = []
    alone: list[int] = []
    for number in numbers:
        rule, shape = scoring.rules[number], _shape(scoring, scoring.rules[number])
        if not rule.where and by_type.setdefault(rule.event, shape) == shape:
            shared.append(number)
        else:
            alone.append(number)
    parts: list[Select[Any]] = [_of_types(scoring, by_type, shared, name)] if shared else []
    parts += [_of_rule(scoring, number) for number in alone]
    return parts[0] if len(parts) == 1 else union_all(*parts)


def bucket(instant: Any, period: str) -> ColumnElement[Any]:
    """The number of the calendar period (UTC) in which an instant lies."""
    day = sa.cast(func.floor(epoch_seconds(instant) / 86400.0), sa.Integer)
    if period == "day":
        return day
    if period == "week":
        # Days since 1970 began on a Thursday; weeks begin on Monday.
        return sa.cast(func.floor((day + 3) / 7.0), sa.Integer)
    return month_number(instant) if period == "month" else literal(0)


def _shape(scoring: Scoring, rule: EventRule) -> _Shape:
    decay = scoring.decay_of(rule) or Decay.model_construct(half_life=None, linear=None)
    return _Shape(
        float(decay.half_life.seconds) if decay.half_life else 0.0,
        float(decay.linear.seconds) if decay.linear else 0.0,
        period_of(scoring, rule),
    )


def _left(shape: _Shape) -> ColumnElement[Any]:
    """What is left of one point for an event of that shape."""
    age = epoch_seconds(NOW) - epoch_seconds(events.c.occurred_at)
    if shape.half_life:
        return func.pow(0.5, least_of(literal(_MOST_HALVINGS), age / literal(shape.half_life)))
    if shape.linear:
        return greatest_of(literal(0.0), 1.0 - age / literal(shape.linear))
    return literal(1.0)


def _sums(left: ColumnElement[Any]) -> Sequence[ColumnElement[Any]]:
    last = func.max(events.c.occurred_at)
    return func.count().label("events"), func.sum(left).label("left"), last.label("last_at")


# The instant is no reason to take another index than that of the types.
_HAPPENED = (_BATCH, *PAID, beside_index(events.c.occurred_at) <= NOW)


def _said(scoring: Scoring, number: int) -> tuple[str, str, str, float, float]:
    rule = scoring.rules[number]
    return rule.id, rule.dimension, rule.group or "", float(rule.points), rule.cap.points if rule.cap else 1e300


def _of_types(scoring: Scoring, by_type: dict[str, _Shape], shared: list[int], name: str) -> Select[Any]:
    """The rules that ask for the type alone: summed up by type, in the order of the index."""
    place = [work_queue.c.lead_id, events.c.type]
    period: ColumnElement[Any] = literal(0)
    periods = _by_value({kind: shape.period for kind, shape in by_type.items()}, "ever")
    if periods:
        period = case(*[(_is(kinds), bucket(events.c.occurred_at, name)) for name, kinds in periods], else_=0)
    fading = _by_value({kind: shape._replace(period="ever") for kind, shape in by_type.items()}, _Shape(0, 0, "ever"))
    left = case(*[(_is(kinds), _left(shape)) for shape, kinds in fading], else_=1.0) if fading else literal(1.0)
    # Of many types everything that a lead did is read in one go, also what has no rule; of a few each is looked up.
    kind = events.c.type if len(by_type) <= _FEW else beside_index(events.c.type)
    summed = (
        select(*place, period.label("bucket"), *_sums(left))
        .select_from(work_queue.join(events, events.c.lead_id == work_queue.c.lead_id))
        .where(*_HAPPENED, kind.in_(list(by_type)))
        .group_by(*place, *([sa.text("bucket")] if periods else []))
        .subquery(f"{name}_per_type")
    )
    rules = ConstantRows(
        sa.column("type", sa.String),
        sa.column("rule", sa.String),
        sa.column("dimension", sa.String),
        sa.column("grouping", sa.String),
        sa.column("points", sa.Float),
        sa.column("cap", sa.Float),
        name=f"{name}_rows",
    )
    said = rules.rows([(scoring.rules[number].event, *_said(scoring, number)) for number in shared]).cte(
        f"{name}_rules"
    )
    # Every type has its rules: the outer join only keeps SQLite from walking the rules first.
    return select(
        summed.c.lead_id,
        *(said.c[name] for name in _SAID),
        summed.c.bucket,
        summed.c.events,
        summed.c.left,
        summed.c.last_at,
    ).select_from(summed.outerjoin(said, said.c.type == summed.c.type))


def _of_rule(scoring: Scoring, number: int) -> Select[Any]:
    """One rule by itself, looked up by its type."""
    rule, shape = scoring.rules[number], _shape(scoring, scoring.rules[number])
    period = bucket(events.c.occurred_at, shape.period)
    by_period = [sa.text("bucket")] if shape.period != "ever" else []
    said = [literal(value).label(name) for name, value in zip(_SAID, _said(scoring, number), strict=True)]
    return (
        select(work_queue.c.lead_id, *said, period.label("bucket"), *_sums(_left(shape)))
        .select_from(
            work_queue.join(events, and_(events.c.lead_id == work_queue.c.lead_id, events.c.type == rule.event))
        )
        .where(*_HAPPENED, *event_matches(events, rule.where))
        .group_by(work_queue.c.lead_id, *by_period)
    )


def _is(kinds: Iterable[str]) -> ColumnElement[bool]:
    wanted = list(kinds)
    return events.c.type == wanted[0] if len(wanted) == 1 else events.c.type.in_(wanted)


def _by_value(of: dict[str, Any], ordinary: Any) -> list[tuple[Any, list[str]]]:
    """The types by what they have in common, without the ordinary ones."""
    found: dict[Any, list[str]] = {}
    for kind, value in of.items():
        if value != ordinary:
            found.setdefault(value, []).append(kind)
    return list(found.items())


__all__ = ["BATCH", "PAID", "bucket", "period_of", "sums"]
