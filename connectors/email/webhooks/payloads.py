"""Bodies taken apart patiently: one poisoned part is refused with its reason and never keeps the others away."""

from __future__ import annotations

import email.message
import email.parser
import email.policy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parseaddr, parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson

from connectors.email.base import provider_text
from connectors.email.webhooks.base import Delivered, Meaning, ProviderFact, RefusedFact
from nurture.errors import RefusedRow
from nurture.keys import record_digest
from nurture.normalise import instant

MAX_DEPTH = 64
MAX_FIELDS = 1_000
TEXT_LIMIT, URL_LIMIT, ADDRESS_LIMIT = 300, 2_000, 320
KEY_HEADERS = ("x-ripen-message", "message-id")
REPLY_HEADERS = ("in-reply-to", "references")

_KEY = re.compile(r"<?([0-9a-f]{40})(?:@[^<>@\s]+)?>?", re.ASCII)
# A string, or one sign: all that is needed to see where the parts of a list begin and end.
# The closing sign is optional, so that a string without one costs one pass and not one for each quotation mark.
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{},]', re.DOTALL)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")

Translate = Callable[[Mapping[str, Any]], Iterable[ProviderFact]]


# --- Bodies -----------------------------------------------------------------------------------------------------------


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
    except Exception as error:
        # The reader of multipart bodies has many ways to fail on hostile ones, too deep ones among them.
        raise RefusedRow("bad-form", f"the body is not a form that can be read ({type(error).__name__})") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def _multipart(kind: str, body: bytes) -> list[tuple[str, str]]:
    """Text fields alone; the content of attached files is nobody's business here."""
    head = f"Content-Type: {' '.join(kind.split())}\r\n\r\n".encode("utf-8", "replace")
    message = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(head + body)
    parts = message.get_payload()
    if not message.is_multipart() or not isinstance(parts, list):
        raise ValueError("no parts")
    if len(parts) > MAX_FIELDS:
        raise ValueError("too many parts")
    pairs = []
    for part in parts:
        if not isinstance(part, email.message.Message):
            continue
        name = part.get_param("name", header="content-disposition")
        if not isinstance(name, str):
            continue
        content = part.get_payload(decode=True)
        given = content.decode("utf-8", "replace") if isinstance(content, bytes) else ""
        pairs.append((name, given if part.get_filename() is None else ""))
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


# --- Values -----------------------------------------------------------------------------------------------------------


def at(found: Any, *path: str) -> Any:
    """What lies under these names, one below the other; None where there is nothing of the kind."""
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def words(value: Any, limit: int = TEXT_LIMIT) -> str | None:
    """A text or number as one line without control characters, or None."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    return " ".join(_UNPRINTABLE.sub(" ", value[: limit * 4]).split())[:limit] or None


def address(value: Any) -> str | None:
    """The bare address in `Name <address>`, or None."""
    given = words(value, ADDRESS_LIMIT * 2)
    if given is None or given.count("@") > 8:
        return None
    bare = parseaddr(given)[1].strip()
    local, _, domain = bare.rpartition("@")
    usable = local and domain and len(bare) <= ADDRESS_LIMIT and not re.search(r"[\s<>,;\"\\()]", bare)
    return bare if usable and "@" not in local else None


def addresses(value: Any, name: str | None = None) -> list[str | None]:
    """The addresses of a list, under a name where the list holds objects; one None when there is none."""
    listed = value if isinstance(value, list) else [value]
    found = [address(at(each, name) if name and isinstance(each, Mapping) else each) for each in listed]
    return list(found) or [None]


def moment(*values: Any) -> datetime | None:
    """The first of the values that is an instant, in UTC."""
    for value in values:
        if isinstance(value, (str, int, float)) and not isinstance(value, bool) and value != "":
            try:
                return instant(value)
            except RefusedRow:
                continue
    return None


def mail_date(value: Any) -> datetime | None:
    """The instant of an RFC 5322 date, or None."""
    try:
        found = parsedate_to_datetime(value) if isinstance(value, str) else None
        return None if found is None else instant(found if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, TypeError, OverflowError, IndexError, RefusedRow):
        return None


def message_key(*values: Any) -> str | None:
    """The first of the values that is our key, or a Message-ID made of it."""
    for value in values:
        if isinstance(value, str) and (found := _KEY.fullmatch(value.strip()[:ADDRESS_LIMIT])):
            return found[1]
    return None


def header_pairs(value: Any) -> list[tuple[str, str]]:
    """Mail headers, names in lower case, from any of the shapes: an object, a list of objects, a list of pairs."""
    if isinstance(value, Mapping):
        value = list(value.items())
    pairs = []
    for each in value if isinstance(value, list) else []:
        if isinstance(each, Mapping):
            each = (each.get("name", each.get("Name")), each.get("value", each.get("Value")))
        if isinstance(each, (list, tuple)) and len(each) == 2 and all(isinstance(part, str) for part in each):
            pairs.append((each[0].strip().lower(), each[1]))
    return pairs


def key_in_headers(pairs: Iterable[tuple[str, str]], names: tuple[str, ...] = KEY_HEADERS) -> str | None:
    """Our key in the headers of a message; with REPLY_HEADERS in those of the answer to it."""
    found = list(pairs)
    return message_key(*(word for name in names for given, value in found if given == name for word in value.split()))


def is_automatic(pairs: Iterable[tuple[str, str]]) -> bool:
    """Whether a machine wrote the message, by RFC 3834 and the older customs."""
    for name, value in pairs:
        word = value.strip().lower()
        if name == "auto-submitted" and word != "no":
            return True
        if name in ("x-autoreply", "x-autorespond"):
            return True
        if name == "precedence" and word in ("auto_reply", "auto-reply"):
            return True
    return False


# --- Facts ------------------------------------------------------------------------------------------------------------


def fact(
    provider: str,
    raw: Mapping[str, Any],
    means: Meaning,
    *,
    when: datetime | None,
    own_id: str | None = None,
    key: str | None = None,
    provider_id: Any = None,
    recipient: str | None = None,
    reason: Iterable[Any] = (),
    url: Any = None,
    user_agent: Any = None,
    machine: bool = False,
    topic: Any = None,
) -> ProviderFact:
    """A fact from values as they came; raises RefusedRow without a time."""
    if when is None:
        raise RefusedRow("no-time", "this part says no time, and it is not known when it was received")
    said = " ".join(dict.fromkeys(text for each in reason if (text := words(each, 2_000))))
    link = words(url, URL_LIMIT)
    return ProviderFact(
        kind=means.kind,
        fact_id=fact_id(provider, raw, own_id),
        occurred_at=when,
        message_key=key,
        provider_id=words(provider_id),
        recipient=recipient,
        hard=means.hard,
        reason=provider_text(said) or None,
        url=link if link and link.lower().startswith(("http://", "https://")) else None,
        user_agent=words(user_agent),
        machine=means.machine or machine,
        unsubscribed_from=words(topic),
        raw=raw,
    )


def fact_id(provider: str, raw: Mapping[str, Any], own_id: str | None) -> str:
    """The provider's id where it is plain, else a hash: of that id, or of the content with its names in order."""
    if own_id and len(own_id) <= 200 and own_id.isascii() and own_id.isprintable() and " " not in own_id:
        return own_id
    content = own_id or orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)
    return "content:" + record_digest(provider, content)[:40]
