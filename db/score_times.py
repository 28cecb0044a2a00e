"""When a score changes although nothing happens, so that only then, and only for that lead, it is looked at again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import reduce
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, case, func, literal

from db.conditions import NOW, counted
from db.subqueries import nth_of, value_of
from db.tables import events, leads, score_contributions
from db.types import UTCDateTime, earlier_of, plus_seconds
from nurture.conditions import Condition, Did, FieldIs, walk
from nurture.definitions.bundle import Bundle

# The next look at a fading score; stages never fall by decay, so a day is soon enough.
_DECAY_LOOK = 86_400
# Points that may still fade away without a look: together less than what counts as equal.
_NOTHING = 1e-7
# Any instant that no run will see.
_NEVER = literal(datetime(9000, 1, 1, tzinfo=UTC), UTCDateTime())


def next_look(bundle: Bundle, lead_id: ColumnElement[Any]) -> ColumnElement[Any]:
    """The first instant after NOW at which a lead's score may be another, as an aggregate over its contributions."""
    # What is received while a run is on its way happens after the run's `now`; the next run has to look again.
    ahead = value_of(events, func.min(events.c.occurred_at), events.c.lead_id == lead_id, events.c.occurred_at > NOW)
    instants: list[ColumnElement[Any]] = [ahead, *_fading(bundle), *_fit_changes(bundle, lead_id)]
    if len(instants) == 1:
        return ahead
    known: list[ColumnElement[Any]] = [func.coalesce(each, _NEVER) for each in instants]
    return func.nullif(reduce(earlier_of, known), _NEVER)


def _fading(bundle: Bundle) -> Iterator[ColumnElement[Any]]:
    """A day later, while there is anything left to fade: all points of one rule have the same sign."""
    decaying = [rule.id for rule in bundle.scoring.rules if bundle.scoring.decay_of(rule)]
    parts = score_contributions
    if decaying:
        mine = sa.and_(parts.c.kind == "rule", parts.c.rule.in_(decaying))
        left = func.coalesce(func.sum(case((mine, func.abs(parts.c.points)), else_=0.0)), 0.0)
        yield case((left > _NOTHING, plus_seconds(NOW, literal(_DECAY_LOOK))), else_=sa.cast(sa.null(), UTCDateTime()))


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
