"""Conditions as people would say them, with whether each part holds for a lead and what it is about that lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from db.explain import Held
from nurture.conditions import (
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
from nurture.definitions.bundle import Bundle
from tasks.wording import event_label, stage_label

_FEW = 6
_OPERATORS = {
    "is_": "is",
    "is_not": "is not",
    "in_": "is one of",
    "not_in": "is none of",
    "contains": "contains",
    "starts_with": "starts with",
    "at_least": "is at least",
    "at_most": "is at most",
    "more_than": "is more than",
    "less_than": "is less than",
    "older_than": "is older than",
    "newer_than": "is newer than",
}


@dataclass(frozen=True)
class About:
    """What is known of the lead that a condition may ask for."""

    stage: str
    score: Mapping[str, Any]
    row: Mapping[str, Any]


def tree(bundle: Bundle, held: Held, about: About) -> dict[str, Any]:
    """The condition with `says`, `holds`, `now` where a value is behind it, and its `parts`."""
    told: dict[str, Any] = {"says": said(bundle, held.condition), "holds": held.holds}
    present = _present(held.condition, about)
    if present is not None:
        told["now"] = present
    if held.parts:
        told["parts"] = [tree(bundle, part, about) for part in held.parts]
    return told


def said(bundle: Bundle, condition: Condition) -> str:
    """One condition in words; of those with parts only what joins them."""
    match condition:
        case AllOf():
            return "all of these"
        case AnyOf():
            return "any of these"
        case Not():
            return "not this"
        case StageIs():
            return _stage(condition.stage)
        case ScoreIs():
            return _score(condition.score, "score")
        case AccountScoreIs():
            return _score(condition.account_score, "score of the account")
        case FieldIs():
            return _field(bundle, condition)
        case Did():
            return event_in_words(bundle, condition.did)
        case InAudience():
            return f"is a member of the audience {condition.audience}"
        case HasConsent():
            return _consent(bundle, condition)
        case Always():
            return "always"
    return type(condition).__name__


def event_in_words(bundle: Bundle, test: EventTest, *, most: int = _FEW) -> str:
    """Which events are asked for, how often, since when; more than `most` types are a kind of activity."""
    words = "has done " + any_of(bundle, test.event, most)
    if test.at_least > 1:
        words += f", {test.at_least} times or more"
    if test.within is not None:
        words += f", within {test.within.text}"
    if test.since_entry:
        words += ", since it entered"
    for name, operators in test.where.items():
        words += f", where {name} {_operators(operators)}"
    return words


def any_of(bundle: Bundle, kinds: list[str], most: int = _FEW) -> str:
    """Event types by their labels; very many are a sign of life."""
    names = [event_label(bundle, kind) for kind in kinds]
    if len(names) > most:
        return f"any of {len(names)} kinds of activity"
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" or {names[-1]}"


def _stage(test: StageTest) -> str:
    if test.in_ is not None:
        return "the stage is " + " or ".join(stage_label(each) for each in test.in_)
    if test.at_least is not None:
        return f"the stage is {stage_label(test.at_least)} or higher"
    if test.below is not None:
        return f"the stage is below {stage_label(test.below)}"
    return f"has ever reached {stage_label(test.reached or '')}"


def _score(test: ScoreTest, name: str) -> str:
    bounds = []
    if test.at_least is not None:
        bounds.append(f"at least {test.at_least:g}")
    if test.below is not None:
        bounds.append(f"below {test.below:g}")
    return f"the {test.dimension} {name} is " + " and ".join(bounds)


def _field(bundle: Bundle, condition: FieldIs) -> str:
    known = bundle.fields.get(condition.field)
    return f"{(known.label if known else '') or condition.field} {_operators(condition)}"


def _operators(operators: Operators) -> str:
    name, operand = operators.chosen()
    if name == "is_set":
        return "is known" if operand else "is not known"
    if isinstance(operand, list):
        shown = ", ".join(str(each) for each in operand)
    else:
        shown = str(getattr(operand, "text", operand))
    return f"{_OPERATORS[name]} {shown}"


def _consent(bundle: Bundle, condition: HasConsent) -> str:
    topic = bundle.catalogue.topics.get(condition.consent.topic)
    name = topic.label if topic else condition.consent.topic
    match condition.consent.is_:
        case "granted":
            return f"has consented to {name}"
        case "withdrawn":
            return f"has withdrawn its consent to {name}"
    return f"has said nothing about {name}"


def _present(condition: Condition, about: About) -> Any:
    match condition:
        case StageIs():
            return about.stage
        case ScoreIs():
            return about.score.get(condition.score.dimension)
        case AccountScoreIs():
            return about.row.get(f"account_{condition.account_score.dimension}")
        case FieldIs():
            row = about.row
            return row[condition.field] if condition.field in row else (row["attributes"] or {}).get(condition.field)
    return None
