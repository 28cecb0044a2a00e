"""CSS of a hand-made page, written into its elements once per template, because many mail programs read no other.

The rules stay in `<style>` as well: media queries, dark mode and `:hover` live there. Nothing is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import css_inline

from nurture.rendering.markup import VOID, every_tag, tokens
from nurture.rendering.mjml import Remark

_INLINER = css_inline.CSSInliner(keep_style_tags=True, load_remote_stylesheets=False)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_IMPORT = re.compile(r"@\s*import\b", re.IGNORECASE)
# What some browsers run as a program; a backslash can spell any word.
_ACTIVE = re.compile(r"expression\s*\(|-moz-binding|behavior\s*:|javascript:|</|\\[0-9a-f]", re.IGNORECASE)
_MEDIA = re.compile(r"@media[^{}]*\{((?:[^{}]*\{[^{}]*\})*)", re.IGNORECASE)
_RULE = re.compile(r"\{([^{}]*)\}")


class BrokenCss(Exception):
    """The styles of a page cannot be read."""


def inline_css(markup: str) -> str:
    """The page with its styles in its elements, as a whole document; raises BrokenCss."""
    try:
        return _INLINER.inline(_with_table_bodies(markup))
    except (css_inline.InlineError, ValueError):
        raise BrokenCss from None


def _with_table_bodies(markup: str) -> str:
    """The page with the `<tbody>` of each plain table written out.

    Readers of HTML add it before the first row; what stands round that row, such as a condition, would be cut by it.
    """
    inserts: list[tuple[int, str]] = []
    stack: list[tuple[str, int, set[str]]] = []  # name, where its content begins, names of its children
    for token in tokens(markup):
        if token.kind == "start":
            if stack:
                stack[-1][2].add(token.name)
            if token.name not in VOID and not token.closed:
                stack.append((token.name, token.end, set()))
        elif token.kind == "end" and any(name == token.name for name, *_ in stack):
            name, begin, children = stack.pop()
            while name != token.name:
                name, begin, children = stack.pop()
            if name == "table" and children == {"tr"}:
                inserts += [(begin, "<tbody>"), (token.start, "</tbody>")]
    parts: list[str] = []
    at = 0
    for place, tag in sorted(inserts, key=lambda each: each[0]):
        parts += [markup[at:place], tag]
        at = place
    return "".join([*parts, markup[at:]])


def style_remarks(markup: str) -> Iterator[Remark]:
    """What is wrong with the `<style>` of a page, and what its `style` attributes must not say."""
    for token in every_tag(markup):
        if token.kind == "raw" and token.name in ("style", "mj-style"):
            yield from _sheet(token.text, token.start)
        for each in token.attributes:
            if each.name == "style" and _ACTIVE.search(_COMMENT.sub("", each.value)):
                yield _active(each.start)


def _active(offset: int) -> Remark:
    return Remark(offset, "html-active", "an e-mail cannot carry styles that act", "remove it")


def _sheet(css: str, start: int) -> Iterator[Remark]:
    bare = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), css)
    if found := _IMPORT.search(bare):
        yield Remark(
            start + found.start(), "css-import", "a style sheet of another server is not loaded", "copy its rules here"
        )
    if found := _ACTIVE.search(bare):
        yield _active(start + found.start())
    for media in _MEDIA.finditer(bare):
        for rule in _RULE.finditer(media[1]):
            weak = [part for part in rule[1].split(";") if part.strip() and "!important" not in part]
            if weak:
                offset = start + media.start(1) + rule.start(1)
                yield Remark(
                    offset + rule[1].index(weak[0]) + len(weak[0]) - len(weak[0].lstrip()),
                    "css-media",
                    f"`{' '.join(weak[0].split())}` loses against the same style in the element",
                    "add `!important`: styles are written into the elements",
                    "warning",
                )
                break
