"""The sandbox that templates run in: no files, no globals, no calls, and no attribute of any Python object.

It is the second wall; the first is the allow-list of `policy.py`, which every template passes before it is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from jinja2 import DictLoader
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from nurture.rendering.boundary import Missing
from nurture.rendering.filters import FILTERS, TESTS

LOOP_FIELDS = frozenset({"index", "index0", "revindex", "first", "last", "length"})


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox whose dots reach into dicts only, and never into Python."""

    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)
    intercepted_unops = frozenset(ImmutableSandboxedEnvironment.default_unop_table)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """The field of a record, or a counter of a loop."""
        if type(obj) is dict:
            return obj[attribute] if attribute in obj else Missing(hint=attribute, name=attribute)
        if isinstance(obj, LoopContext) and attribute in LOOP_FIELDS:
            return getattr(obj, attribute)
        if isinstance(obj, Missing):
            return obj
        raise SecurityError(f"a template reached for .{attribute}")

    def getitem(self, obj: Any, argument: Any) -> Any:
        """The field of a record, or an item of a list."""
        if type(argument) is str:
            return self.getattr(obj, argument)
        if type(obj) is tuple and type(argument) is int:
            return obj[argument] if -len(obj) <= argument < len(obj) else Missing(hint=f"item {argument}")
        raise SecurityError("a template reached for an item of something that is not a list")

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: N805 - as in Jinja2
        """Refuse: nothing in a template is called."""
        raise SecurityError("a template called something")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> NoReturn:
        """Refuse: nothing in a template is calculated, also not while it is compiled."""
        raise SecurityError(f"a template calculated with {operator}")

    def call_unop(self, context: Context, operator: str, arg: Any) -> NoReturn:
        """Refuse, as `call_binop` does."""
        raise SecurityError(f"a template calculated with {operator}")

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Refuse whatever Jinja2 itself may still ask for."""
        return False

    def is_safe_callable(self, obj: Any) -> bool:
        """Refuse, as `call` does."""
        return False


def build_environment(sources: Mapping[str, str], finalize: Callable[[Any], Any] | None = None) -> TemplateEnvironment:
    """The sandbox over these template texts by name; names that end in `.html` escape every value."""
    environment = TemplateEnvironment(
        loader=DictLoader(dict(sources)),
        undefined=Missing,
        autoescape=lambda name: name is not None and name.endswith(".html"),
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    environment.globals.clear()
    environment.filters = dict(FILTERS)
    environment.tests = dict(TESTS)
    return environment
