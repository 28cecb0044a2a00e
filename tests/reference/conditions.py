"""The part of the condition language that fit rules may use, said once more in plain loops."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nurture.conditions import AllOf, Always, AnyOf, Condition, Did, EventTest, FieldIs, Not, Operators


@dataclass(frozen=True)
class Happened:
    """One event of a lead."""

    type: str
    at: datetime
    properties: Mapping[str, Any] = field(default_factory=dict)
    machine: bool = False
    tiebreak: int = 0  # orders what happened at one instant


def holds(condition: Condition, lead: Mapping[str, Any], seen: list[Happened], at: datetime) -> bool:
    """Whether a condition of a fit rule is true at an instant."""
    match condition:
        case AllOf():
            return all(holds(part, lead, seen, at) for part in condition.all)
        case AnyOf():
            return any(holds(part, lead, seen, at) for part in condition.any)
        case Not():
            return not holds(condition.not_, lead, seen, at)
        case Did():
            return did(condition.did, seen, at)
        case FieldIs():
            return compare(lead.get(condition.field), condition, at)
        case Always():
            return True
    raise AssertionError(f"a fit rule does not ask for {condition}")


def did(test: EventTest, seen: list[Happened], at: datetime) -> bool:
    """Whether enough such events have happened, lately if that is asked for."""
    found = [each for each in seen if each.type in test.event and fits(each, test.where)]
    if test.within is not None:
        found = [each for each in found if each.at > at - test.within.total]
    return len(found) >= test.at_least


def fits(event: Happened, where: Mapping[str, Operators]) -> bool:
    """Whether an event has these properties."""
    return all(compare(event.properties.get(name), test, event.at) for name, test in where.items())


def compare(value: Any, test: Operators, at: datetime) -> bool:
    """One value against one operator; what is missing equals nothing."""
    name, operand = test.chosen()
    text = None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    match name:
        case "is_" | "in_":
            return any(same(text, each) for each in (operand if name == "in_" else [operand]))
        case "is_not" | "not_in":
            return not any(same(text, each) for each in (operand if name == "not_in" else [operand]))
        case "is_set":
            return (text not in (None, "")) == operand
        case "contains":
            return text is not None and operand.lower() in text.lower()
        case "older_than":
            return isinstance(value, datetime) and at - value >= operand.total
        case "newer_than":
            return isinstance(value, datetime) and at - value < operand.total
    number = as_number(text)
    if number is None:
        return False
    if name in ("at_least", "more_than"):
        return number > operand or (name == "at_least" and number == operand)
    return number < operand or (name == "at_most" and number == operand)


def same(text: str | None, operand: Any) -> bool:
    """Whether a value says what the definition says; numbers are compared as numbers."""
    if isinstance(operand, (int, float)) and not isinstance(operand, bool):
        return as_number(text) == operand
    return text == (str(operand).lower() if isinstance(operand, bool) else operand)


def as_number(text: str | None) -> float | None:
    """A text as a number, when it is one."""
    return float(text) if text is not None and re.fullmatch(r"-?\d+(\.\d+)?", text) else None
