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


def links_of(html: str, ours: Collection[str]) -> list[str]:
    """The addresses of a mail's links that may be counted, each once, in order; `ours`, and what follows them, are not.

    A link with `data-track="off"` is none of them.
    """
    counted = _counted_by(ours)
    return list(dict.fromkeys(url for link in _links(html) if (url := counted(link)) is not None))


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
            open_link, words = (unescape(href), bool(links_of(token.text, ours))), []
        elif token.kind == "start" and token.name == "img":
            words.append(unescape(token.get("alt") or ""))
        elif token.kind == "text":
            words.append(unescape(token.text))
        elif token.kind == "end" and token.name == "a" and open_link is not None:
            url, countable = open_link
            found.append(Anchor(" ".join(" ".join(words).split()), url, countable, url.startswith(tuple(ours))))
            open_link = None
    return found


def with_counted_links(html: str, ours: Collection[str], place: Callable[[str], str | None]) -> str:
    """The HTML with each link that may be counted leading to `place(address)`; where that is None it stays as it is.

    The wishes not to be counted, which are meant for us alone, go.
    """
    counted = _counted_by(ours)
    made: list[str] = []
    done = 0
    for link in _links(html):
        url = counted(link)
        placed = None if url is None else place(url)
        if placed is not None:
            made += [html[done : link.start], f'"{escape(placed)}"']
            done = link.end
        elif link.off is not None:
            made.append(html[done : link.off[0]])
            done = link.off[1]
    return "".join([*made, html[done:]])


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
        seen: set[str] = set()
        for found in _ATTRIBUTE.finditer(html, tag.start(), tag.end()):
            name = found["name"].lower()
            if name in seen:
                continue  # of two of one name every mail program reads the first
            seen.add(name)
            value = next((found[each] for each in ("double", "single", "bare") if found[each] is not None), None)
            if name == "href" and value is not None:
                start, end = found.end() - len(value) - (0 if found["bare"] is not None else 2), found.end()
                url = _BREAKS.sub("", unescape(value).strip(_AROUND))
            elif name == "data-track" and value is not None and value.lower() == "off":
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
