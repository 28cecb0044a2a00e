"""Values of payloads, whatever their types: addresses, instants, keys, mail headers, and the fact made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from connectors.email.base import provider_text
from connectors.email.webhooks.base import Meaning, ProviderFact
from nurture.errors import RefusedRow
from nurture.keys import record_digest
from nurture.normalise import instant

TEXT_LIMIT, URL_LIMIT, ADDRESS_LIMIT = 300, 2_000, 320
KEY_HEADERS = ("x-ripen-message", "message-id")
REPLY_HEADERS = ("in-reply-to", "references")

_KEY = re.compile(r"<?([0-9a-f]{40})(?:@[^<>@\s]+)?>?", re.ASCII)
# Alone, or in brackets behind a name; quoted local parts are nobody's.
_BARE = r"""([^\s<>,;:"\\()@]+@[^\s<>,;:"\\()@]+)"""
_ADDRESS = re.compile(rf"{_BARE}|.*<{_BARE}>")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


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
    found = _ADDRESS.fullmatch(words(value, ADDRESS_LIMIT * 2) or "")
    bare = (found[1] or found[2]) if found else ""
    return bare if 0 < len(bare) <= ADDRESS_LIMIT else None


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
