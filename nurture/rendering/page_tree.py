"""A well-formed page as a tree, and what a reader sees of it: hidden parts, tables of figures, lone links."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from nurture.rendering.markup import VOID, Attribute, tokens
from nurture.rendering.pieces import Piece
from nurture.rendering.placeholders import Holes

_SKIPPED = frozenset({"head", "style", "script", "title", "template", "noscript", "svg", "math"})
_PARAGRAPHS = frozenset({"p", "ul", "ol", "dl", "table", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "pre"})
HEADINGS = frozenset({"h2", "h3", "h4", "h5", "h6"})
LINES = frozenset({"div", "dt", "dd", "li", "address", "article", "section", "header", "footer", "center", "body"})
ROWS = frozenset({"tr", "td", "th", "tbody", "thead", "tfoot", "caption"})
BLOCKS = _PARAGRAPHS | LINES | ROWS
_HIDDEN = re.compile(
    r"(?:^|[;\s])(?:display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|opacity\s*:\s*0(?:\.0+)?\s*(?:;|!|$)"
    r"|font-size\s*:\s*0(?:px|pt|em)?\s*(?:;|!|$)[^<>]*max-height\s*:\s*0|max-height\s*:\s*0(?:px)?\s*(?:;|!|$))",
    re.IGNORECASE,
)
_KEEPS_LINES = re.compile(r"white-space\s*:\s*pre", re.IGNORECASE)
# Signs that only pad a preheader or break words; joiners stay between letters, where scripts and emoji need them.
NO_WIDTH = re.compile(
    "[\u200b\u2060\ufeff\u00ad\u034f\u200a\u2007\u061c]|(?<!\\S)[\u200c\u200d]+|[\u200c\u200d]+(?!\\S)"
)
_BETWEEN_LINKS = re.compile(r"[\s\u00b7|\u2022/,;\u2013\u2014-]*")


@dataclass(slots=True)
class Node:
    """One element with what stands in it: other elements, text, tags of conditions."""

    name: str
    attributes: list[Attribute] = field(default_factory=list)
    parts: list[Node | str | Piece] = field(default_factory=list)

    def get(self, name: str) -> str:
        """The value of an attribute, or nothing."""
        return next((html.unescape(each.value) for each in self.attributes if each.name == name), "")

    def nodes(self) -> Iterator[Node]:
        """Every element in it."""
        for part in self.parts:
            if isinstance(part, Node):
                yield part
                yield from part.nodes()


def page_tree(markup: str, holes: Holes) -> Node:
    """The page as a tree; the values of its text stay the words that stand for them."""
    root = Node("")
    stack = [root]
    for token in tokens(markup):
        if token.kind == "start":
            node = Node(token.name, token.attributes)
            stack[-1].parts.append(node)
            if token.name not in VOID and not token.closed:
                stack.append(node)
        elif token.kind == "end":
            if any(each.name == token.name for each in stack[1:]):
                while stack.pop().name != token.name:
                    pass
        elif token.kind == "text":
            stack[-1].parts.append(html.unescape(token.text))
        elif token.kind == "comment" and token.text.startswith("<!--qz"):
            stack[-1].parts.extend(piece for _, piece in holes.found_in(token.text))
    return root


def hidden(node: Node) -> bool:
    """Whether no reader sees the element."""
    if node.name in _SKIPPED or any(each.name == "hidden" for each in node.attributes):
        return True
    return bool(_HIDDEN.search(node.get("style"))) or node.get("aria-hidden") == "true"


def words_of(node: Node) -> str:
    """All visible text of an element, with its stand-ins, in one line."""
    said = []
    for part in node.parts:
        if isinstance(part, str):
            said.append(part)
        elif isinstance(part, Node) and not hidden(part):
            said.append(part.get("alt") if part.name == "img" else words_of(part))
    return " ".join(NO_WIDTH.sub("", " ".join(said)).split())


def keeps_lines(node: Node) -> bool:
    """Whether the line ends of its text are line ends."""
    return node.name == "pre" or bool(_KEEPS_LINES.search(node.get("style")))


def _rows(table: Node) -> Iterator[Node]:
    """The rows of a table itself, not those of tables in it."""
    for part in table.parts:
        if isinstance(part, Node):
            if part.name == "tr":
                yield part
            elif part.name in ROWS:
                yield from _rows(part)


def holds_data(table: Node) -> bool:
    """Whether a table is one: layouts say that they are none, or have blocks in their cells."""
    if table.get("role") in ("presentation", "none"):
        return False
    rows = [[part for part in row.parts if isinstance(part, Node)] for row in _rows(table)]
    inner = {each.name for row in rows for cell in row for each in cell.nodes()}
    if inner & {"table", "ul", "ol"}:
        return False
    if any(cell.name == "th" for row in rows for cell in row):
        return True
    return any(len(row) > 1 for row in rows) and not inner & (BLOCKS | {"img"})


def only_links(node: Node) -> list[Node | Piece] | None:
    """The links of a block that holds nothing else but signs between them; None when it says more."""
    links: list[Node | Piece] = []
    for part in node.parts:
        if isinstance(part, str):
            if not _BETWEEN_LINKS.fullmatch(part):
                return None
        elif isinstance(part, Piece) or (part.name == "a" and part.get("href")):
            links.append(part)
        elif part.name != "br" and not hidden(part):
            return None
    return links if any(isinstance(each, Node) for each in links) else None
