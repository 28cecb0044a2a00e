"""Render a Markdown document for sales from plain data; no value can become markup, and no gap stops it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, Undefined

from nurture.errors import RenderRefused, UnsafeTemplate
from nurture.problems import as_text, errors_in
from nurture.rendering.boundary import framer
from nurture.rendering.environment import build_environment
from nurture.rendering.fields import BRIEF_FIELDS, Fields
from nurture.rendering.lint import template_problems

NOT_KNOWN = "not known"
_MARKUP = re.compile(r"[\\`*{}\[\]|~]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.")
_AT_START = re.compile(r"\A(?:[-+=#]|\d+(?=[.)]))")
_TAGS = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_EMPTY_LINES = re.compile(r"\n{3,}")


def escape_markdown(text: str) -> str:
    """The text so that Markdown shows it as it is, on one line: no markup, no tags, no links."""
    line = " ".join(text.split())
    for sign, entity in _TAGS.items():
        line = line.replace(sign, entity)
    line = _MARKUP.sub(lambda found: "\\" + found.group(), line)
    start = _AT_START.match(line)
    if start is None:
        return line
    return line[: start.end()] + "\\" + line[start.end() :] if start.group().isdigit() else "\\" + line


def render_markdown(
    template: str, context: Mapping[str, object], fields: Fields = BRIEF_FIELDS, file: str = "sales/brief.md"
) -> str:
    """Render a Markdown template; a missing value shows as "not known".

    Raises UnsafeTemplate when the template breaks the rules, TypeError when the context is not plain data.
    """
    compiled, frame = _compile(template, _Key(fields), file)
    try:
        text = compiled.render(frame(context))
    except (TemplateError, ValueError, ArithmeticError) as error:
        raise RenderRefused(f"{file} cannot be rendered for this lead ({type(error).__name__})") from None
    return _EMPTY_LINES.sub("\n\n", text).strip() + "\n"


class _Key:
    """Fields as part of a cache key: the same object is the same key."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.fields is self.fields

    def __hash__(self) -> int:
        return id(self.fields)


@lru_cache(maxsize=32)
def _compile(template: str, key: _Key, file: str) -> tuple[Template, Callable[[Mapping[str, object]], dict[str, Any]]]:
    errors = errors_in(template_problems(template, file, key.fields))
    if errors:
        raise UnsafeTemplate(as_text(errors))
    environment = build_environment({file: template}, finalize=_show)
    return environment.get_template(file), framer(key.fields)


def _show(value: Any) -> Any:
    if isinstance(value, Undefined):
        return NOT_KNOWN
    if isinstance(value, str):
        return escape_markdown(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} {value.tzname() or ''}".rstrip()
    if isinstance(value, date):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return value
