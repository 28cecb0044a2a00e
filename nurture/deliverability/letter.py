"""A mail file taken apart for the rules: headers as they stand, both parts as text, links and images."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses
from functools import cached_property
from urllib.parse import urlsplit

from nurture.deliverability.html_view import HtmlView, view_of
from nurture.deliverability.rules import Given
from nurture.errors import BadInput

MAX_BYTES = 20 * 1024 * 1024
MAX_PARTS = 100
_HEADER_LINE = re.compile(rb"[!-9;-~]{1,200}:")
_URL = re.compile(r"https?://[^\s<>\"'\])}]{1,2000}", re.IGNORECASE)
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_TRAILING = ".,;:!?"


@dataclass(frozen=True)
class TextPart:
    """One text part as it is read; `encoding` is its Content-Transfer-Encoding."""

    subtype: str
    charset: str
    encoding: str
    content: str
    readable: bool  # in the charset that it declares


@dataclass(frozen=True)
class Letter:
    """One mail and what is known beside it; header names are lower case, values unfolded and as they stand."""

    raw: bytes
    given: Given
    headers: tuple[tuple[str, str], ...]
    parts: tuple[TextPart, ...]
    other_parts: tuple[str, ...] = field(default=())

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for known, value in self.headers if known == name]

    def first(self, name: str) -> str:
        """The first value of a header, empty when there is none."""
        return next(iter(self.all(name)), "")

    def decoded(self, name: str) -> str:
        """The first value with its encoded words read."""
        return decoded(self.first(name))

    def addresses(self, name: str) -> list[str]:
        """The addresses in a header, in lower case."""
        try:
            return [
                address.lower() for _, address in getaddresses([v[:4_000] for v in self.all(name)]) if "@" in address
            ]
        except (ValueError, IndexError, RecursionError):
            return []

    def domain(self, name: str) -> str:
        """The domain of the first address in a header."""
        return next(iter(self.addresses(name)), "").rpartition("@")[2]

    @property
    def marketing(self) -> bool:
        """Whether it advertises, and so needs what the law asks of advertising."""
        return not self.given.transactional

    @cached_property
    def text(self) -> str | None:
        """The text part."""
        return next((part.content for part in self.parts if part.subtype == "plain"), None)

    @cached_property
    def html(self) -> str | None:
        """The HTML part."""
        return next((part.content for part in self.parts if part.subtype == "html"), None)

    @cached_property
    def view(self) -> HtmlView:
        """What the HTML part shows and links to."""
        return view_of(self.html or "")

    @cached_property
    def text_links(self) -> list[str]:
        """The web addresses in the text part."""
        return [found.rstrip(_TRAILING) for found in _URL.findall(self.text or "")]

    @cached_property
    def links(self) -> list[str]:
        """Every address that a reader can follow, each once; `mailto:` and `tel:` too."""
        return list(dict.fromkeys([*[link.url for link in self.view.links], *self.text_links]))

    @cached_property
    def loaded(self) -> list[str]:
        """Every address that a reader's program loads."""
        return [image.source for image in self.view.images if not image.source.lower().startswith(("cid:", "data:"))]


def letter_of(raw: bytes, given: Given) -> Letter:
    """Take a mail file apart; raises BadInput when it is none."""
    if len(raw) > MAX_BYTES:
        raise BadInput(f"the file is larger than {MAX_BYTES // 1024 // 1024} MB; that is no mail to send")
    if not raw.strip() or not _HEADER_LINE.match(raw.lstrip(b"\r\n")):
        raise BadInput("the file is not a mail: it does not begin with a header line such as `From: ...`")
    try:
        message = message_from_bytes(raw)
        headers = tuple((name.lower(), _FOLD.sub("", str(value))) for name, value in message.items())
        texts, others = _parts(message)
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError):
        raise BadInput("the file is not a mail that can be read; its headers or parts are broken") from None
    return Letter(raw, given, headers, tuple(texts), tuple(others))


def decoded(value: str) -> str:
    """A header's value with its encoded words read; what cannot be read stays as it is."""
    try:
        return "".join(
            part if isinstance(part, str) else part.decode(charset or "ascii", "replace")
            for part, charset in decode_header(value)
        )
    except (ValueError, LookupError, AssertionError):
        return value


def host_of(url: str) -> str:
    """The host of a web address, empty when it has none or cannot be read."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _parts(message: Message) -> tuple[list[TextPart], list[str]]:
    texts: list[TextPart] = []
    others: list[str] = []
    for number, part in enumerate(message.walk()):
        if number >= MAX_PARTS:
            break
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        if kind in ("text/plain", "text/html") and part.get_content_disposition() != "attachment":
            texts.append(_text(part, kind))
        else:
            others.append(kind)
    return texts, others


def _text(part: Message, kind: str) -> TextPart:
    payload = part.get_payload(decode=True)
    raw = payload if isinstance(payload, bytes) else b""
    charset = str(part.get_content_charset() or "us-ascii").lower()
    readable = True
    try:
        content = raw.decode(charset)
    except (UnicodeDecodeError, LookupError):
        readable = False
        content = raw.decode("utf-8", "replace")
    encoding = str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower()
    return TextPart(kind.removeprefix("text/"), charset, encoding, content, readable)
