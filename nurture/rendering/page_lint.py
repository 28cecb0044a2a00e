"""What readers and mail programs would stumble over in a page: pictures, links, languages, sizes."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from nurture.rendering.markup import Token, every_tag
from nurture.rendering.mjml import Remark
from nurture.rendering.placeholders import Holes

CLIPPED_BYTES = 102 * 1024  # Gmail shows no more of a page than this
LARGE_BYTES = 90 * 1024  # links of tracking and the pixel come on top
LONG_SUBJECT = 90
LONG_PREHEADER = 140
_LINKS = frozenset({"a", "mj-button", "mj-navbar-link", "mj-social-element", "area"})
_ADDRESSES = frozenset({"href", "src", "background", "background-url", "srcset", "action", "formaction", "poster"})
_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_ALLOWED = frozenset({"https", "http", "mailto", "tel", "sms", "cid"})
_UNSEEN = re.compile("[\x00-\x20\x7f-\x9f]")
_EMPTY_WORDS = frozenset(
    {"click here", "click", "here", "link", "this link", "more", "read more", "klik her", "her", "link her", "læs mere"}
)


def page_remarks(holes: Holes, markup: str) -> Iterator[Remark]:
    """Every remark on a page with stand-ins; offsets are those of `markup`."""
    linked: tuple[Token, list[str]] | None = None
    for token in every_tag(markup):
        if token.kind == "start":
            yield from _tag(token, holes)
            if token.name in _LINKS and not token.closed:
                linked = (token, [])
            elif linked and token.name == "img":
                linked[1].append(token.get("alt") or "")
        elif token.kind == "text" and linked:
            linked[1].append(token.text)
        elif token.kind == "end" and linked and token.name == linked[0].name:
            words = " ".join("".join(linked[1]).split()).strip(" .:!>»→").lower()
            if words in _EMPTY_WORDS:
                yield _warning(
                    linked[0].start, "link-words", f"the link says only `{words}`", "say what the reader finds there"
                )
            linked = None


def _tag(token: Token, holes: Holes) -> Iterator[Remark]:
    if token.name in ("img", "mj-image") and token.get("alt") is None:
        yield _warning(
            token.start,
            "image-alt",
            "a picture has no `alt`, and many readers see no pictures",
            'write what it shows, or alt="" when it is decoration',
        )
    if token.name in ("html", "mjml") and not (token.get("lang") or "").strip():
        yield _warning(
            token.start, "html-lang", "the page does not say its language", 'write lang="{{ email.locale }}"'
        )
    for each in token.attributes:
        if each.name in _ADDRESSES or each.name.endswith(":href") or each.name.endswith(":src"):
            yield from _address(token, each.name, each.value, each.start, holes)
    if token.name in _LINKS and token.get("href") is None and token.get("name") is None and token.name != "mj-button":
        yield _warning(token.start, "link-empty", "a link leads nowhere", 'give it href="https://..."')


def _address(token: Token, name: str, value: str, offset: int, holes: Holes) -> Iterator[Remark]:
    """The beginning of an address is written out, or is one of our own links; every branch of an `if` has its own."""
    begun = False  # a scheme, or one of our links, stands before this place on every way to it
    cut = False  # a word stands before it that could still become a scheme
    outer: list[tuple[bool, bool, bool]] = []  # of each open `if`: begun before it, begun in all branches, has an else
    for chunk in holes.chunks(value):
        if cut:
            yield Remark(
                offset, "html-address", "braces cut the beginning of an address", "write whole addresses in each branch"
            )
            return
        if isinstance(chunk, str):
            if not begun and chunk.strip():
                found = list(_beginning(name, chunk, offset))
                yield from found
                if any(each.severity == "error" for each in found):
                    return
                begun = True
                cut = not any(sign in html.unescape(chunk) for sign in ":/?#")
        elif chunk.kind == "value":
            begun = True
        elif chunk.kind in ("if", "for"):
            outer.append((begun, True, False))
        elif outer:
            before, every, has_else = outer.pop()
            if chunk.kind == "end":
                begun = before or (every and begun and has_else)
            else:
                outer.append((before, every and begun, has_else or chunk.kind == "else"))
                begun = before
    if name == "href" and not value.strip():
        yield _warning(offset, "link-empty", "a link leads nowhere", 'give it href="https://..."')


def _beginning(name: str, text: str, offset: int) -> Iterator[Remark]:
    plain = _UNSEEN.sub("", html.unescape(text))
    scheme = _SCHEME.match(plain)
    if scheme is None:
        if plain.startswith("#"):
            yield _warning(offset, "link-empty", f"the address `{plain[:20]}` leads nowhere", 'write "https://..."')
        elif not plain.startswith("//"):
            yield _warning(
                offset,
                "link-not-https",
                f"{name} has no whole address, and an e-mail has no place of its own",
                'write "https://..."',
            )
    elif scheme[1].lower() not in _ALLOWED:
        yield Remark(
            offset, "html-address", f"{name} cannot begin with `{scheme[1]}:`", "use https, or mailto and tel in links"
        )
    elif scheme[1].lower() == "http":
        yield _warning(offset, "link-not-https", f"{name} is not encrypted", "write https")
    if plain.startswith("//"):
        yield _warning(offset, "link-not-https", f"{name} does not say its scheme", "write https")


def _warning(offset: int, code: str, message: str, remedy: str) -> Remark:
    return Remark(offset, code, message, remedy, "warning")


def size_remark(page: str) -> str | None:
    """What to say about the size of a rendered page; None while it is well below what Gmail shows."""
    size = len(page.encode())
    if size <= LARGE_BYTES:
        return None
    return f"the HTML has {size // 1024} KB; Gmail cuts an e-mail off after {CLIPPED_BYTES // 1024} KB"
