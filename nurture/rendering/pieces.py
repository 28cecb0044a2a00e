"""A template as one flat row of pieces: layout, blocks and partials resolved, each piece with the place it was written.

The pieces keep Jinja2's own nodes, so nothing is ever turned back into template source: what a compiler of MJML or CSS
makes of the text between them cannot become a statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from jinja2 import Environment, nodes

from nurture.errors import UnsafeTemplate

MAX_FLAT = 400 * 1024
Kind = Literal["text", "value", "if", "for", "elif", "else", "end"]
STATEMENTS = frozenset({"if", "for", "elif", "else", "end"})


@dataclass(slots=True)
class Piece:
    """Plain text, a `{{ value }}`, or one tag of an `if` or `for`; tags that belong together share a `group`."""

    kind: Kind
    file: str
    line: int
    text: str = ""
    node: nodes.Node | None = None
    group: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a template and the file that people know it by."""

    file: str
    text: str


def flatten(start: str, sources: Mapping[str, Source], environment: Environment) -> list[Piece]:
    """The pieces of a template that has passed the policy, in the order of the finished page.

    Raises UnsafeTemplate when the whole is larger than MAX_FLAT.
    """
    flattening = _Flattening(sources, environment)
    flattening.template(start)
    return flattening.pieces


class _Flattening:
    def __init__(self, sources: Mapping[str, Source], environment: Environment) -> None:
        self.sources = sources
        self.environment = environment
        self.pieces: list[Piece] = []
        self.blocks: dict[str, tuple[str, list[nodes.Node]]] = {}
        self.groups = 0
        self.size = 0

    def template(self, name: str) -> None:
        """A whole template; the blocks of one with a layout wait until the layout asks for them."""
        source = self.sources[name]
        tree = self.environment.parse(source.text)
        layout = next((node for node in tree.body if isinstance(node, nodes.Extends)), None)
        if layout is None:
            self.body(source.file, tree.body)
            return
        for block in tree.find_all(nodes.Block):
            self.blocks.setdefault(block.name, (source.file, block.body))
        assert isinstance(layout.template, nodes.Const)
        self.template(layout.template.value)

    def body(self, file: str, body: Iterable[nodes.Node]) -> None:
        """Statements in their order."""
        for node in body:
            if isinstance(node, nodes.Output):
                self.output(file, node)
            elif isinstance(node, nodes.If):
                self.if_(file, node)
            elif isinstance(node, nodes.For):
                self.for_(file, node)
            elif isinstance(node, nodes.Block):
                self.body(*self.blocks.get(node.name, (file, node.body)))
            elif isinstance(node, nodes.Include):
                assert isinstance(node.template, nodes.Const)
                self.template(node.template.value)
            else:
                raise UnsafeTemplate

    def output(self, file: str, node: nodes.Output) -> None:
        """Text and values."""
        for part in node.nodes:
            if isinstance(part, nodes.TemplateData):
                self.size += len(part.data)
                if self.size > MAX_FLAT:
                    raise UnsafeTemplate(f"the e-mail with its partials has more than {MAX_FLAT // 1024} KB")
                self.pieces.append(Piece("text", file, part.lineno, part.data))
            else:
                self.add("value", file, part)

    def if_(self, file: str, node: nodes.If) -> None:
        """`{% if %}` and what belongs to it."""
        self.groups += 1
        group = self.groups
        self.add("if", file, node.test, group, node.lineno)
        self.body(file, node.body)
        for other in node.elif_:
            self.add("elif", file, other.test, group, other.lineno)
            self.body(file, other.body)
        if node.else_:
            self.add("else", file, None, group, node.lineno)
            self.body(file, node.else_)
        self.add("end", file, None, group, node.lineno)

    def for_(self, file: str, node: nodes.For) -> None:
        """`{% for %}` and what belongs to it."""
        self.groups += 1
        group = self.groups
        self.add("for", file, node, group, node.lineno)
        self.body(file, node.body)
        if node.else_:
            self.add("else", file, None, group, node.lineno)
            self.body(file, node.else_)
        self.add("end", file, None, group, node.lineno)

    def add(self, kind: Kind, file: str, node: nodes.Node | None, group: int = 0, line: int | None = None) -> None:
        """One piece that is no text. Its node gets the piece's number as line, so that a remark finds its way back."""
        shown = line or (node.lineno if node is not None else 1)
        self.pieces.append(Piece(kind, file, shown, node=node, group=group))
        if node is not None:
            _number(node, len(self.pieces), whole=not isinstance(node, nodes.For))


def _number(node: nodes.Node, number: int, whole: bool) -> None:
    node.lineno = number
    parts = node.iter_child_nodes() if whole else node.iter_child_nodes(exclude=("body", "else_"))
    for part in parts:
        _number(part, number, whole=True)


class Torn(Exception):
    """The tags of an `if` or `for` no longer stand as they were written; `piece` is one of them."""

    def __init__(self, piece: Piece) -> None:
        super().__init__(piece.kind)
        self.piece = piece


def assemble(pieces: Sequence[Piece], environment: Environment) -> nodes.Template:
    """The pieces as a template that Jinja2 can compile; raises Torn when tags are lost or out of order."""
    assembling = _Assembling(pieces)
    body = assembling.body()
    if assembling.at < len(pieces):
        raise Torn(pieces[assembling.at])
    template = nodes.Template(body, lineno=1)
    template.set_environment(environment)
    return template


class _Assembling:
    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self.at = 0

    def body(self) -> list[nodes.Node]:
        """Everything up to the next tag that ends or turns the group that stands open."""
        found: list[nodes.Node] = []
        row: list[nodes.Expr] = []
        while self.at < len(self.pieces):
            piece = self.pieces[self.at]
            if piece.kind == "text":
                row.append(nodes.TemplateData(piece.text, lineno=0))
                self.at += 1
            elif piece.kind == "value":
                assert isinstance(piece.node, nodes.Expr)
                row.append(piece.node)
                self.at += 1
            elif piece.kind in ("if", "for"):
                if row:
                    found.append(nodes.Output(row, lineno=0))
                    row = []
                found.append(self.if_() if piece.kind == "if" else self.for_())
            else:
                break
        if row:
            found.append(nodes.Output(row, lineno=0))
        return found

    def next_of(self, group: Piece) -> Piece:
        """The tag that comes now, which must belong to the group."""
        piece = self.pieces[self.at] if self.at < len(self.pieces) else None
        if piece is None or piece.group != group.group:
            raise Torn(group)
        self.at += 1
        return piece

    def if_(self) -> nodes.If:
        """One `if` with its branches."""
        opening = self.pieces[self.at]
        number = opening.node.lineno if opening.node is not None else 0
        self.at += 1
        body = self.body()
        others: list[nodes.If] = []
        last: list[nodes.Node] = []
        piece = self.next_of(opening)
        while piece.kind == "elif":
            others.append(nodes.If(piece.node, self.body(), [], [], lineno=number))
            piece = self.next_of(opening)
        if piece.kind == "else":
            last = self.body()
            piece = self.next_of(opening)
        if piece.kind != "end":
            raise Torn(opening)
        return nodes.If(opening.node, body, others, last, lineno=number)

    def for_(self) -> nodes.For:
        """One loop."""
        opening = self.pieces[self.at]
        loop = opening.node
        assert isinstance(loop, nodes.For)
        self.at += 1
        body = self.body()
        otherwise: list[nodes.Node] = []
        piece = self.next_of(opening)
        if piece.kind == "else":
            otherwise = self.body()
            piece = self.next_of(opening)
        if piece.kind != "end":
            raise Torn(opening)
        return nodes.For(loop.target, loop.iter, body, otherwise, loop.test, False, lineno=loop.lineno)
