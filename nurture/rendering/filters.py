"""The filters and tests that a template may use: small, bounded, and silent about missing fields.

A missing field passes through, so `{{ lead.first_name | title | default("there") }}` means what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Undefined
from markupsafe import Markup, escape

from nurture.rendering.boundary import missing
from nurture.rendering.local_formats import (
    CURRENCIES,
    DATE_STYLES,
    DATETIME_STYLES,
    TIME_STYLES,
    date_filter,
    datetime_filter,
    money_filter,
    number_filter,
    percent_filter,
    time_filter,
)


@dataclass(frozen=True, slots=True)
class FilterRule:
    """How a filter may be written: how many arguments, which names, and what each, being a constant, must be."""

    example: str
    least: int = 0
    most: int = 0
    names: tuple[str, ...] = ()
    allows: tuple[Callable[[Any], bool], ...] = ()


def default(value: Any, instead: Any = "", boolean: bool = False) -> Any:
    """Something else when the field is missing, or, with `true` as second argument, when it is empty or zero."""
    return instead if isinstance(value, Undefined) or (boolean and not value) else value


def _on_text(change: Callable[[str], str]) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, Undefined) else change(_text(value))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def truncate(value: Any, length: int = 80) -> Any:
    """At most so many characters, cut between words where that loses little."""
    if isinstance(value, Undefined):
        return value
    text = _text(value)
    if len(text) <= length:
        return text
    cut = text[: length - 1]
    word = cut.rpartition(" ")[0]
    return (word if len(word) > length // 2 else cut).rstrip() + "…"


def join(values: Any, separator: str = ", ") -> Any:
    """The items of a list in one line; what is not markup is escaped where the list holds any."""
    if isinstance(values, (Undefined, str)):
        return values
    items = [item for item in values if not isinstance(item, Undefined)]
    if any(isinstance(item, Markup) for item in items):
        return escape(separator).join(items)
    return separator.join(_text(item) for item in items)


def length(value: Any) -> Any:
    """How many items or characters."""
    return value if isinstance(value, Undefined) else len(value)


def first(values: Sequence[Any]) -> Any:
    """The first item."""
    return values if isinstance(values, Undefined) else (values[0] if values else missing("the first item"))


def last(values: Sequence[Any]) -> Any:
    """The last item."""
    return values if isinstance(values, Undefined) else (values[-1] if values else missing("the last item"))


def _escape(value: Any) -> Any:
    return value if isinstance(value, Undefined) else escape(value)


FILTERS: dict[str, Callable[..., Any]] = {
    "default": default,
    "e": _escape,
    "escape": _escape,
    "upper": _on_text(str.upper),
    "lower": _on_text(str.lower),
    # Unlike Jinja2's own, `title` leaves the inner capitals of McDonald and IBM alone.
    "title": _on_text(lambda text: " ".join(word[:1].upper() + word[1:] for word in text.split(" "))),
    "capitalize": _on_text(str.capitalize),
    "trim": _on_text(str.strip),
    "truncate": truncate,
    "date": date_filter,
    "time": time_filter,
    "datetime": datetime_filter,
    "number": number_filter,
    "percent": percent_filter,
    "money": money_filter,
    "join": join,
    "length": length,
    "first": first,
    "last": last,
}


def _decimals(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 6


def _currency(value: Any) -> bool:
    return value in CURRENCIES


FILTER_RULES: Mapping[str, FilterRule] = {
    "default": FilterRule('default("there")', 1, 2, ("boolean",)),
    "e": FilterRule("e"),
    "escape": FilterRule("escape"),
    "upper": FilterRule("upper"),
    "lower": FilterRule("lower"),
    "title": FilterRule("title"),
    "capitalize": FilterRule("capitalize"),
    "trim": FilterRule("trim"),
    "truncate": FilterRule("truncate(60)", 1, 1, ("length",), (lambda n: type(n) is int and 1 < n <= 1_000,)),
    "date": FilterRule('date("long")', 0, 1, ("style",), (lambda style: style in DATE_STYLES,)),
    "time": FilterRule('time("zone")', 0, 1, ("style",), (lambda style: style in TIME_STYLES,)),
    "datetime": FilterRule('datetime("long")', 0, 1, ("style",), (lambda style: style in DATETIME_STYLES,)),
    "number": FilterRule("number(2)", 0, 1, ("decimals",), (_decimals,)),
    "percent": FilterRule("percent(1)", 0, 1, ("decimals",), (_decimals,)),
    "money": FilterRule('money("EUR")', 1, 2, ("currency", "decimals"), (_currency, _decimals)),
    "join": FilterRule('join(", ")', 0, 1, ("separator",), (lambda text: type(text) is str and len(text) <= 20,)),
    "length": FilterRule("length"),
    "first": FilterRule("first"),
    "last": FilterRule("last"),
}

TESTS: dict[str, Callable[[Any], bool]] = {
    "defined": lambda value: not isinstance(value, Undefined),
    "undefined": lambda value: isinstance(value, Undefined),
    "none": lambda value: value is None or isinstance(value, Undefined),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, (int, float)),
    "even": lambda value: value % 2 == 0,
    "odd": lambda value: value % 2 == 1,
}
