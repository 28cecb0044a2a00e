"""The condition language as set-wise SQL: names are looked up in a registry, values are bound, no text becomes SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, and_, false, func, literal, not_, or_, true

from db.subqueries import there_is, value_of
from db.tables import (
    accounts,
    audience_members,
    consent_states,
    events,
    leads,
    scores,
    stage_transitions,
)
from db.types import UTCDateTime, ascii_lower, beside_index, json_text, plus_seconds, position_of, text_number
from nurture.conditions import (
    STAGE_RANK,
    STAGES,
    AccountScoreIs,
    AllOf,
    Always,
    AnyOf,
    Condition,
    Did,
    EventTest,
    FieldIs,
    HasConsent,
    InAudience,
    Not,
    Operators,
    ScoreIs,
    ScoreTest,
    StageIs,
    StageTest,
)
from nurture.definitions.catalogue import ProfileField
from nurture.errors import DefinitionError

# The one instant of a run; every statement takes it as this parameter.
NOW: sa.BindParameter[datetime] = sa.bindparam("now", type_=UTCDateTime())

# Fields that are columns of their own; all others lie in `attributes`.
_COLUMNS = (
    "email",
    "phone",
    "first_name",
    "last_name",
    "name",
    "company",
    "job_title",
    "country",
    "city",
    "language",
    "time_zone",
    "source",
    "source_detail",
    "created_at",
)


_FEW = 3


@dataclass(frozen=True)
class Scope:
    """Whom a condition is about: a row of `lead`, and for steps the instant from which `since_entry` counts."""

    fields: Mapping[str, ProfileField]
    lead: FromClause = leads
    entered_at: ColumnElement[Any] | None = None
    # As if only these events had happened, and whether the others may have changed the score or the stage.
    happened: ColumnElement[bool] | None = None
    scored: ColumnElement[bool] | None = None
    moved: ColumnElement[bool] | None = None

    def since(self, instant: ColumnElement[Any]) -> Scope:
        """The same scope, with an entry instant."""
        return replace(self, entered_at=instant)


def compile_condition(condition: Condition, scope: Scope) -> ColumnElement[bool]:
    """A SQL expression, never NULL, that is true for the lead of the scope exactly when the condition holds."""
    match condition:
        case AllOf():
            return and_(*(compile_condition(part, scope) for part in condition.all))
        case AnyOf():
            return or_(*(compile_condition(part, scope) for part in condition.any))
        case Not():
            return not_(compile_condition(condition.not_, scope))
        case StageIs():
            reached = _stage(condition.stage, scope)
            return _but_for(scope.moved, reached) if condition.stage.below is None else reached
        case ScoreIs():
            enough = _score(condition.score, scores, scores.c.lead_id == scope.lead.c.id)
            return enough if condition.score.at_least is None else _but_for(scope.scored, enough)
        case AccountScoreIs():
            return _score(condition.account_score, accounts, accounts.c.id == scope.lead.c.account_id)
        case FieldIs():
            return _field(condition, scope)
        case Did():
            return _did(condition.did, scope)
        case InAudience():
            return there_is(
                audience_members,
                audience_members.c.lead_id == scope.lead.c.id,
                audience_members.c.audience == condition.audience,
                audience_members.c.status.in_(("adding", "member")),
            )
        case HasConsent():
            return _consent(condition, scope)
        case Always():
            return true()
    raise DefinitionError(f"a condition of kind {type(condition).__name__} cannot be computed")


def _but_for(cause: ColumnElement[bool] | None, holds: ColumnElement[bool]) -> ColumnElement[bool]:
    """What those events may have brought about that are taken as not happened does not hold."""
    return holds if cause is None else and_(holds, not_(cause))


def _stage(test: StageTest, scope: Scope) -> ColumnElement[bool]:
    stage = scope.lead.c.stage
    if test.in_ is not None:
        return stage.in_(test.in_)
    if test.at_least is not None:
        return stage.in_([name for name in STAGES if STAGE_RANK[name] >= STAGE_RANK[test.at_least]])
    if test.below is not None:
        return stage.in_([name for name in STAGES if STAGE_RANK[name] < STAGE_RANK[test.below]])
    assert test.reached is not None
    higher = [name for name in STAGES if STAGE_RANK[name] >= STAGE_RANK[test.reached]]
    return or_(
        stage.in_(higher),
        there_is(
            stage_transitions, stage_transitions.c.lead_id == scope.lead.c.id, stage_transitions.c.to_stage.in_(higher)
        ),
    )


def _score(test: ScoreTest, table: FromClause, mine: ColumnElement[bool]) -> ColumnElement[bool]:
    points = func.coalesce(value_of(table, table.c[test.dimension], mine), 0.0)
    bounds: list[ColumnElement[bool]] = []
    if test.at_least is not None:
        bounds.append(points >= test.at_least)
    if test.below is not None:
        bounds.append(points < test.below)
    return and_(*bounds)


def _field(condition: FieldIs, scope: Scope) -> ColumnElement[bool]:
    if condition.field not in scope.fields:
        raise DefinitionError(f"the field `{condition.field}` is not in the catalogue (events.yaml, `fields`)")
    value: ColumnElement[Any] = (
        scope.lead.c[condition.field]
        if condition.field in _COLUMNS
        else json_text(scope.lead.c.attributes, literal(condition.field))
    )
    return compare(value, condition)


def compare(value: ColumnElement[Any], operators: Operators) -> ColumnElement[bool]:
    """One value against one operator; a missing value is not equal to anything and not in any list."""
    name, operand = operators.chosen()
    match name:
        case "is_set":
            present = and_(value.is_not(None), value != "")
            return func.coalesce(present if operand else not_(present), literal(not operand))
        case "is_" | "in_":
            operands = operand if name == "in_" else [operand]
            return func.coalesce(or_(*(_equals(value, each) for each in operands)), false())
        case "is_not" | "not_in":
            operands = operand if name == "not_in" else [operand]
            return not_(func.coalesce(or_(*(_equals(value, each) for each in operands)), false()))
        case "contains":
            return func.coalesce(position_of(ascii_lower(value), literal(_ascii_lower(operand))) > 0, false())
        case "starts_with":
            return func.coalesce(func.substr(value, 1, len(operand)) == operand, false())
        case "older_than":
            return func.coalesce(value <= plus_seconds(NOW, literal(-operand.seconds)), false())
        case "newer_than":
            return func.coalesce(value > plus_seconds(NOW, literal(-operand.seconds)), false())
    number = text_number(value)
    tests: dict[str, ColumnElement[bool]] = {
        "at_least": number >= operand,
        "at_most": number <= operand,
        "more_than": number > operand,
        "less_than": number < operand,
    }
    return func.coalesce(tests[name], false())


def _ascii_lower(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def _equals(value: ColumnElement[Any], operand: Any) -> ColumnElement[bool]:
    if isinstance(operand, bool):
        operand = "true" if operand else "false"
    elif isinstance(operand, (int, float)):
        value, operand = text_number(value), float(operand)
    same: ColumnElement[bool] = value == operand
    return same


def event_matches(table: FromClause, where: Mapping[str, Operators]) -> list[ColumnElement[bool]]:
    """The tests on an event's properties."""
    return [compare(json_text(table.c.properties, literal(key)), operators) for key, operators in where.items()]


def counted(test: EventTest, lead_id: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    """What makes an event one that a `did` counts for a lead; `since_entry` is left to the caller."""
    wanted = [
        events.c.lead_id == lead_id,
        # Over a period one walk through the lead's latest events beats a look-up for each of many types.
        (beside_index(events.c.type) if test.within and len(test.event) > _FEW else events.c.type).in_(test.event),
        events.c.machine.is_(False),
        events.c.occurred_at <= NOW,
        *event_matches(events, test.where),
    ]
    if test.within is not None:
        wanted.append(events.c.occurred_at > plus_seconds(NOW, literal(-test.within.seconds)))
    return wanted


def _did(test: EventTest, scope: Scope) -> ColumnElement[bool]:
    wanted = counted(test, scope.lead.c.id)
    if scope.happened is not None:
        wanted.append(scope.happened)
    if test.since_entry:
        if scope.entered_at is None:
            raise DefinitionError("`since_entry` has a meaning only inside a sequence's steps, goal and exits")
        wanted.append(events.c.occurred_at >= scope.entered_at)
    if test.at_least == 1:
        return there_is(events, *wanted)
    return value_of(events, func.count(), *wanted) >= test.at_least


def _consent(condition: HasConsent, scope: Scope) -> ColumnElement[bool]:
    mine = and_(consent_states.c.lead_id == scope.lead.c.id, consent_states.c.topic == condition.consent.topic)
    if condition.consent.is_ == "unknown":
        return not_(there_is(consent_states, mine))
    return there_is(consent_states, mine, consent_states.c.status == condition.consent.is_)
