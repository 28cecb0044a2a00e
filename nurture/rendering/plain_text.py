"""The text part of an e-mail that has none of its own: what a person would have typed, made once per template.

It reads the compiled page with its stand-ins, so conditions and values stay where they are, and a recipient costs
nothing more than with a text that was written by hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nurture.rendering.page_tree import (
    BLOCKS,
    HEADINGS,
    LINES,
    NO_WIDTH,
    ROWS,
    Node,
    hidden,
    holds_data,
    keeps_lines,
    only_links,
    page_tree,
    words_of,
)
from nurture.rendering.pieces import STATEMENTS, Piece
from nurture.rendering.placeholders import Holes

RULE = "-" * 40
_SPACES = re.compile(r"[^\S\n]+")
_SCHEME = re.compile(r"(?:https?://|mailto:|tel:|sms:)", re.IGNORECASE)


def plain_text(markup: str, holes: Holes) -> str:
    """The text of a well-formed page, with the same stand-ins."""
    writer = _Writer(holes)
    writer.children(page_tree(markup, holes))
    return "".join(writer.out).strip() + "\n"


@dataclass(slots=True)
class _State:
    """Where the writing stands: line ends at its end (2 at the very beginning), and whether a blank is there."""

    newlines: int = 2
    blank: bool = True


class _Writer:
    def __init__(self, holes: Holes) -> None:
        self.holes = holes
        self.out: list[str] = []
        self.state = _State()
        self.pending = 0
        self.close = False  # a heading stands right above
        self.indent = ""
        self.marker: str | None = None
        self.keeps_lines = False
        self.in_cell = False
        self.branches: list[tuple[_State, list[_State], bool]] = []

    # --- the page --------------------------------------------------------------------------------------------------

    def children(self, node: Node) -> None:
        """Everything in an element."""
        for part in node.parts:
            if isinstance(part, str):
                self.text(part)
            elif isinstance(part, Piece):
                self.statement(part)
            elif not hidden(part):
                self.element(part)

    def element(self, node: Node) -> None:
        """One element that can be seen."""
        if self.in_cell and (node.name == "br" or node.name in BLOCKS):
            self.words(" ")
            self.children(node)
        elif node.name == "br":
            self.pending = min(self.pending + 1, 2)
        elif node.name == "hr":
            self.block(2)
            self.inline(RULE)
            self.block(2)
        elif node.name == "img":
            self.text(node.get("alt"))
        elif node.name == "a":
            self.link(node)
        elif node.name in ("ul", "ol"):
            self.list(node)
        elif node.name == "table" and holds_data(node):
            self.table(node)
        elif node.name in BLOCKS:
            self.block_element(node)
        else:
            self.children(node)

    def block_element(self, node: Node) -> None:
        """A paragraph, a heading, a cell of a layout: set apart from what stands round it."""
        kept, self.keeps_lines = self.keeps_lines, self.keeps_lines or keeps_lines(node)
        apart = 1 if node.name in LINES else 2
        self.block(apart)
        links = only_links(node)
        if links is not None:
            for each in links:
                self.block(1 if isinstance(each, Node) else 0)
                self.statement(each) if isinstance(each, Piece) else self.link(each, alone=True)
        else:
            self.children(node)
        # The words under a heading stand right below it.
        self.close = node.name in HEADINGS
        self.block(1 if self.close else apart)
        self.keeps_lines = kept

    def list(self, node: Node) -> None:
        """Items with dashes, or with numbers where no condition can take one away."""
        self.block(1 if self.indent else 2)
        numbered = node.name == "ol" and not any(isinstance(part, Piece) for part in node.parts)
        number = int(start) if (start := node.get("start")).isascii() and start.isdigit() else 1
        for part in node.parts:
            if isinstance(part, Piece):
                self.statement(part)
            elif isinstance(part, Node) and part.name == "li" and not hidden(part):
                self.item(part, f"{number}. " if numbered else "- ")
                number += 1
            elif isinstance(part, Node) and not hidden(part):
                self.element(part)
        self.block(1 if self.indent else 2)

    def item(self, node: Node, marker: str) -> None:
        """One item, its further lines under its first word."""
        self.block(1)
        before = self.indent
        self.marker = before + marker
        self.indent = before + " " * len(marker)
        for part in node.parts:
            if isinstance(part, Node) and part.name == "p" and not hidden(part):
                self.block(1)
                self.children(part)
                self.block(1)
            else:
                self.children(Node("", parts=[part]))
        self.indent = before
        self.marker = None
        self.block(1)

    def table(self, node: Node) -> None:
        """Rows of figures, a line each."""
        self.block(2)
        self.rows(node)
        self.block(2)

    def rows(self, node: Node) -> None:
        for part in node.parts:
            if isinstance(part, Piece):
                self.statement(part)
            elif isinstance(part, Node) and part.name == "tr" and not hidden(part):
                self.block(1)
                self.cells(part)
                self.block(1)
            elif isinstance(part, Node) and not hidden(part):
                self.rows(part) if part.name in ROWS else self.element(part)

    def cells(self, row: Node) -> None:
        first = True
        for part in row.parts:
            if isinstance(part, Piece):
                self.statement(part)
            elif isinstance(part, Node) and not hidden(part) and words_of(part):
                if not first:
                    self.inline(" | ")
                self.in_cell = True
                self.children(part)
                self.in_cell = False
                first = False

    def link(self, node: Node, alone: bool = False) -> None:
        """`words: address` where the link stands alone, `words (address)` in a sentence."""
        words, address = words_of(node), node.get("href").strip()
        bare = _SCHEME.sub("", address, count=1)
        if not address or address.startswith("#"):
            self.children(node)
        elif not words:
            return
        elif words in (address, bare, bare.removesuffix("/")):
            self.text(address if address.lower().startswith("http") else bare)
        else:
            self.children(node)
            shown = address if address.lower().startswith("http") or not _SCHEME.match(address) else bare
            self.pending, waiting = 0, self.pending
            if self.out[-1].endswith(" "):
                self.out[-1] = self.out[-1].rstrip(" ")
            self.inline(f": {shown}" if alone else f" ({shown})")
            self.pending = waiting

    # --- the line --------------------------------------------------------------------------------------------------

    def block(self, apart: int) -> None:
        """The next word begins a new line, `apart` 2 with an empty one before."""
        if self.close and apart == 2:
            apart = 1
        self.pending = max(self.pending, apart)

    def flush(self) -> None:
        """End the lines that wait to be ended."""
        if self.pending:
            missing = self.pending - self.state.newlines
            if missing > 0:
                self.out.append("\n" * missing)
                self.state.newlines = self.pending
            self.state.blank = True
            self.pending = 0

    def begin(self) -> None:
        """Stand where the next word goes, with the sign of an item or the blanks under it."""
        self.flush()
        if self.marker is not None:
            self.out.append(self.marker)
            self.marker = None
            self.state = _State(0, True)
        elif self.state.newlines and self.indent:
            self.out.append(self.indent)
            self.state = _State(0, True)

    def text(self, data: str) -> None:
        """Text of the page: blanks in a row are one, and line ends are blanks, except where the style keeps them."""
        data = NO_WIDTH.sub("", data)
        if not self.keeps_lines:
            return self.words(_SPACES.sub(" ", data.replace("\n", " ")))
        for number, line in enumerate(data.split("\n")):
            if number:
                self.pending = min(self.pending + 1, 2)
            self.words(_SPACES.sub(" ", line))
        return None

    def words(self, text: str) -> None:
        """Words of one line."""
        if not text.strip():
            if text and not self.pending and not self.state.blank:
                self.out.append(" ")
                self.state.blank = True
            return
        if self.pending or self.state.blank:
            text = text.lstrip()
        self.inline(text)

    def inline(self, text: str) -> None:
        """These very signs."""
        self.begin()
        self.close = False
        for chunk in self.holes.chunks(text):
            if isinstance(chunk, Piece) and chunk.kind in STATEMENTS:
                self.turn(chunk)
        self.out.append(text)
        self.state = _State(0, text.endswith(" "))

    # --- conditions ------------------------------------------------------------------------------------------------

    def statement(self, piece: Piece) -> None:
        """A tag of an `if` or `for` between elements: every branch begins where the writing stood before it."""
        if self.marker is not None:
            self.begin()
        self.flush()
        self.turn(piece)
        self.out.append(self.holes.word(piece))

    def turn(self, piece: Piece) -> None:
        """Follow the ways through an `if`."""
        if piece.kind in ("if", "for"):
            self.branches.append((_copy(self.state), [], piece.kind == "for"))
        elif self.branches:
            before, ends, loops = self.branches[-1]
            ends.append(_copy(self.state))
            if piece.kind == "else":
                self.branches[-1] = (before, ends, loops)
                ends.append(_State(-1))
                self.state = _copy(before)
            elif piece.kind == "elif":
                self.state = _copy(before)
            else:
                self.branches.pop()
                has_else = any(each.newlines < 0 for each in ends)
                ways = [each for each in ends if each.newlines >= 0] + ([] if has_else else [before])
                self.state = _State(min(way.newlines for way in ways), all(way.blank for way in ways))


def _copy(state: _State) -> _State:
    return _State(state.newlines, state.blank)
