"""What a mail carries to be measured: links that pass by our door, a link that no person sees, a pixel.

It is put into the finished HTML of each recipient; text parts keep their plain addresses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from html import escape, unescape
from typing import NamedTuple

from nurture.rendering.markup import tokens

# A tag that may hold a link: anchors, areas of pictures, and the shapes of which Outlook makes buttons.
# Every repetition is possessive and none passes a `<`, so that a page takes one pass, whatever it holds.
_TAG = re.compile(r"<(?:a|area|v:[a-z]++)(?=[\s/])(?:[^<>\"']|\"[^<\"]*+\"|'[^<']*+')*+>", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"[\s/]++(?P<name>[^\s/>\"'=<]++)(?:\s*+=\s*+(?:\"(?P<double>[^\"]*+)\"|'(?P<single>[^']*+)'|(?P<bare>[^\s\"'>]++)))?+"
)
_BODY = re.compile(r"<body(?=[\s/>])(?:[^<>\"']|\"[^<\"]*+\"|'[^<']*+')*+>", re.IGNORECASE)
_BODY_END = re.compile(r"</body\s*+>", re.IGNORECASE)
_WEB = re.compile(r"https?://[^/?#\s]", re.IGNORECASE)
# What a browser leaves out of an address before it follows it.
_BREAKS = re.compile(r"[\t\n\r]+")
_AROUND = "".join(map(chr, range(0x21)))


class _Link(NamedTuple):
    """Where a tag names its address, quotes included, and what the address is; `off` is its wish not to be counted."""

    start: int
    end: int
    url: str | None
    off: tuple[int, int] | None


class LinkedPage:
    """A finished page with its links, found in one pass; `ours`, and what follows them, are not to be counted.

    A link with `data-track="off"` is not either.
    """

    def __init__(self, html: str, ours: Collection[str]) -> None:
        counted = _counted_by(ours)
        self.html = html
        self._found = [(link, counted(link)) for link in _links(html)]

    @property
    def counted(self) -> tuple[str, ...]:
        """The addresses of the links that may be counted, each once, in order."""
        return tuple(dict.fromkeys(url for _, url in self._found if url is not None))

    def leading(self, place: Callable[[str], str | None]) -> str:
        """The HTML with each link that may be counted leading to `place(address)`, as it is where that is None.

        The wishes not to be counted, which are meant for us alone, go.
        """
        html = self.html
        made: list[str] = []
        done = 0
        for link, url in self._found:
            placed = None if url is None else place(url)
            if placed is not None:
                made += (html[done : link.start], f'"{escape(placed)}"')
                done = link.end
            elif link.off is not None:
                made.append(html[done : link.off[0]])
                done = link.off[1]
        return "".join([*made, html[done:]])


class Anchor(NamedTuple):
    """One link as its reader meets it: its words, its goal, whether it may be counted, and whether it is our door."""

    words: str
    url: str
    countable: bool
    ours: bool


def anchors_of(html: str, ours: Collection[str]) -> list[Anchor]:
    """Every link of a mail in its order, also those to the same goal."""
    found: list[Anchor] = []
    open_link: tuple[str, bool] | None = None
    words: list[str] = []
    for token in tokens(html):
        if token.kind == "start" and token.name == "a" and (href := token.get("href")):
            open_link, words = (unescape(href), bool(LinkedPage(token.text, ours).counted)), []
        elif token.kind == "start" and token.name == "img":
            words.append(unescape(token.get("alt") or ""))
        elif token.kind == "text":
            words.append(unescape(token.text))
        elif token.kind == "end" and token.name == "a" and open_link is not None:
            url, countable = open_link
            found.append(Anchor(" ".join(" ".join(words).split()), url, countable, url.startswith(tuple(ours))))
            open_link = None
    return found


def with_trap(html: str, url: str) -> str:
    """The HTML with a link that no person sees or hears of, at its very beginning, where scanners begin."""
    link = (
        f'<a href="{escape(url)}" rel="nofollow" tabindex="-1" aria-hidden="true" '
        'style="display:none;max-height:0;overflow:hidden;font-size:0;line-height:0">&#8203;</a>'
    )
    body = _BODY.search(html)
    return html[: body.end()] + link + html[body.end() :] if body else link + html


def with_pixel(html: str, url: str) -> str:
    """The HTML with an invisible image at its end."""
    image = f'<img src="{escape(url)}" width="1" height="1" alt="" style="display:block;border:0">'
    found = list(_BODY_END.finditer(html))
    return html[: found[-1].start()] + image + html[found[-1].start() :] if found else html + image


def _links(html: str) -> Iterator[_Link]:
    for tag in _TAG.finditer(html):
        start = end = 0
        url: str | None = None
        off: tuple[int, int] | None = None
        has_href = has_wish = False
        for found in _ATTRIBUTE.finditer(html, tag.start(), tag.end()):
            # Of two of one name every mail program reads the first.
            name = found["name"].lower()
            kind = found.lastgroup
            if name == "href" and not has_href:
                has_href = True
                if kind is not None and kind != "name":
                    start, end = found.span(kind)
                    url = _BREAKS.sub("", unescape(found[kind]).strip(_AROUND))
                    if kind != "bare":
                        start, end = start - 1, end + 1
            elif name == "data-track" and not has_wish:
                has_wish = True
                if kind is not None and kind != "name" and found[kind].lower() == "off":
                    off = found.span()
        if url is not None or off is not None:
            yield _Link(start, end, url, off)


def _counted_by(ours: Collection[str]) -> Callable[[_Link], str | None]:
    own = tuple(ours)

    def counted(link: _Link) -> str | None:
        if link.url is None or link.off is not None or link.url.startswith(own):
            return None
        return link.url if _WEB.match(link.url) else None

    return counted
