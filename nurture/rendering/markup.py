"""HTML or MJML as a row of tokens with offsets: enough to say where a value stands and what is left open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
# Elements whose content is text and nothing else, also when it looks like tags.
RAW = frozenset({"style", "script", "title", "textarea", "mj-style", "mj-title", "mj-preview"})
CONDITIONAL = "<!--[if"
MAX_DEPTH = 100
_CLOSED_BY_THE_NEXT = frozenset({"p", "li", "dt", "dd", "td", "th", "tr"})
_TAG = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<!\[[^>]*>"
    r"|<[!?][^<>]*>"
    r"|</(?P<end>[a-zA-Z][^\s/<>]*)[^<>]*>"
    r"|<(?P<start>[a-zA-Z][^\s/<>\"']*)(?P<attributes>(?:\"[^\"]*\"|'[^']*'|[^\"'<>])*)>",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"([^\s=\"'/<>]+)(?:\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'>]+))?")


@dataclass(slots=True)
class Attribute:
    """One attribute; `start` and `end` are the offsets of its value, which stands without its quotes."""

    name: str
    value: str
    start: int
    end: int
    quoted: bool


@dataclass(slots=True)
class Token:
    """One token of the page from `start` to `end`; tags have a name in small letters."""

    kind: Literal["text", "start", "end", "comment", "raw", "other"]
    start: int
    end: int
    text: str
    name: str = ""
    closed: bool = False
    attributes: list[Attribute] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """The value of an attribute as it is written; None when the tag does not have it."""
        return next((each.value for each in self.attributes if each.name == name), None)


def tokens(markup: str, offset: int = 0) -> Iterator[Token]:
    """The tokens of a page in their order; `offset` is added to every place."""
    at = 0
    while True:
        found = _TAG.search(markup, at)
        if found is None:
            break
        if found.start() > at:
            yield Token("text", at + offset, found.start() + offset, markup[at : found.start()])
        token = _token(found, offset)
        yield token
        at = found.end()
        if token.kind == "start" and token.name in RAW and not token.closed:
            closing = re.compile(rf"</{token.name}\b", re.IGNORECASE).search(markup, at)
            end = closing.start() if closing else len(markup)
            yield Token("raw", at + offset, end + offset, markup[at:end], token.name)
            at = end
    if at < len(markup):
        yield Token("text", at + offset, len(markup) + offset, markup[at:])


def _token(found: re.Match[str], offset: int) -> Token:
    start, end, text = found.start() + offset, found.end() + offset, found.group()
    if text.startswith("<!--"):
        return Token("comment", start, end, text)
    if found["end"]:
        return Token("end", start, end, text, found["end"].lower())
    if not found["start"]:
        return Token("other", start, end, text)
    attributes = []
    for each in _ATTRIBUTE.finditer(found["attributes"]):
        value = each[2] or ""
        quoted = value[:1] in ('"', "'")
        begin = each.start(2) if each[2] else each.end()
        begin += found.start("attributes") + offset + quoted
        inner = value[1:-1] if quoted else value
        attributes.append(Attribute(each[1].lower(), inner, begin, begin + len(inner), quoted))
    return Token("start", start, end, text, found["start"].lower(), text.endswith("/>"), attributes)


def too_deep(markup: str) -> int | None:
    """The offset at which elements stand in more than MAX_DEPTH others; compilers of pages end the process there."""
    stack: list[str] = []
    for token in tokens(markup):
        if token.kind == "start" and token.name not in VOID and not token.closed:
            if token.name in _CLOSED_BY_THE_NEXT and stack and stack[-1] == token.name:
                stack.pop()
            stack.append(token.name)
            if len(stack) > MAX_DEPTH:
                return token.start
        elif token.kind == "end" and token.name in stack:
            while stack.pop() != token.name:
                pass
    return None


def every_tag(markup: str) -> Iterator[Token]:
    """The tokens of a page, those that Outlook alone reads included."""
    for token in tokens(markup):
        yield token
        yield from inside_comment(token)


def inside_comment(token: Token) -> Iterator[Token]:
    """The tokens inside a conditional comment, which Outlook reads; nothing for any other comment."""
    if token.kind == "comment" and token.text.startswith(CONDITIONAL) and "]>" in token.text:
        begin = token.text.index("]>") + 2
        end = token.text.rfind("<![endif]")
        yield from tokens(token.text[begin : end if end > begin else -3], token.start + begin)
