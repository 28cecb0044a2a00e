"""Words for what templates may not be made of."""

from __future__ import annotations

from collections.abc import Iterable

from jinja2 import nodes

from nurture.problems import did_you_mean

_CALL = ("template-call", "a template cannot call anything", "name a field, or use a filter such as `| upper`")
_ARITHMETIC = (
    "template-arithmetic",
    "a template cannot calculate or glue texts together",
    "put the value in a field of the lead, or write two `{{ ... }}` side by side",
)
_SETTING = ("template-set", "a template cannot set variables", "write the field where it is needed")
_MACRO = ("template-macro", "a template cannot define or import macros", "write the text out, or put it in a layout")
_OTHER_FILE = (
    "template-include",
    "a template can include only a partial, by its written name",
    'write `{% include "_partials/name.html" %}` for a file in `emails/_partials/`',
)
_LITERAL = ("template-literal", "a list or mapping cannot stand here", 'lists stand after `in` only: `in ["DK", "SE"]`')
_ESCAPING = ("template-escaping", "a template cannot switch escaping off", "remove `{% autoescape %}`")

_REFUSALS: dict[type[nodes.Node], tuple[str, str, str]] = {
    nodes.Call: _CALL,
    nodes.CallBlock: _CALL,
    nodes.Add: _ARITHMETIC,
    nodes.Sub: _ARITHMETIC,
    nodes.Mul: _ARITHMETIC,
    nodes.Div: _ARITHMETIC,
    nodes.FloorDiv: _ARITHMETIC,
    nodes.Mod: _ARITHMETIC,
    nodes.Pow: _ARITHMETIC,
    nodes.Neg: _ARITHMETIC,
    nodes.Pos: _ARITHMETIC,
    nodes.Concat: _ARITHMETIC,
    nodes.Assign: _SETTING,
    nodes.AssignBlock: _SETTING,
    nodes.With: _SETTING,
    nodes.NSRef: _SETTING,
    nodes.Macro: _MACRO,
    nodes.Import: _MACRO,
    nodes.FromImport: _MACRO,
    nodes.Include: _OTHER_FILE,
    nodes.List: _LITERAL,
    nodes.Tuple: _LITERAL,
    nodes.Dict: _LITERAL,
    nodes.FilterBlock: ("template-filter-block", "a filter cannot run over a whole block", "put it after one field"),
    nodes.Scope: _ESCAPING,
    nodes.ScopedEvalContextModifier: _ESCAPING,
    nodes.Slice: ("template-slice", "a template cannot cut pieces out of a value", "use `| truncate(60)`"),
}


def refusal(node: nodes.Node) -> tuple[str, str, str]:
    """Code, message and remedy for a kind of node that templates may not have."""
    return _REFUSALS.get(
        type(node),
        (
            "template-forbidden",
            f"a template cannot use {type(node).__name__.lower()}",
            "use fields, filters, `if`, and `for` over a list",
        ),
    )


def hint(name: str, known: Iterable[str]) -> str:
    """The remedy for a name that nobody knows here: the nearest one, or all that there are."""
    names = sorted(known)
    return did_you_mean(name, names) or (f"known here: {', '.join(names)}" if names else "there are none here")
