"""A mail as bounded parts: whatever bytes come, reading them ends soon and raises nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses

MAX_BYTES = 512 * 1024  # a bounce and the text of a reply stand at the beginning; attachments follow
MAX_CONTAINERS = 30  # parts that hold parts: the depth can be no greater
MAX_PARTS = 100
MAX_HEADERS = 500
MAX_VALUE = 20_000
MAX_TEXT = 64_000
_CONTAINER = re.compile(rb"^content-type:[ \t\r\n]*(?:multipart|message)/", re.IGNORECASE | re.MULTILINE)
_DASHES = re.compile(rb"^--", re.MULTILINE)
_MAX_DASHES = 2_000
_SPACE = re.compile(r"\s+")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_Parsed = Message  # of the standard library's older policy, which keeps values as they came and raises least


@dataclass(frozen=True)
class MailPart:
    """The headers of a mail or of one of its parts, and what it holds."""

    content_type: str
    parameters: dict[str, str]
    headers: dict[str, list[str]] = field(default_factory=dict)  # by lower-case name, encoded words read
    text: str = ""  # of a text part
    depth: int = 0

    def first(self, name: str) -> str:
        """The first value of a header, empty when there is none."""
        return self.headers.get(name, [""])[0]

    def all(self, *names: str) -> list[str]:
        """Every value of some headers."""
        return [value for name in names for value in self.headers.get(name, [])]


def parts_of(raw: bytes) -> list[MailPart]:
    """The mail itself and everything in it, outside in; the mail itself is always there."""
    try:
        message = message_from_bytes(_bounded(raw))
        return list(_walk(message))
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError):
        # The library's reader gives up on some malformed heads; such a mail says nothing that we could use.
        return [MailPart("text/plain", {})]


def _bounded(raw: bytes) -> bytes:
    raw = raw[:MAX_BYTES]
    for pattern, most in ((_CONTAINER, MAX_CONTAINERS), (_DASHES, _MAX_DASHES)):
        for number, found in enumerate(pattern.finditer(raw)):
            if number == most:
                raw = raw[: found.start()]
                break
    return raw


def _walk(message: _Parsed) -> Iterator[MailPart]:
    waiting = [(message, 0)]
    for _ in range(MAX_PARTS):
        if not waiting:
            return
        each, depth = waiting.pop(0)
        kind = each.get_content_type()
        inside = each.get_payload()
        children = [one for one in inside if isinstance(one, Message)] if isinstance(inside, list) else []
        text = "" if children else _text(each, kind)
        if kind == "message/delivery-status" or kind.endswith("/global-delivery-status"):
            # The library reads each group of fields as a message; of the newer kind it knows the first alone.
            text = "\n\n".join(_fields(one) for one in children[:MAX_PARTS]) or text
            children = []
        yield MailPart(kind, _parameters(each), _headers(each), text, depth)
        waiting[:0] = [(child, depth + 1) for child in children]


def _fields(message: _Parsed) -> str:
    pairs = list(zip(message.keys(), message.values(), strict=True))[:MAX_HEADERS]
    rest = message.get_payload()
    lines = [f"{name}: {_line(str(value))}" for name, value in pairs]
    return "\n".join(lines) + (f"\n\n{rest[:MAX_TEXT]}" if isinstance(rest, str) else "")


def _parameters(message: _Parsed) -> dict[str, str]:
    try:
        found = message.get_params(failobj=[]) or []
    except (ValueError, LookupError, TypeError):
        return {}
    return {str(pair[0]).lower(): str(pair[1]).lower() for pair in found[1:20] if len(pair) == 2}


def _headers(message: _Parsed) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    pairs = zip(message.keys(), message.values(), strict=True)
    for (name, value), _ in zip(pairs, range(MAX_HEADERS), strict=False):
        found.setdefault(name.lower(), []).append(header_text(str(value)))
    return found


def header_text(value: str) -> str:
    """A header's value on one line, its encoded words read where they can be."""
    value = _line(value)
    if "=?" not in value:
        return value
    try:
        words = [
            part if isinstance(part, str) else part.decode(charset or "ascii", "replace")
            for part, charset in decode_header(value[:2_000])
        ]
    except (ValueError, LookupError, AssertionError):
        return value
    return _line("".join(words))


def _line(value: str) -> str:
    return _SPACE.sub(" ", plain(value[:MAX_VALUE])).strip()


def plain(text: str) -> str:
    """The text without control characters and half characters; 8-bit bytes that were hidden in it are read as UTF-8."""
    if any("\udc80" <= sign <= "\udcff" for sign in text):
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if _escaped(text) else text
    return _CONTROL.sub("", text)


def _escaped(text: str) -> bool:
    return not any("\ud800" <= sign <= "\udc7f" or "\udd00" <= sign <= "\udfff" for sign in text)


def _text(message: _Parsed, kind: str) -> str:
    if not kind.startswith(("text/", "message/")):
        return ""
    raw = message.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    raw = raw[: MAX_TEXT * 4]
    charset = str(message.get_content_charset("utf-8") or "utf-8")
    try:
        text = raw.decode(charset, "replace")
    except (LookupError, ValueError):
        text = raw.decode("utf-8", "replace")
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))[:MAX_TEXT]


def addresses(values: list[str]) -> list[str]:
    """The addresses in some header values, in their order, in lower case."""
    try:
        found = getaddresses([value[:4_000] for value in values[:20]])
    except (ValueError, IndexError, TypeError, RecursionError):
        return []
    return [address.lower() for _, address in found if 3 <= len(address) <= 320 and "@" in address]
