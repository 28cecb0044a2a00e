"""Bodies taken apart patiently: one poisoned part is refused with its reason and never keeps the others away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from connectors.email.webhooks.base import Delivered, ProviderFact, RefusedFact
from nurture.errors import RefusedRow

MAX_DEPTH = 64
MAX_FIELDS = 1_000

# A string, or one sign: all that is needed to see where the parts of a list begin and end.
# The closing sign is optional, so that a string without one costs one pass and not one for each quotation mark.
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{},]', re.DOTALL)

_BOUNDARY = re.compile(r"""boundary=(?:"([^"\r\n]{1,200})"|([^\s;"]{1,200}))""", re.IGNORECASE)
_DISPOSITION = re.compile(
    rb'^content-disposition: *form-data;[^\r\n]*?\bname="([^"\r\n]*)"[^\r\n]*', re.IGNORECASE | re.MULTILINE
)
_QUOTED = re.compile(rb'"[^"]*"')

Translate = Callable[[Mapping[str, Any]], Iterable[ProviderFact]]


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by their names in lower case, whatever kind of mapping they came in."""
    return {str(name).lower(): str(value) for name, value in headers.items()}


def json_parts(body: bytes) -> list[Mapping[str, Any] | RefusedFact]:
    """The objects of a JSON body that is one object or a list of them."""
    found = parsed(body)
    if found is None or not _shallow(found):
        return [_part(each) for each in _elements(body)]
    return [_checked(each, None) for each in (found if isinstance(found, list) else [found])]


def parsed(body: bytes | str) -> Any:
    """A JSON body as it stands, or None."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def is_form(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a body is a form; without a content type its first character tells."""
    kind = lowered(headers).get("content-type", "").lower()
    if kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        return True
    return "json" not in kind and not body.lstrip().startswith((b"{", b"["))


def form_of(headers: Mapping[str, str], body: bytes) -> dict[str, list[str]]:
    """The fields of a form, each with its values in their order; raises RefusedRow."""
    kind = lowered(headers).get("content-type", "")
    try:
        if kind.lower().startswith("multipart/form-data"):
            pairs = _multipart(kind, body)
        else:
            text = body.decode("utf-8", "replace")
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="replace")
    except ValueError as error:
        raise RefusedRow("bad-form", f"the body is not a form that can be read ({type(error).__name__})") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def _multipart(kind: str, body: bytes) -> list[tuple[str, str]]:
    """Text fields alone; the content of attached files is nobody's business here.

    Forms are flat, so a part is never looked into: a reader of mail would follow parts in parts, at a stranger's will.
    """
    boundary = _BOUNDARY.search(kind)
    if boundary is None:
        raise ValueError("no boundary")
    parts = (b"\r\n" + body).split(b"\r\n--" + (boundary[1] or boundary[2]).encode(), MAX_FIELDS + 2)
    if not 2 < len(parts) <= MAX_FIELDS + 2:
        raise ValueError("no parts, or too many")
    pairs = []
    for part in parts[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        named = _DISPOSITION.search(head)
        if named is None:
            continue
        is_file = b"filename" in _QUOTED.sub(b"", named[0])
        pairs.append((named[1].decode("utf-8", "replace"), "" if is_file else content.decode("utf-8", "replace")))
    return pairs


def _elements(body: bytes) -> Iterator[bytes]:
    """The parts of the outermost list, uncut; a body that is no list is one part."""
    text = body.strip()
    if not (text.startswith(b"[") and text.endswith(b"]")):
        yield body
        return
    depth, start = 0, 1
    for token in _TOKENS.finditer(text):
        sign = token[0]
        if sign == b"," and depth == 1:
            yield text[start : token.start()]
            start = token.end()
        elif sign in (b"[", b"{"):
            depth += 1
        elif sign in (b"]", b"}"):
            depth -= 1
    yield text[start:-1]


def _part(text: bytes) -> Mapping[str, Any] | RefusedFact:
    try:
        return _checked(orjson.loads(text), text)
    except orjson.JSONDecodeError:
        return RefusedFact("not-json", "this part is not JSON that can be read", text)


def _checked(found: Any, text: bytes | None) -> Mapping[str, Any] | RefusedFact:
    if text is not None and not _shallow(found):
        return RefusedFact("too-deep", f"this part is nested more than {MAX_DEPTH} levels deep", text)
    if not isinstance(found, dict):
        raw = text if text is not None else orjson.dumps(found)
        return RefusedFact("not-an-object", "this part is no object with names and values", raw)
    return found


def _shallow(found: Any) -> bool:
    level = [found]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return True
    return False


def translated(parts: Iterable[Mapping[str, Any] | RefusedFact], translate: Translate) -> Delivered:
    """Every part as facts or refused."""
    facts: list[ProviderFact] = []
    refused: list[RefusedFact] = []
    for part in parts:
        if isinstance(part, RefusedFact):
            refused.append(part)
            continue
        try:
            facts += translate(part)
        except RefusedRow as error:
            refused.append(refusal(error, part))
        except Exception as error:
            # The last net: what a provider invents tomorrow must not cost the other facts of its request.
            message = f"this part cannot be read ({type(error).__name__})"
            refused.append(RefusedFact("unreadable", message, part))
    return Delivered(tuple(facts), tuple(refused))


def refusal(error: RefusedRow, raw: bytes | Mapping[str, Any]) -> RefusedFact:
    """A refused part, from the error that says why."""
    return RefusedFact(error.reason, str(error), raw)
