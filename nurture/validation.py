"""pydantic's errors as problems: one clear sentence each, with the place in the file and the nearest valid name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nurture.conditions import KEYS, STAGES
from nurture.definitions.sequences import STEP_KINDS
from nurture.problems import Problem, did_you_mean, nearest
from nurture.strict_yaml import MAX_PROBLEMS, Loaded, Path

# What pydantic puts into a location beside the keys of the file: the kind of a condition, step or wait.
_CONDITION_AT = ("when", "if", "goal", "only_if", "not")
_TAGS = frozenset((*KEYS, *STEP_KINDS, "duration", "until"))
_SCALARS = frozenset(("str", "int", "float", "bool"))
_MOST_SHOWN = 40

_KINDS = {
    "string_type": "text",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of names and values",
    "model_type": "a mapping of names and values",
    "model_attributes_type": "a mapping of names and values",
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_COUNTS = {"too_short": "at least", "too_long": "at most"}


Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], loaded: Loaded, file: str) -> tuple[Model | None, list[Problem]]:
    """The file as a model, or None with the reasons."""
    try:
        return model.model_validate({} if loaded.data is None else loaded.data), []
    except ValidationError as error:
        return None, problems_of(error, loaded, file)


def problems_of(error: ValidationError, loaded: Loaded, file: str) -> list[Problem]:
    """One problem for each place that is wrong; values that the loader has already complained about are passed over."""
    problems: dict[Path, Problem] = {}
    for detail in error.errors(include_url=False):
        if len(problems) >= MAX_PROBLEMS:
            break
        path, rest = _path_of(detail["loc"], loaded.data)
        if any(path[:end] in loaded.doubtful for end in range(len(path) + 1)):
            continue
        scalar_choice = bool(detail["loc"]) and detail["loc"][-1] in _SCALARS and rest in _SCALARS
        for place, key, code, message, remedy in _explain(
            detail, path, rest, _value_at(loaded.data, path), scalar_choice
        ):
            if place not in problems:
                line, column = loaded.positions.of(place, key)
                problems[place] = Problem(file, line, column, code, "error", message, remedy)
    return list(problems.values())


def empty_values(loaded: Loaded, file: str) -> list[Problem]:
    """A warning for each option that is written and left empty; `to: null` says that a field is cleared."""
    problems = []
    for path in loaded.empty:
        if path[-1] != "to":
            line, column = loaded.positions.of(path, key=True)
            message, remedy = f"{_name_of(path)} is empty", "give it a value, or delete the line"
            problems.append(Problem(file, line, column, "left-empty", "warning", message, remedy))
    return problems


Explained = tuple[Path, bool, str, str, str]


def _path_of(location: tuple[int | str, ...], data: Any) -> tuple[Path, str]:
    """The path in the file, and the last part of the location when the file has nothing there."""
    path: Path = ()
    tagged = False
    for index, part in enumerate(location):
        if isinstance(part, str) and part in _TAGS and not tagged and _takes_tag(path):
            tagged = True
        elif _has(data, part):
            path, data, tagged = (*path, part), data[part], False
        elif index == len(location) - 1 and isinstance(part, str):
            return path, part
    return path, ""


def _has(data: Any, part: int | str) -> bool:
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


def _takes_tag(path: Path) -> bool:
    if not path:
        return False
    if isinstance(path[-1], int):
        return len(path) > 1 and path[-2] in ("all", "any", "steps")
    return path[-1] in _CONDITION_AT or path[-1] == "wait"


def _value_at(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part] if isinstance(data, dict) else data[int(part)]
    return data


def _explain(detail: ErrorDetails, path: Path, rest: str, value: Any, scalar_choice: bool) -> list[Explained]:
    """Place, whether the key is meant, code, message and remedy."""
    kind = detail["type"]
    name = _name_of(path)
    context = detail.get("ctx", {})
    if kind == "unknown_option":
        return [
            (
                (*path, key),
                True,
                "unknown-option",
                f"unknown option `{_short(key)}`" + _inside(path),
                did_you_mean(key, [each for each in context["known"] if each not in value]),
            )
            for key in context["unknown"]
        ]
    if kind == "no_timeout":
        return [(path, False, "no-timeout", detail["msg"], "add `timeout: <duration>`")]
    if kind in ("condition", "step"):
        return [_no_single_key(kind, path, value)]
    if kind == "missing":
        return [((*path, rest), False, "missing-option", f"`{rest}` is missing" + _inside(path), f"add `{rest}: ...`")]
    if value is None:
        return [(path, True, "empty-value", f"{name} is empty", "give it a value, or delete the line")]
    if scalar_choice:
        return [(path, False, "wrong-type", f"{name} must be text, a number, or true or false", "")]
    if kind == "literal_error":
        return [_not_listed(path, name, value, context)]
    if kind in _KINDS:
        return [
            (path, False, "wrong-type", f"{name} must be {_KINDS[kind]}, not {_short(value)}", _other_type(kind, value))
        ]
    return [(path, False, "wrong-value", *_other(kind, name, detail, context))]


def _other(kind: str, name: str, detail: ErrorDetails, context: dict[str, Any]) -> tuple[str, str]:
    if kind == "value_error":
        said = str(context.get("error", detail["msg"]))
        message, _, remedy = said.partition("; ")
        return (message if "`" in message else f"{name}: {message}"), remedy
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{name} must be {words} {context[key]:g}", ""
    if kind in _COUNTS:
        limit = context.get("min_length", context.get("max_length", 1))
        return f"{name} must have {_COUNTS[kind]} {limit} part{'' if limit == 1 else 's'}", ""
    if kind == "string_pattern_mismatch":
        return f"{name} is not written as it should be", ""
    return f"{name}: {detail['msg']}", ""


def _no_single_key(kind: str, path: Path, value: Any) -> Explained:
    known = KEYS if kind == "condition" else STEP_KINDS
    listed = ", ".join(known)
    if not isinstance(value, dict):
        return path, False, kind, f"{_name_of(path)} must be a {kind}", f"write a mapping with one of: {listed}"
    found = [key for key in value if key in known]
    if len(found) > 1:
        remedy = (
            "join conditions with `all` or `any`" if kind == "condition" else "make each a step with an `id` of its own"
        )
        both = ", ".join(f"`{key}`" for key in found)
        return (*path, found[1]), True, kind, f"one {kind} has several kinds: {both}", remedy
    others = [key for key in value if not (kind == "step" and key == "id")]
    if not others:
        return path, False, kind, f"a {kind} that does nothing", f"add one of: {listed}"
    wrong = next((key for key in others if nearest(key, known)), others[0])
    return (
        (*path, wrong),
        True,
        f"unknown-{kind}",
        f"`{_short(wrong)}` is not a {kind}",
        did_you_mean(wrong, known) or f"use one of: {listed}",
    )


def _not_listed(path: Path, name: str, value: Any, context: dict[str, Any]) -> Explained:
    allowed = re.findall(r"'([^']*)'", str(context.get("expected", "")))
    if set(allowed) == set(STAGES):
        return path, False, "unknown-stage", f"unknown stage `{_short(value)}`", did_you_mean(value, allowed)
    if not allowed:
        return path, False, "unknown-value", f"{name} must be {str(context.get('expected')).lower()}", ""
    return path, False, "unknown-value", f"{name} cannot be `{_short(value)}`", did_you_mean(value, allowed)


def _other_type(kind: str, value: Any) -> str:
    looks: dict[str, Callable[[], str]] = {
        "string_type": lambda: "put quotes round it" if isinstance(value, (int, float)) else "",
        "list_type": lambda: "put `- ` before each item, or `[ ]` round them",
        "bool_type": lambda: "write true or false without quotes",
    }
    if kind in looks:
        return looks[kind]()
    number = isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value)
    return "delete the quotes" if number and kind in ("float_type", "int_type") else ""


def _name_of(path: Path) -> str:
    """How a place is called in a sentence."""
    if not path:
        return "the file"
    if isinstance(path[-1], int):
        return f"item {path[-1] + 1} of {_name_of(path[:-1])}"
    return f"`{_short(path[-1])}`"


def _inside(path: Path) -> str:
    return "" if not path else f" in {_name_of(path)}"


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = " ".join(str(value).split())
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."
