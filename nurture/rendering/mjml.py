"""MJML: which tags may stand where, and the HTML that `mrml` makes of a page, once per template and language.

`mrml` lets unknown tags and attributes pass without a word, so they are judged here first. Nothing is included and
nothing is fetched: neither files nor fonts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import mrml

from nurture.problems import did_you_mean
from nurture.rendering.markup import VOID, Token, tokens

_CONTENT = frozenset(
    {"mj-text", "mj-button", "mj-image", "mj-divider", "mj-spacer", "mj-table", "mj-raw", "mj-navbar", "mj-social"}
)
# Of each tag, what may stand directly in it.
CHILDREN: dict[str, frozenset[str]] = {
    "": frozenset({"mjml"}),
    "mjml": frozenset({"mj-head", "mj-body"}),
    "mj-head": frozenset({"mj-attributes", "mj-breakpoint", "mj-preview", "mj-raw", "mj-style", "mj-title"}),
    "mj-body": frozenset({"mj-section", "mj-wrapper", "mj-hero", "mj-raw"}),
    "mj-wrapper": frozenset({"mj-section", "mj-hero", "mj-raw"}),
    "mj-section": frozenset({"mj-column", "mj-group", "mj-raw"}),
    "mj-group": frozenset({"mj-column", "mj-raw"}),
    "mj-column": _CONTENT,
    "mj-hero": _CONTENT,
    "mj-navbar": frozenset({"mj-navbar-link", "mj-raw"}),
    "mj-social": frozenset({"mj-social-element", "mj-raw"}),
}
# Tags whose content is HTML.
ENDING = frozenset({"mj-text", "mj-button", "mj-table", "mj-raw", "mj-navbar-link", "mj-social-element"})
_LEAVES = frozenset({"mj-image", "mj-divider", "mj-spacer", "mj-breakpoint", "mj-all", "mj-class"})
TAGS = frozenset(CHILDREN) - {""} | ENDING | _LEAVES | {"mj-attributes", "mj-preview", "mj-style", "mj-title"}
CHILDREN["mj-attributes"] = TAGS - CHILDREN["mj-head"] - CHILDREN["mjml"] - {"mjml"}
_REFUSED = {
    "mj-include": 'write `{% include "_partials/name.mjml" %}`',
    "mj-font": "name fonts that mail programs have, such as `Helvetica, Arial, sans-serif`",
    "mj-carousel": "use one `mj-image`; most mail programs show no more of it",
    "mj-accordion": "write the text out; most mail programs cannot fold it",
}
ATTRIBUTES = frozenset(
    re.findall(
        r"\S+",
        """
        align alt background-color background-height background-position background-position-x background-position-y
        background-repeat background-size background-url background-width base-url border border-bottom border-color
        border-left border-radius border-right border-style border-top border-width cellpadding cellspacing class color
        container-background-color css-class dir direction fluid-on-mobile font-family font-size font-style font-weight
        full-width height href icon-height icon-padding icon-size inline inner-background-color inner-border
        inner-border-radius inner-padding lang letter-spacing line-height max-height mj-class mode name padding
        padding-bottom padding-left padding-right padding-top rel role sizes src srcset table-layout target text-align
        text-decoration text-padding text-transform title usemap vertical-align width word-spacing
        """,
    )
)
_PLACE = re.compile(r"at position (\d+):\d+")
_LIGHT = re.compile(r"<(?![a-zA-Z/!])")
_OPTIONS = mrml.RenderOptions(fonts={})
# The preview is hidden anyway; written in white as well, filters take it for words that spammers hide.
_PREVIEW, _PLAIN_PREVIEW = "display:none;font-size:1px;color:#ffffff;", "display:none;font-size:1px;"
_PARSER = mrml.ParserOptions(include_loader=mrml.noop_loader())


@dataclass(frozen=True, slots=True)
class Remark:
    """What is wrong at one offset of a page."""

    offset: int
    code: str
    message: str
    remedy: str
    severity: str = "error"


def structure_remarks(markup: str) -> Iterator[Remark]:
    """What is wrong with the tags of a page: unknown ones, ones in a wrong place, ones that are not closed."""
    open_tags: list[Token] = []
    seen = False
    for token in tokens(markup):
        inside = open_tags[-1].name if open_tags else ""
        if token.kind == "start":
            seen = True
            yield from _opened(token, inside, open_tags)
            if not token.closed and token.name not in VOID:
                open_tags.append(token)
        elif token.kind == "end":
            if not open_tags or inside != token.name:
                wanted = f"close <{inside}> first" if open_tags else "remove it"
                yield Remark(token.start, "mjml-syntax", f"</{token.name}> closes nothing that is open here", wanted)
                while any(each.name == token.name for each in open_tags) and open_tags.pop().name != token.name:
                    pass
            else:
                open_tags.pop()
        elif token.kind == "text":
            yield from _text(token, inside)
    for each in open_tags:
        yield Remark(each.start, "mjml-syntax", f"<{each.name}> is not closed", f"write </{each.name}>")
    if not seen:
        yield Remark(0, "mjml-syntax", "there is no <mjml> in it", "begin with <mjml><mj-body>")


def _opened(token: Token, inside: str, open_tags: list[Token]) -> Iterator[Remark]:
    name = token.name
    in_html = any(each.name in ENDING for each in open_tags)
    if name in _REFUSED:
        yield Remark(token.start, "mjml-tag", f"an e-mail cannot use <{name}>", _REFUSED[name])
    elif in_html:
        if name.startswith("mj-") or name == "mjml":
            yield Remark(
                token.start, "mjml-nesting", f"<{name}> cannot stand in <{inside}>, which holds HTML", "move it out"
            )
    elif name not in TAGS:
        if name.startswith("mj"):
            remedy = did_you_mean(name, TAGS) or "docs/emails.md lists the tags"
            yield Remark(token.start, "mjml-tag", f"there is no MJML tag <{name}>", remedy)
        else:
            where = "mj-text" if inside in ("mj-column", "mj-hero") else "mj-raw"
            yield Remark(
                token.start, "mjml-nesting", f"<{name}> is HTML and stands outside of any text", f"put it in <{where}>"
            )
    elif inside in TAGS | {""} and name not in CHILDREN.get(inside, frozenset()):
        homes = sorted(parent for parent, children in CHILDREN.items() if name in children and parent)
        yield Remark(
            token.start,
            "mjml-nesting",
            f"<{name}> cannot stand directly in {f'<{inside}>' if inside else 'the page'}",
            f"put it in {' or '.join(f'<{each}>' for each in homes if each != 'mj-attributes') or 'the page itself'}",
        )
    yield from _attributes(token, in_html)


def _attributes(token: Token, in_html: bool) -> Iterator[Remark]:
    for each in token.attributes:
        if each.value and not each.quoted:
            yield Remark(
                each.start, "mjml-syntax", f"{each.name} needs quotes round its value", f'write {each.name}="..."'
            )
        if not in_html and token.name in TAGS and each.name not in ATTRIBUTES:
            remedy = did_you_mean(each.name, ATTRIBUTES) or "remove it"
            yield Remark(each.start, "mjml-attribute", f"MJML has no attribute {each.name}", remedy)
    if token.name == "mj-social-element" and not in_html and not token.get("src"):
        yield Remark(
            token.start, "mjml-attribute", "the picture would come from MJML's own server", "give it `src` and a name"
        )


def _text(token: Token, inside: str) -> Iterator[Remark]:
    if (inside in CHILDREN or inside in _LEAVES) and token.text.strip():
        begin = token.start + len(token.text) - len(token.text.lstrip())
        where = f"<{inside}>" if inside else "the page"
        yield Remark(begin, "mjml-nesting", f"words stand directly in {where}", "put them in <mj-text>")
    elif found := _LIGHT.search(token.text):
        yield Remark(token.start + found.start(), "mjml-syntax", "a bare `<` begins no tag", "write &lt;")


class BrokenMjml(Exception):
    """`mrml` cannot read the page; `offset` says where, as far as it knows."""

    def __init__(self, offset: int) -> None:
        super().__init__("the MJML cannot be read")
        self.offset = offset


def compile_mjml(markup: str) -> str:
    """The HTML of an MJML page; raises BrokenMjml."""
    try:
        return str(mrml.to_html(markup, _PARSER, _OPTIONS).content).replace(_PREVIEW, _PLAIN_PREVIEW)
    except OSError as error:
        found = _PLACE.search(str(error))
        # Its places count bytes.
        before = markup.encode()[: int(found[1])].decode(errors="ignore") if found else ""
        raise BrokenMjml(len(before)) from None
