"""The first wall: which parts of Jinja2 a template may be made of, and which names it may say.

Everything that is not on a list here is refused: calls, arithmetic, assignments, macros, attributes of anything but
declared records, loops over anything but declared lists, includes of anything but a partial by its written name. What
is left cannot reach Python and cannot run for long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from jinja2 import Environment, TemplateSyntaxError, nodes

from nurture.problems import Problem
from nurture.rendering.expressions import Expressions
from nurture.rendering.fields import Fields
from nurture.rendering.wording import hint, refusal

MAX_SOURCE = 100 * 1024  # a mail larger than this is cut off by large mailbox providers anyway
MAX_NODES = 5_000
MAX_NESTING = 40
_PARSER = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)


@dataclass
class Report:
    """What one template says: its problems, its blocks, and the fields that it shows."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    layout: str | None = None
    blocks: set[str] = field(default_factory=set)
    partials: set[str] = field(default_factory=set)
    # The paths that are shown whatever the data.
    always_shown: set[str] = field(default_factory=set)

    def add(
        self, line: int, code: str, message: str, remedy: str, severity: Literal["error", "warning"] = "error"
    ) -> None:
        """Note a problem of this file."""
        self.problems.append(
            Problem(file=self.file, line=line, column=1, code=code, severity=severity, message=message, remedy=remedy)
        )

    @property
    def refused(self) -> bool:
        """Whether the template may not be compiled."""
        return any(problem.severity == "error" for problem in self.problems)


def inspect_template(
    source: str,
    *,
    file: str,
    fields: Fields,
    html: bool = False,
    layouts: Iterable[str] = (),
    partials: Iterable[str] = (),
    is_layout: bool = False,
    needs: Iterable[str] = (),
    gaps_show: bool = False,
) -> Report:
    """Judge one template text without running it.

    `layouts` are the names that it may extend, `partials` those that it may include, `needs` the paths that are surely
    there; where `gaps_show`, a missing value is no reason to warn.
    """
    report = Report(file)
    tree = _parse(source, report)
    if tree is not None:
        expressions = Expressions(report, fields, html=html, needs=frozenset(needs), gaps_show=gaps_show)
        inspector = _Inspector(report, expressions, frozenset(layouts), frozenset(partials), is_layout)
        inspector.statements(tree.body)
    return report


def _parse(source: str, report: Report) -> nodes.Template | None:
    if len(source) > MAX_SOURCE:
        report.add(1, "template-size", f"the template has more than {MAX_SOURCE // 1024} KB", "shorten it")
        return None
    try:
        tree = _PARSER.parse(source)
    except TemplateSyntaxError as error:
        report.add(error.lineno, "template-syntax", error.message or "the template cannot be read", "mend the braces")
        return None
    except (RecursionError, ValueError, OverflowError):
        report.add(1, "template-size", "the template is nested too deeply, or has an endless number", "simplify it")
        return None
    if _too_big(tree):
        report.add(
            1, "template-size", f"the template has more than {MAX_NODES} parts, or {MAX_NESTING} levels", "simplify it"
        )
        return None
    return tree


def _too_big(tree: nodes.Template) -> bool:
    waiting: list[tuple[nodes.Node, int]] = [(tree, 0)]
    seen = 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if seen > MAX_NODES or depth > MAX_NESTING:
            return True
        waiting.extend((child, depth + 1) for child in node.iter_child_nodes())
    return False


class _Inspector:
    """Walks the statements of one template; `Expressions` walks what stands inside them."""

    def __init__(
        self,
        report: Report,
        expressions: Expressions,
        layouts: frozenset[str],
        partials: frozenset[str],
        is_layout: bool,
    ) -> None:
        self.report = report
        self.expressions = expressions
        self.html = expressions.html
        self.layouts = layouts
        self.partials = partials
        self.is_layout = is_layout
        self.block: str | None = None
        self.conditions = 0
        self.loops = 0
        self.before = ""
        self.known: dict[type[nodes.Node], Callable[[Any], None]] = {
            nodes.Output: self.output,
            nodes.If: self.if_,
            nodes.For: self.for_,
            nodes.Block: self.block_,
            nodes.Extends: self.extends,
            nodes.Include: self.include,
        }

    def statements(self, body: Iterable[nodes.Node]) -> None:
        """Judge statements in the order of the page."""
        for node in body:
            judge = self.known.get(type(node))
            if judge is None:
                self.report.add(_line(node), *refusal(node))
            else:
                judge(node)

    def output(self, node: nodes.Output) -> None:
        """Text and `{{ ... }}`."""
        for part in node.nodes:
            if isinstance(part, nodes.TemplateData):
                self.data(part)
                continue
            paths = self.expressions.shown(part, self.before)
            if not self.conditions and not self.loops:
                self.report.always_shown.update(paths)
            self.before += "x"

    def data(self, node: nodes.TemplateData) -> None:
        """Plain text of the template."""
        self.before += node.data
        self.before = self.before[max(self.before.rfind("<"), 0) :]
        if "{{" in node.data or "{%" in node.data:
            self.report.add(
                node.lineno, "template-braces", "the text would show braces to its reader", "remove `{% raw %}`"
            )
        if self.report.layout and self.block is None and node.data.strip():
            self.report.add(
                node.lineno,
                "template-outside-block",
                "this text stands outside every block, and nobody will see it",
                "put it between `{% block body %}` and `{% endblock %}`",
            )
        if self.html:
            self.expressions.active_content(node)

    def if_(self, node: nodes.If) -> None:
        """`{% if %}` with its `elif` and `else`."""
        sure = self.expressions.condition(node.test)
        self.conditions += 1
        with self.expressions.given(sure):
            self.statements(node.body)
        self.statements(node.elif_)
        self.statements(node.else_)
        self.conditions -= 1

    def for_(self, node: nodes.For) -> None:
        """`{% for item in list %}` over a declared list, never inside another."""
        if self.loops:
            self.report.add(node.lineno, "template-loop", "a loop stands inside another loop", "use one loop only")
            return
        item = self.expressions.loop_over(node)
        if item is None:
            return
        with self._loop(), self.expressions.naming(item):
            if node.test is not None:
                self.expressions.condition(node.test)
            self.statements(node.body)
        self.conditions += 1
        self.statements(node.else_)
        self.conditions -= 1

    @contextmanager
    def _loop(self) -> Iterator[None]:
        self.loops += 1
        yield
        self.loops -= 1

    def block_(self, node: nodes.Block) -> None:
        """`{% block name %}`: a place of the layout, or what a template puts there."""
        if not (self.is_layout or self.report.layout):
            self.report.add(node.lineno, "template-block", "a block needs a layout", 'begin with `{% extends "..." %}`')
        if self.block is not None or self.loops:
            self.report.add(
                node.lineno,
                "template-block",
                f"the block {node.name!r} stands in another block or loop",
                "close the other one first",
            )
            return
        self.report.blocks.add(node.name)
        self.block, outer, before = node.name, self.conditions, self.before
        self.conditions = 0
        self.statements(node.body)
        self.block, self.conditions = None, outer
        self.before = before if self.report.layout else self.before

    def extends(self, node: nodes.Extends) -> None:
        """`{% extends "_layout.html" %}`: a layout of the e-mails folder, by its written name."""
        name = node.template.value if isinstance(node.template, nodes.Const) else None
        if self.is_layout or self.report.layout or self.block or self.conditions or self.loops:
            self.report.add(
                node.lineno,
                "template-layout",
                "`extends` stands once, at the top of an e-mail",
                "move it to the first line",
            )
        elif not isinstance(name, str):
            self.report.add(
                node.lineno,
                "template-layout",
                "the layout's name must be written out",
                'write `{% extends "_layout.html" %}`',
            )
        elif name not in self.layouts:
            self.report.add(node.lineno, "template-layout", f"there is no layout {name!r}", hint(name, self.layouts))
        else:
            self.report.layout = name

    def include(self, node: nodes.Include) -> None:
        """`{% include "_partials/name.html" %}`: shared text of the e-mails folder, by its written name."""
        name = node.template.value if isinstance(node.template, nodes.Const) else None
        if not self.partials or not isinstance(name, str) or node.ignore_missing or not node.with_context:
            self.report.add(node.lineno, *refusal(node))
        elif name not in self.partials:
            self.report.add(
                node.lineno, "template-include", f"there is no partial {name!r} for here", hint(name, self.partials)
            )
        elif self.report.layout and self.block is None:
            self.report.add(
                node.lineno,
                "template-outside-block",
                "this partial stands outside every block, and nobody will see it",
                "put it between `{% block body %}` and `{% endblock %}`",
            )
        else:
            self.report.partials.add(name)
            self.before = ""


def _line(node: nodes.Node) -> int:
    """The node's line; Jinja2 gives none to some wrappers, whose first part has one."""
    line: int | None = node.lineno
    return line or next((_line(child) for child in node.iter_child_nodes()), 1)


def join_layout(report: Report, layouts: Mapping[str, Report]) -> Report:
    """Add what only shows when a template and its layout are seen together: unknown blocks."""
    layout = layouts.get(report.layout or "")
    if layout is not None:
        for name in sorted(report.blocks - layout.blocks):
            report.add(
                1,
                "template-block",
                f"the layout has no block {name!r}, so nobody will see it",
                hint(name, layout.blocks),
            )
    return report


def inspect_page(tree: nodes.Template, *, file: str, fields: Fields, html: bool) -> Report:
    """Judge the page that will really be rendered, after layout, partials, MJML and styles have had their way.

    The lines of its problems are the numbers of pieces (0: text that no piece explains).
    """
    report = Report(file)
    if _too_big(tree):
        report.add(
            0, "template-size", f"the page has more than {MAX_NODES} parts, or {MAX_NESTING} levels", "simplify it"
        )
        return report
    expressions = Expressions(report, fields, html=html, needs=frozenset(), gaps_show=True)
    _Inspector(report, expressions, frozenset(), frozenset(), False).statements(tree.body)
    return report
