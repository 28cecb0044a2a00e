"""Conditions: names that exist, operators that fit the field, and conditions that are always or never true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
    StageIs,
    StageTest,
)
from nurture.lint.findings import Definitions, Finding, unknown, unknown_event
from nurture.strict_yaml import Path

_LISTS = ("in_", "not_in")
_EQUALS = ("is_", "is_not", *_LISTS)
_NUMERIC = ("at_least", "at_most", "more_than", "less_than")
_FITTING = {
    "text": (*_EQUALS, "contains", "starts_with", "is_set"),
    "number": (*_EQUALS, *_NUMERIC, "is_set"),
    "boolean": ("is_", "is_not", "is_set"),
    "date": ("is_set",),
}
HOLDS = {"text": "holds text", "number": "holds a number", "boolean": "is true or false", "date": "holds a date"}
_FITTING_CREATED_AT = ("older_than", "newer_than", "is_set")
_OPERANDS: dict[str, tuple[type, ...]] = {"text": (str,), "number": (int, float), "boolean": (bool,)}


def parts_of(condition: Condition, path: Path) -> Iterator[tuple[Condition, Path]]:
    """The condition and every condition inside it, with their places."""
    yield condition, path
    if isinstance(condition, AllOf):
        for index, part in enumerate(condition.all):
            yield from parts_of(part, (*path, "all", index))
    elif isinstance(condition, AnyOf):
        for index, part in enumerate(condition.any):
            yield from parts_of(part, (*path, "any", index))
    elif isinstance(condition, Not):
        yield from parts_of(condition.not_, (*path, "not"))


def lint_condition(
    condition: Condition, document: str, path: Path, definitions: Definitions, in_sequence: bool = False
) -> Iterator[Finding]:
    """What is wrong with one condition; `in_sequence` where a lead has an entry to count from."""
    names = definitions.names
    for part, place in parts_of(condition, path):
        if isinstance(part, Did):
            yield from lint_event_test(part.did, document, (*place, "did"), definitions, in_sequence)
        elif isinstance(part, FieldIs):
            yield from _field(part, document, place, definitions)
        elif isinstance(part, InAudience):
            yield from unknown(
                document, (*place, "audience"), "audience", part.audience, names.audiences, "audiences.yaml"
            )
        elif isinstance(part, HasConsent):
            yield from unknown(
                document,
                (*place, "consent", "topic"),
                "topic",
                part.consent.topic,
                names.topics,
                "events.yaml, `topics`",
            )
        elif isinstance(part, AccountScoreIs):
            yield from _account_score(document, place, definitions)
        if isinstance(part, (ScoreIs, AccountScoreIs)):
            yield from _empty_range(part, document, place)


def lint_event_test(
    test: EventTest, document: str, path: Path, definitions: Definitions, in_sequence: bool
) -> Iterator[Finding]:
    """What is wrong with a `did` or an `until`."""
    for index, name in enumerate(test.event):
        yield from unknown_event(
            document, (*path, "event", index), name, definitions.names, True, definitions.catalogue
        )
    if test.since_entry and not in_sequence:
        yield Finding(
            document,
            (*path, "since_entry"),
            "since-entry-outside-sequence",
            "`since_entry` counts from the entry into a sequence, and there is none here",
            "use `within: <duration>`",
            key=True,
        )
    if test.within is not None and test.within.seconds == 0:
        yield Finding(
            document,
            (*path, "within"),
            "zero-duration",
            "`within` no time at all nothing happens",
            "write a duration like `30 days`",
        )
    yield from lint_where(test.where, document, (*path, "where"))


def lint_where(where: dict[str, Operators], document: str, path: Path) -> Iterator[Finding]:
    """Tests of event properties, which have no declared types."""
    for name, operators in where.items():
        operator, _ = operators.chosen()
        if operator in ("older_than", "newer_than"):
            yield Finding(
                document,
                (*path, name, operator),
                "wrong-operator",
                f"`{operator}` asks for the age of a lead, not for a property of an event",
                "use `within` to ask for recent events",
                key=True,
            )


def _field(condition: FieldIs, document: str, path: Path, definitions: Definitions) -> Iterator[Finding]:
    fields = definitions.names.fields
    if fields is None:
        return
    if condition.field not in fields:
        yield from unknown(document, (*path, "field"), "field", condition.field, fields, "events.yaml, `fields`")
        return
    kind = fields[condition.field]
    operator, operand = condition.chosen()
    shown = operator.rstrip("_")
    allowed = _FITTING_CREATED_AT if condition.field == "created_at" else _FITTING[kind]
    if operator not in allowed:
        fitting = ", ".join(each.rstrip("_") for each in allowed)
        yield Finding(
            document,
            (*path, shown),
            "wrong-operator",
            f"`{shown}` does not fit `{condition.field}`, which {HOLDS[kind]}",
            f"use one of: {fitting}",
            key=True,
        )
    elif operator in _EQUALS:
        yield from _operands(
            operand if operator in _LISTS else [operand], kind, condition.field, document, (*path, shown)
        )


def _operands(operands: list[Any], kind: str, field: str, document: str, path: Path) -> Iterator[Finding]:
    remedies = {
        "text": "put quotes round it",
        "number": "write a number without quotes",
        "boolean": "write true or false",
    }
    for index, value in enumerate(operands):
        if not fits(value, kind):
            yield Finding(
                document,
                (*path, index),
                "wrong-type",
                f"`{field}` {HOLDS[kind]}, and `{value}` is something else",
                remedies[kind],
            )


def fits(value: Any, kind: str) -> bool:
    """Whether a field of this type can hold the value."""
    return kind == "date" or (isinstance(value, _OPERANDS[kind]) and (kind == "boolean" or not isinstance(value, bool)))


def _account_score(document: str, path: Path, definitions: Definitions) -> Iterator[Finding]:
    lifecycle = definitions.lifecycle
    if lifecycle is not None and not any(profile.account_scores for profile in lifecycle.profiles.values()):
        yield Finding(
            document,
            (*path, "account_score"),
            "account-scores-off",
            "no profile adds up scores per account",
            "set `account_scores: true` in a profile of lifecycle.yaml",
            key=True,
        )


def _empty_range(part: ScoreIs | AccountScoreIs, document: str, path: Path) -> Iterator[Finding]:
    name, test = ("score", part.score) if isinstance(part, ScoreIs) else ("account_score", part.account_score)
    if test.at_least is not None and test.below is not None and test.at_least >= test.below:
        yield Finding(
            document,
            (*path, name),
            "never-true",
            f"no score is at least {test.at_least:g} and below {test.below:g}",
            "swap the two",
            key=True,
        )


def truth(condition: Condition) -> bool | None:
    """True or False when the condition is so for every lead, whatever it does; else None."""
    match condition:
        case Always():
            return True
        case Not():
            inside = truth(condition.not_)
            return None if inside is None else not inside
        case AllOf():
            each = [truth(part) for part in condition.all]
            return False if False in each else True if all(each) else None
        case AnyOf():
            each = [truth(part) for part in condition.any]
            return True if True in each else False if all(value is False for value in each) else None
        case StageIs():
            return {len(STAGES): True, 0: False}.get(len(_stages_in(condition.stage)))
    return None


def _stages_in(test: StageTest) -> set[str]:
    """The present stages at which the test holds for sure."""
    if test.in_ is not None:
        return set(test.in_)
    if test.below is not None:
        return {stage for stage in STAGES if STAGE_RANK[stage] < STAGE_RANK[test.below]}
    lowest = test.at_least or test.reached
    return {stage for stage in STAGES if lowest is not None and STAGE_RANK[stage] >= STAGE_RANK[lowest]}
