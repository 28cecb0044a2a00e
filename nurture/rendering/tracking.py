"""What a mail carries to be measured: links that pass by our door, a link that no person sees, a pixel.

It is put into the finished HTML of each recipient; text parts keep their plain addresses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from html import escape, unescape
from typing import NamedTuple

from nurture.rendering.markup import tokens

# An anchor with its address; `data-track="off"` in it leaves the link as it is.
_ANCHOR = re.compile(r"<a\b(?P<before>[^<>]*?)\shref=\"(?P<url>https?://[^\"<>]+)\"(?P<after>[^<>]*)>", re.IGNORECASE)
_OFF = re.compile(r"\sdata-track=(\"off\"|'off'|off\b)", re.IGNORECASE)
_BODY = re.compile(r"<body\b[^<>]*>", re.IGNORECASE)
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)


def links_of(html: str, ours: Collection[str]) -> list[str]:
    """The addresses of a mail's links that may be counted, each once, in order; `ours` are left out."""
    return list(dict.fromkeys(url for match in _ANCHOR.finditer(html) if (url := _counted(match, ours))))


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
            match = _ANCHOR.fullmatch(token.text)
            open_link, words = (unescape(href), match is not None and _counted(match, ours) is not None), []
        elif token.kind == "start" and token.name == "img":
            words.append(unescape(token.get("alt") or ""))
        elif token.kind == "text":
            words.append(unescape(token.text))
        elif token.kind == "end" and token.name == "a" and open_link is not None:
            url, countable = open_link
            found.append(Anchor(" ".join(" ".join(words).split()), url, countable, url in ours))
            open_link = None
    return found


def with_counted_links(html: str, ours: Collection[str], place: Callable[[str], str]) -> str:
    """The HTML with each link that may be counted leading to `place(address)`."""

    def replaced(match: re.Match[str]) -> str:
        url = _counted(match, ours)
        if url is None:
            return _OFF.sub("", match.group())
        return f'<a{match["before"]} href="{escape(place(url))}"{match["after"]}>'

    return _ANCHOR.sub(replaced, html)


def with_trap(html: str, url: str) -> str:
    """The HTML with a link that no person sees or hears of, at its very beginning, where scanners begin."""
    link = (
        f'<a href="{escape(url)}" rel="nofollow" tabindex="-1" aria-hidden="true" '
        'style="display:none;max-height:0;overflow:hidden;font-size:0;line-height:0">&#8203;</a>'
    )
    return _BODY.sub(lambda match: match.group() + link, html, count=1) if _BODY.search(html) else link + html


def with_pixel(html: str, url: str) -> str:
    """The HTML with an invisible image at its end."""
    image = f'<img src="{escape(url)}" width="1" height="1" alt="" style="display:block;border:0">'
    found = list(_BODY_END.finditer(html))
    return html[: found[-1].start()] + image + html[found[-1].start() :] if found else html + image


def _counted(match: re.Match[str], ours: Collection[str]) -> str | None:
    if _OFF.search(match["before"]) or _OFF.search(match["after"]):
        return None
    url = unescape(match["url"])
    return None if url in ours else url
