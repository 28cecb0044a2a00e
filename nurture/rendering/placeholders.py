"""Stand-ins for values and statements while a page is compiled: words where text stands, comments between elements."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from nurture.rendering.markup import CONDITIONAL, VOID, Token, inside_comment, tokens
from nurture.rendering.pieces import STATEMENTS, Piece

Where = Literal["data", "attribute", "tag", "comment", "raw"]
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a piece stands in the page: the kind of place, its element or attribute, and which one it is."""

    where: Where
    name: str
    start: int


@dataclass(frozen=True, slots=True)
class Tear:
    """A statement that cuts through an element."""

    piece: Piece
    why: str


class Holes:
    """The page of a row of pieces with stand-ins for all that is not text."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        text = "".join(piece.text for piece in pieces)
        number = 0
        while f"qz{number}k" in text:
            number += 1
        self._prefix = f"qz{number}k"
        self._found = re.compile(rf"<!--{self._prefix}(\d{{5}})x-->|{self._prefix}(\d{{5}})x")
        self._starts: list[tuple[int, int]] = []
        self._index = {id(piece): index for index, piece in enumerate(pieces)}
        words = self._joined(frozenset())
        self.spots = self._spots(words)
        between = frozenset(
            index
            for index, spot in self.spots.items()
            if spot.where == "data" and self.pieces[index].kind in STATEMENTS
        )
        self.markup = self._joined(between)

    def _joined(self, as_comments: frozenset[int]) -> str:
        parts: list[str] = []
        self._starts = []
        at = 0
        for index, piece in enumerate(self.pieces):
            self._starts.append((at, index))
            part = piece.text if piece.kind == "text" else f"{self._prefix}{index:05d}x"
            if index in as_comments:
                part = f"<!--{part}-->"
            parts.append(part)
            at += len(part)
        return "".join(parts)

    def _spots(self, markup: str) -> dict[int, Spot]:
        spots: dict[int, Spot] = {}
        for token in tokens(markup):
            for found in self._found.finditer(token.text):
                index = int(found[1] or found[2])
                spots[index] = _spot(token, token.start + found.start())
        # A word may stand across two tokens where braces cut a tag in two.
        for index, piece in enumerate(self.pieces):
            if piece.kind != "text":
                spots.setdefault(index, Spot("tag", "", 0))
        return spots

    def word(self, piece: Piece) -> str:
        """The word that stands for a piece."""
        return f"{self._prefix}{self._index[id(piece)]:05d}x"

    def place(self, offset: int) -> tuple[str, int]:
        """File and line of an offset of `markup`."""
        low, high = 0, len(self._starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._starts[middle][0] <= offset else (low, middle)
        if not self._starts:
            return "", 1
        start, index = self._starts[low]
        piece = self.pieces[index]
        return piece.file, piece.line + piece.text.count("\n", 0, max(offset - start, 0))

    def found_in(self, text: str) -> Iterator[tuple[int, Piece]]:
        """The pieces whose stand-ins are in the text."""
        for found in self._found.finditer(text):
            index = int(found[1] or found[2])
            if index < len(self.pieces):
                yield index, self.pieces[index]

    def without(self, text: str, kinds: frozenset[str] = STATEMENTS) -> str:
        """The text without the stand-ins of these kinds."""
        return self._found.sub(
            lambda found: "" if self.pieces[int(found[1] or found[2])].kind in kinds else found.group(), text
        )

    def chunks(self, text: str) -> Iterator[str | Piece]:
        """Text and pieces of a compiled page in their order."""
        at = 0
        for found in self._found.finditer(text):
            if found.start() > at:
                yield text[at : found.start()]
            yield self.pieces[int(found[1] or found[2])]
            at = found.end()
        if at < len(text):
            yield text[at:]

    def restore(self, markup: str) -> list[Piece]:
        """The pieces of a compiled page: its text, and the values and statements at their stand-ins."""
        file = self.pieces[0].file if self.pieces else ""
        return [Piece("text", file, 1, chunk) if isinstance(chunk, str) else chunk for chunk in self.chunks(markup)]

    def lost(self, compiled: str) -> list[Piece]:
        """The values and statements that a compiled page no longer has."""
        there = {index for index, _ in self.found_in(compiled)}
        return [piece for index, piece in enumerate(self.pieces) if piece.kind != "text" and index not in there]

    def moved(self, compiled: str) -> Piece | None:
        """The first statement between elements that a compiled page has out of its order, or twice."""
        wanted = [index for index, piece in self._between(self.markup)]
        found = [index for index, piece in self._between(compiled)]
        if wanted == found:
            return None
        pairs = zip(wanted, [*found, *([-1] * len(wanted))], strict=False)
        index = next((mine for mine, other in pairs if mine != other), found[-1] if found else wanted[0])
        return self.pieces[index]

    def _between(self, markup: str) -> Iterator[tuple[int, Piece]]:
        for found in self._found.finditer(markup):
            if found[1]:
                yield int(found[1]), self.pieces[int(found[1])]

    def said(self, markup: str) -> str:
        """What a page says between its tags, without blanks; the same after a faithful change."""
        words = (html.unescape(token.text) for token in self._between_tags(markup))
        return _BLANKS.sub("", "".join(words))

    def _between_tags(self, markup: str) -> Iterator[Token]:
        for token in tokens(markup):
            if token.kind == "text" or (token.kind == "comment" and self._found.fullmatch(token.text)):
                yield token

    def tears(self, markup: str) -> Iterator[Tear]:
        """The statements between whose tags an element is opened and not closed, or closed and not opened."""
        return _Balance(self).tears(markup)


def _spot(token: Token, offset: int) -> Spot:
    if token.kind == "start":
        for each in token.attributes:
            if each.quoted and each.start <= offset < each.end:
                return Spot("attribute", each.name, each.start)
        return Spot("tag", token.name, token.start)
    if token.kind in ("end", "other"):
        return Spot("tag", token.name, token.start)
    if token.kind == "comment":
        return Spot("comment", CONDITIONAL if token.text.startswith(CONDITIONAL) else "", token.start)
    return Spot("raw" if token.kind == "raw" else "data", token.name, token.start if token.kind == "raw" else 0)


class _Balance:
    def __init__(self, holes: Holes) -> None:
        self.holes = holes
        self.open: list[str] = []
        self.ghosts: list[str] = []  # what is open for Outlook alone
        # Of each statement that stands open: its piece, and what was open there.
        self.groups: list[tuple[Piece, list[str], list[str]]] = []

    def tears(self, markup: str) -> Iterator[Tear]:
        for token in tokens(markup):
            if token.kind == "comment":
                found = list(self.holes.found_in(token.text))
                if len(found) == 1 and found[0][1].kind in STATEMENTS and not token.text.startswith(CONDITIONAL):
                    yield from self.statement(found[0][1])
                for inner in inside_comment(token):
                    yield from self.tag(inner, self.ghosts)
            else:
                yield from self.tag(token, self.open)

    def statement(self, piece: Piece) -> Iterator[Tear]:
        if piece.kind in ("if", "for"):
            self.groups.append((piece, list(self.open), list(self.ghosts)))
            return
        if not self.groups:
            return
        opening, was_open, were_ghosts = self.groups[-1]
        if self.open != was_open or self.ghosts != were_ghosts:
            more = self.open[len(was_open) :] or self.ghosts[len(were_ghosts) :]
            yield Tear(
                opening, f"<{more[-1]}> is opened in it and not closed" if more else "it closes what it did not open"
            )
            self.open, self.ghosts = list(was_open), list(were_ghosts)
        if piece.kind == "end":
            self.groups.pop()

    def tag(self, token: Token, stack: list[str]) -> Iterator[Tear]:
        if token.kind == "start" and not token.closed and token.name not in VOID:
            stack.append(token.name)
        elif token.kind == "end" and token.name in stack:
            while stack.pop() != token.name:
                pass
            if self.groups:
                opening, was_open, were_ghosts = self.groups[-1]
                before = was_open if stack is self.open else were_ghosts
                if len(stack) < len(before):
                    yield Tear(opening, f"</{token.name}> in it closes what was opened before it")
                    stack[:] = before
