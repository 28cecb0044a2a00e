"""The boundary of a template: plain data in, declared fields only, everything absent marked with its own name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from jinja2 import StrictUndefined

from nurture.rendering.fields import Fields, ListOf, Record, Shape, Value

MAX_ITEMS = 2_000
MAX_DEPTH = 8
MAX_GIVEN = 200
_PLAIN = (str, int, float, bool, type(None))
# Control characters, line and paragraph separators, overrides of the writing direction, halves of surrogate pairs.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BLANKS = re.compile(r"\s+")
_LINK = re.compile(r"://|\bwww\.", re.IGNORECASE)
_WEB = re.compile(r"https?://[^\s<>\"']+\Z", re.IGNORECASE)


class Missing(StrictUndefined):
    """A declared field without a value: false in a condition and in every comparison, an error where it would show."""

    __slots__ = ()

    def _is_not(self, *_: object) -> bool:
        return False

    __bool__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _is_not  # type: ignore[assignment]
    __hash__ = StrictUndefined.__hash__  # type: ignore[assignment]


def missing(path: str) -> Missing:
    """The mark of a missing field; the error that it raises is the path itself."""
    return Missing(hint=path, name=path)


Framer = Callable[[Any], Any]


def framer(fields: Fields) -> Callable[[Mapping[str, object]], dict[str, Any]]:
    """Compile the declared fields to one function from a context to what the templates see.

    The function raises TypeError when anything in the context is not plain data.
    """
    roots = {root: _framer(shape, root) for root, shape in fields.items()}
    absent = {root: frame(None) for root, frame in roots.items()}

    def frame_all(context: Mapping[str, object]) -> dict[str, Any]:
        framed = dict(absent)
        for root, value in context.items():
            if root in roots:
                framed[root] = roots[root](value)
            else:
                refuse_objects(value, root)
        return framed

    return frame_all


def refuse_objects(value: object, path: str, depth: int = 0) -> None:
    """Raise TypeError for anything but dict, list, tuple, str, int, float, bool, None, datetime and date."""
    if type(value) in _PLAIN or isinstance(value, (datetime, date)):
        return
    if depth >= MAX_DEPTH:
        raise TypeError(f"the template context is nested deeper than {MAX_DEPTH} at {path}")
    if type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise TypeError(f"the template context has a key that is not text in {path}")
            refuse_objects(item, f"{path}.{key}", depth + 1)
    elif type(value) in (list, tuple):
        for item in value:  # type: ignore[attr-defined]
            refuse_objects(item, path, depth + 1)
    else:
        raise TypeError(
            f"a template gets plain data only, and {path} is a {type(value).__module__}.{type(value).__qualname__}"
        )


def _framer(shape: Shape, path: str) -> Framer:
    if isinstance(shape, Record):
        return _record_framer(shape, path)
    if isinstance(shape, ListOf):
        return _list_framer(shape, path)
    return _value_framer(shape, path)


def _record_framer(shape: Record, path: str) -> Framer:
    parts = {name: _framer(part, f"{path}.{name}") for name, part in shape.fields.items()}
    absent = {name: frame(None) for name, frame in parts.items()}

    def frame(value: Any) -> Any:
        framed = dict(absent)
        if value is None:
            return framed
        if type(value) is not dict:
            refuse_objects(value, path)
            raise TypeError(f"the template context needs a dict as {path}")
        for name, item in value.items():
            if name in parts:
                framed[name] = parts[name](item)
            else:
                refuse_objects({name: item}, path)
        return framed

    return frame


def _list_framer(shape: ListOf, path: str) -> Framer:
    item_frame = _framer(shape.item, path)

    def frame(value: Any) -> Any:
        if value is None:
            return ()
        if type(value) not in (list, tuple):
            refuse_objects(value, path)
            raise TypeError(f"the template context needs a list as {path}")
        if len(value) > MAX_ITEMS:
            raise TypeError(f"the template context has more than {MAX_ITEMS} items in {path}")
        return tuple(item_frame(item) for item in value)

    return frame


def _number(text: str) -> Any:
    """The number that a text says; a text that says none stays, and whatever formats or compares it holds the lead."""
    try:
        found = float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return text
    if found is None or not math.isfinite(found):
        return text
    return int(found) if found.is_integer() else found


def _boolean(text: str) -> Any:
    return _TRUTH.get(text.lower(), text)


_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_TYPED: dict[str, Callable[[str], Any]] = {"number": _number, "boolean": _boolean}


def _value_framer(shape: Value, path: str) -> Framer:
    absent = missing(path)
    given = shape.kind == "given"
    url = shape.kind == "url"
    typed = _TYPED.get(shape.type)

    def frame(value: Any) -> Any:
        if type(value) is not str:
            if value is None:
                return absent
            if type(value) in _PLAIN or isinstance(value, (datetime, date)):
                return absent if url else value
            refuse_objects(value, path)
            raise TypeError(f"the template context needs a plain value as {path}")
        text = value if value.isprintable() else _UNPRINTABLE.sub(" ", value)
        if given:
            # A name with a link in it is somebody using our form to mail strangers.
            text = _BLANKS.sub(" ", text)[:MAX_GIVEN]
            if _LINK.search(text):
                return absent
        elif url and not _WEB.match(text):
            return absent
        text = text.strip()
        return (typed(text) if typed else text) if text else absent

    return frame
