"""An HTML part as a reader's program sees it: words, links, images, hidden beginnings, and what it will not run."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import NamedTuple

_ACTIVE = ("script", "form", "iframe", "frame", "object", "embed", "applet", "input", "button", "base", "meta-refresh")
_VOID = ("br", "img", "hr", "meta", "link", "input", "area", "base", "col", "embed", "source", "wbr")
_SILENT = ("style", "script", "head", "title")
_HIDDEN = re.compile(r"display\s*:\s*none|max-height\s*:\s*0|opacity\s*:\s*0(?:\.0*)?\s*(?:;|$)", re.IGNORECASE)
_SIZED = re.compile(r"font-size\s*:\s*([^;]*)", re.IGNORECASE)
_ZERO = re.compile(r"0(?:\.0*)?(?:[a-z]+|%)?\s*(?:!\s*important\s*)?", re.IGNORECASE)
_RULE = re.compile(r"([^{}]{1,300})\{([^{}]{0,2000})\}")
_CLASS = re.compile(r"^\s*\.([\w-]+)\s*$")
_SMALL = re.compile(r"(?:^|;)\s*(?:width|height)\s*:\s*[01](?:px)?\s*(?:;|$)", re.IGNORECASE)


class Link(NamedTuple):
    """Where a link leads and the words on it."""

    url: str
    words: str


class Image(NamedTuple):
    """An image; `alt` None when it has no such attribute, `unseen` for a pixel or a hidden one."""

    source: str
    alt: str | None
    unseen: bool


@dataclass
class HtmlView:
    """What there is to see."""

    words: str = ""
    links: list[Link] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    preheader: str = ""  # hidden text before anything that is shown
    active: list[str] = field(default_factory=list)


def view_of(html: str) -> HtmlView:
    """Read an HTML part; any text is read, what is no HTML shows as words."""
    reader = _Reader(html)
    try:
        reader.feed(html)
        reader.close()
    except (AssertionError, ValueError, RecursionError):
        # The library's parser stops at some malformed declarations; what it has seen so far stands.
        pass
    reader.end_link()
    reader.view.words = " ".join("".join(reader.shown).split())
    reader.view.preheader = " ".join("".join(reader.hidden_first).split())
    return reader.view


class _Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.view = HtmlView()
        # Tag, whether it hides what is in it, and whether letters in it have no size: whoever says a size shows again,
        # as in the cells that MJML writes.
        self.open: list[tuple[str, bool, bool]] = []
        self.shown: list[str] = []
        self.hidden_first: list[str] = []
        self.link: tuple[str, list[str]] | None = None
        # Classes that a style sheet hides, as our own layout does before the styles are put inline.
        self.hidden_classes = {
            found[1]
            for selector, body in _RULE.findall(html[:200_000])
            if (_HIDDEN.search(body) or _sizeless(body)) and (found := _CLASS.match(selector.rpartition(">")[2]))
        }

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag brings."""
        has = {name: value or "" for name, value in attrs}
        self._note_active(tag, has)
        if tag == "a" and "href" in has:
            self.end_link()
            self.link = (has["href"].strip(), [])
        if tag == "img":
            self._image(has)
        if tag not in _VOID:
            style = has.get("style", "")
            hides = bool(_HIDDEN.search(style)) or "hidden" in has or tag in _SILENT
            hides = hides or bool(self.hidden_classes & set(has.get("class", "").split()))
            sizeless = _sizeless(style)
            self.open.append((tag, hides, bool(self.open and self.open[-1][2]) if sizeless is None else sizeless))

    def handle_endtag(self, tag: str) -> None:
        """Close the tag, and what was left open in it."""
        if tag == "a":
            self.end_link()
        for place in range(len(self.open) - 1, max(-1, len(self.open) - 200), -1):
            if self.open[place][0] == tag:
                del self.open[place:]
                return

    def handle_data(self, data: str) -> None:
        """Collect the words that are shown."""
        if any(tag in _SILENT for tag, _, _ in self.open):
            return
        if self.open and (self.open[-1][2] or any(hides for _, hides, _ in self.open)):
            if not "".join(self.shown[:50]).strip():
                self.hidden_first.append(data)
            return
        self.shown.append(f"{data} ")
        if self.link is not None:
            self.link[1].append(data)

    def end_link(self) -> None:
        """Keep the link that was open."""
        if self.link is not None:
            self.view.links.append(Link(self.link[0], " ".join(" ".join(self.link[1]).split())))
            self.link = None

    def _image(self, has: dict[str, str]) -> None:
        sizes = (has.get("width", "").strip(), has.get("height", "").strip())
        style = has.get("style", "")
        unseen = any(size in ("0", "1", "0px", "1px") for size in sizes) or bool(
            _SMALL.search(style) or _HIDDEN.search(style)
        )
        self.view.images.append(Image(has.get("src", "").strip(), has.get("alt"), unseen))
        if self.link is not None:
            self.link[1].append(has.get("alt", ""))

    def _note_active(self, tag: str, has: dict[str, str]) -> None:
        if tag in _ACTIVE:
            self.view.active.append(f"<{tag}>")
        if tag == "meta" and has.get("http-equiv", "").lower() == "refresh":
            self.view.active.append("<meta refresh>")
        self.view.active += [f"{name}=" for name in has if name.startswith("on")]
        for name in ("href", "src", "action"):
            if has.get(name, "").strip().lower().startswith(("javascript:", "vbscript:")):
                self.view.active.append("javascript:")


def _sizeless(style: str) -> bool | None:
    """Whether the letters have no size; None when the style says nothing of it."""
    sizes = _SIZED.findall(style)
    return bool(_ZERO.fullmatch(sizes[-1].strip())) if sizes else None
