"""Whether the parts of a condition hold for one lead, by the very expressions that decide in production."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, select

from db.conditions import Scope, compile_condition
from db.explain.rows import LEAD
from db.tables import leads
from nurture.conditions import AllOf, AnyOf, Condition, Not
from nurture.definitions.catalogue import ProfileField


@dataclass(frozen=True)
class Held:
    """A condition, whether it holds, and the same of its parts."""

    condition: Condition
    holds: bool
    parts: tuple[Held, ...] = ()


def truths(
    connection: Connection,
    lead_id: int,
    conditions: Mapping[str, Condition],
    fields: Mapping[str, ProfileField],
    now: datetime,
) -> dict[str, Held]:
    """For each condition whether it holds for the lead now, down to its last part; one statement."""
    parts: list[Condition] = []
    for condition in conditions.values():
        _collect(condition, parts)
    scope = Scope(fields)
    answers = iter(asked(connection, lead_id, [compile_condition(part, scope) for part in parts], now))
    return {name: _held(condition, answers) for name, condition in conditions.items()}


def asked(connection: Connection, lead_id: int, questions: Sequence[ColumnElement[bool]], now: datetime) -> list[bool]:
    """The answers to yes-or-no questions about the lead; one statement."""
    if not questions:
        return []
    columns = [question.label(f"q{place}") for place, question in enumerate(questions)]
    row = connection.execute(
        select(*columns).select_from(leads).where(leads.c.id == LEAD), {"lead": lead_id, "now": now}
    )
    return [bool(answer) for answer in row.one()]


def _inside(condition: Condition) -> list[Condition]:
    match condition:
        case AllOf():
            return list(condition.all)
        case AnyOf():
            return list(condition.any)
        case Not():
            return [condition.not_]
    return []


def _collect(condition: Condition, into: list[Condition]) -> None:
    into.append(condition)
    for part in _inside(condition):
        _collect(part, into)


def _held(condition: Condition, answers: Iterator[bool]) -> Held:
    holds = next(answers)
    return Held(condition, holds, tuple(_held(part, answers) for part in _inside(condition)))
