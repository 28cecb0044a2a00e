"""The policy inside `{{ ... }}` and `{% if ... %}`: known names, known filters, comparisons, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from jinja2 import nodes

from nurture.rendering.environment import LOOP_FIELDS
from nurture.rendering.fields import Fields, ListOf, Record, Shape, Value
from nurture.rendering.filters import FILTER_RULES, TESTS
from nurture.rendering.html_places import active_content, misplaced
from nurture.rendering.wording import hint, refusal

if TYPE_CHECKING:
    from nurture.rendering.policy import Report

_PLAIN = Value(certain=True)
_WRITTEN = Value("url", certain=True)  # what the author wrote out may stand anywhere
_LOOP = Record(dict.fromkeys(sorted(LOOP_FIELDS), _PLAIN))
_FORMATS: dict[str, str] = {
    "date": "{{{{ {path} | date }}}}",
    "boolean": "{{% if {path} %}}...{{% endif %}}",
}
_LIST_FILTERS = frozenset({"join", "length", "first", "last", "default"})


class Expressions:
    """Judges the expressions of one template and knows which names they may use."""

    def __init__(self, report: Report, fields: Fields, *, html: bool, needs: frozenset[str], gaps_show: bool) -> None:
        self.report = report
        self.gaps_show = gaps_show
        self.html = html
        self.names: dict[str, Shape] = dict(fields)
        self.roots = frozenset(fields)
        self.sure: set[str] = set(needs)
        self.kinds: dict[type[nodes.Node], Callable[[Any], Shape | None]] = {
            nodes.Const: lambda _: _WRITTEN,
            nodes.Name: self._name,
            nodes.Getattr: self._getattr,
            nodes.Getitem: self._getitem,
            nodes.Filter: self._filter,
            nodes.Test: self._test,
            nodes.Compare: self._compare,
            nodes.And: self._both,
            nodes.Or: self._either,
            nodes.Not: self._not,
            nodes.CondExpr: self._inline_if,
        }

    # --- what the statements ask ---------------------------------------------------------------------------------

    def shown(self, node: nodes.Expr, before: str) -> set[str]:
        """Judge a `{{ ... }}` that follows the text `before`; return the paths that it surely shows."""
        shape = self.judge(node)
        if isinstance(shape, (Record, ListOf)):
            self._refuse(
                node,
                "template-whole",
                f"`{_path(node) or 'this'}` is not one value",
                _fields_of(shape) if isinstance(shape, Record) else "use `| join`, or `{% for %}`",
            )
        if shape is not None and not self.gaps_show:
            self._warn_if_it_may_be_missing(node)
            self._warn_if_it_has_no_format(node, shape)
        if self.html:
            said = f"`{_path(node) or 'this'}`"
            wrong = misplaced(before, said, is_link=isinstance(shape, Value) and shape.kind == "url")
            if wrong:
                self._refuse(node, *wrong)
        path = _path(node)
        return {path} if path else set()

    def condition(self, node: nodes.Node) -> set[str]:
        """Judge the test of an `if`; return the paths that are there when it holds."""
        self.judge(node)
        return _paths_tested(node)

    @contextmanager
    def given(self, paths: Iterable[str]) -> Iterator[None]:
        """Within: these paths are known to be there."""
        before = set(self.sure)
        self.sure |= set(paths)
        yield
        self.sure = before

    def loop_over(self, node: nodes.For) -> tuple[str, Shape] | None:
        """The name and shape of a loop's item; None when the loop is refused."""
        if node.recursive or not isinstance(node.target, nodes.Name):
            self._refuse(node, "template-loop", "a loop has one name and one list", "write `{% for item in list %}`")
            return None
        name = node.target.name
        if name in self.roots or name == "loop" or name.startswith("_"):
            self._refuse(node, "template-loop", f"the loop's name {name!r} is taken", "choose another name")
            return None
        shape = self.judge(node.iter) if isinstance(node.iter, (nodes.Name, nodes.Getattr)) else None
        if not isinstance(shape, ListOf):
            lists = [root for root, each in self.names.items() if isinstance(each, ListOf)]
            self._refuse(
                node,
                "template-loop",
                "a loop runs over a declared list only",
                hint(_path(node.iter) or "", lists) if lists else "there is no list here; write it out",
            )
            return None
        return name, shape.item

    @contextmanager
    def naming(self, item: tuple[str, Shape]) -> Iterator[None]:
        """Within: the loop's item and its counters have names."""
        before = dict(self.names)
        self.names.update({item[0]: item[1], "loop": _LOOP})
        yield
        self.names = before

    def active_content(self, node: nodes.TemplateData) -> None:
        """Refuse what an e-mail must not carry: scripts, frames, forms, handlers."""
        found = active_content(node.data)
        if found:
            offset, why = found
            self.report.add(node.lineno + node.data.count("\n", 0, offset), *why)

    # --- kinds of expression -------------------------------------------------------------------------------------

    def judge(self, node: nodes.Node) -> Shape | None:
        """The shape of an expression's value; None when it was refused."""
        kind = self.kinds.get(type(node))
        if kind is None:
            self._refuse(node, *refusal(node))
            return None
        return kind(node)

    def _name(self, node: nodes.Name) -> Shape | None:
        shape = self.names.get(node.name)
        if shape is None:
            self._refuse(node, "unknown-field", f"`{node.name}` is not known here", hint(node.name, self.names))
        return shape

    def _getattr(self, node: nodes.Getattr) -> Shape | None:
        return self._field(node, node.node, node.attr)

    def _getitem(self, node: nodes.Getitem) -> Shape | None:
        key = node.arg.value if isinstance(node.arg, nodes.Const) else None
        if type(key) is str:
            return self._field(node, node.node, key)
        if isinstance(node.arg, nodes.Slice) or type(key) is not int:
            self._refuse(node, *refusal(nodes.Slice(None, None, None)))
            return None
        shape = self.judge(node.node)
        if isinstance(shape, ListOf):
            return shape.item
        if shape is not None:
            self._refuse(node, "template-item", "only a list has items", "name a field")
        return None

    def _field(self, node: nodes.Expr, owner: nodes.Expr, name: str) -> Shape | None:
        shape = self.judge(owner)
        if shape is None:
            return None
        if not isinstance(shape, Record):
            what = "a list" if isinstance(shape, ListOf) else "one value"
            self._refuse(
                node,
                "unknown-field",
                f"`{_path(owner) or 'this'}` is {what} and has no `{name}`",
                "use a filter, such as `| upper`" if isinstance(shape, Value) else "use `{% for %}`",
            )
            return None
        field = shape.fields.get(name)
        if field is None:
            path = _path(owner) or "it"
            self._refuse(node, "unknown-field", f"`{path}` has no field `{name}`", hint(name, shape.fields))
        return field

    def _filter(self, node: nodes.Filter) -> Shape | None:
        rule = FILTER_RULES.get(node.name)
        inner = node.node
        shape = self.judge(inner) if inner is not None else None
        for argument in self._arguments(node):
            self.judge(argument)
        if rule is None:
            self._refuse(node, "unknown-filter", f"there is no filter `{node.name}`", hint(node.name, FILTER_RULES))
            return None
        given = len(node.args) + len(node.kwargs)
        odd = [each.key for each in node.kwargs if each.key not in rule.names]
        names = [*rule.names[: len(node.args)], *(each.key for each in node.kwargs)]
        twice = bool(rule.allows) and len(set(names)) != given
        if node.dyn_args or node.dyn_kwargs or odd or twice or not rule.least <= given <= rule.most:
            self._refuse(
                node, "filter-argument", f"`{node.name}` does not take these arguments", f"write `| {rule.example}`"
            )
        elif rule.allows and any(
            not isinstance(each, nodes.Const) or not rule.allows[rule.names.index(name)](each.value)
            for name, each in zip(names, self._arguments(node), strict=True)
        ):
            self._refuse(
                node, "filter-argument", f"`{node.name}` does not take this argument", f"write `| {rule.example}`"
            )
        return self._filtered(node, shape)

    def _filtered(self, node: nodes.Filter, shape: Shape | None) -> Shape | None:
        if isinstance(shape, Record) or (isinstance(shape, ListOf) and node.name not in _LIST_FILTERS):
            self._refuse(node, "template-whole", f"`{node.name}` needs one value", "name a field")
            return None
        escapes = ("e", "escape")
        if node.name in escapes and not self.html:
            self._refuse(
                node, "filter-escape", "the text part is not HTML and needs no escaping", f"remove `| {node.name}`"
            )
        if isinstance(node.node, nodes.Filter) and node.node.name in escapes:
            self._refuse(node, "filter-escape", "escaping comes last", f"move `| {node.node.name}` to the end")
        if isinstance(shape, ListOf) and node.name in ("first", "last"):
            return shape.item
        if node.name == "default" and node.args:
            return _weaker(shape, self._quietly(node.args[0]))
        return _PLAIN if shape is not None else None

    def _test(self, node: nodes.Test) -> Shape:
        self.judge(node.node)
        if node.name not in TESTS:
            self._refuse(node, "unknown-test", f"there is no test `is {node.name}`", hint(node.name, TESTS))
        elif node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
            self._refuse(node, "unknown-test", f"`is {node.name}` takes no arguments", "remove them")
        return _PLAIN

    def _compare(self, node: nodes.Compare) -> Shape:
        self._one_value(node.expr)
        for operand in node.ops:
            right = operand.expr
            if operand.op in ("in", "notin") and isinstance(right, (nodes.List, nodes.Tuple)):
                for item in right.items:
                    self._one_value(item)
            else:
                self._one_value(right)
        return _PLAIN

    def _both(self, node: nodes.And) -> Shape | None:
        self.judge(node.left)
        with self.given(_paths_tested(node.left)):
            return self.judge(node.right)

    def _either(self, node: nodes.Or) -> Shape | None:
        return _weaker(self.judge(node.left), self.judge(node.right))

    def _not(self, node: nodes.Not) -> Shape:
        self.judge(node.node)
        return _PLAIN

    def _inline_if(self, node: nodes.CondExpr) -> Shape | None:
        sure = self.condition(node.test)
        with self.given(sure):
            shape = self.judge(node.expr1)
        if node.expr2 is None:
            self._refuse(node, "template-if", "an `if` inside braces needs its `else`", 'write `{{ a if b else "" }}`')
            return shape
        return _weaker(shape, self.judge(node.expr2))

    def _one_value(self, node: nodes.Expr) -> None:
        if isinstance(self.judge(node), (Record, ListOf)):
            self._refuse(node, "template-whole", f"`{_path(node) or 'this'}` is not one value", "name a field")

    # --- lint ----------------------------------------------------------------------------------------------------

    def _warn_if_it_may_be_missing(self, node: nodes.Expr) -> None:
        path = self._missing_path(node)
        if path is not None:
            self.report.add(
                node.lineno,
                "field-may-be-missing",
                f"a lead without `{path}` will not get this e-mail",
                f'write `{path} | default("...")`, or put it under `needs` in email.yaml',
                "warning",
            )

    def _warn_if_it_has_no_format(self, node: nodes.Expr, shape: Shape) -> None:
        path = _path(node)
        remedy = _FORMATS.get(shape.type) if isinstance(shape, Value) and path else None
        if remedy:
            self.report.add(
                node.lineno,
                "field-format",
                f"`{path}` would show as it is stored",
                f"write `{remedy.format(path=path)}`",
                "warning",
            )

    def _missing_path(self, node: nodes.Expr) -> str | None:
        while isinstance(node, nodes.Filter) and node.node is not None and node.name != "default":
            node = node.node
        if isinstance(node, nodes.Or):
            return self._missing_path(node.left) and self._missing_path(node.right)
        path = _path(node)
        if path is None or path in self.sure or path.partition(".")[0] not in self.roots:
            return None
        shape = self._quietly(node)
        return path if isinstance(shape, Value) and not shape.certain else None

    def _quietly(self, node: nodes.Expr) -> Shape | None:
        problems = list(self.report.problems)
        shape = self.judge(node)
        self.report.problems[:] = problems
        return shape

    def _arguments(self, node: nodes.Filter) -> list[nodes.Expr]:
        return [*node.args, *(each.value for each in node.kwargs)]

    def _refuse(self, node: nodes.Node, code: str, message: str, remedy: str) -> None:
        self.report.add(node.lineno, code, message, remedy)


def _path(node: nodes.Node | None) -> str | None:
    """`lead.name` for a plain chain of names, else None."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        owner = _path(node.node)
        return f"{owner}.{node.attr}" if owner else None
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        owner = _path(node.node)
        return f"{owner}.{node.arg.value}" if owner else None
    return None


def _weaker(one: Shape | None, other: Shape | None) -> Shape | None:
    """The shape of a value that is the one or the other: trusted only as far as both are."""
    if not (isinstance(one, Value) and isinstance(other, Value)):
        return one if other is None or not isinstance(one, Value) else other
    kinds: list[Literal["given", "text", "url"]] = ["given", "text", "url"]
    return Value(next(kind for kind in kinds if kind in (one.kind, other.kind)), one.certain or other.certain)


def _paths_tested(node: nodes.Node) -> set[str]:
    if isinstance(node, nodes.And):
        return _paths_tested(node.left) | _paths_tested(node.right)
    if isinstance(node, nodes.Test) and node.name in ("defined", "string", "number"):
        node = node.node
    if isinstance(node, nodes.Compare) and all(operand.op != "notin" for operand in node.ops):
        node = node.expr  # a comparison with a missing field is false
    path = _path(node)
    return {path} if path else set()


def _fields_of(shape: Record) -> str:
    return f"name one of its fields: {', '.join(sorted(shape.fields))}"
