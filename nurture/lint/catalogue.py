"""The catalogue: names that can be typed without quotes, and derived types that can be derived."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from nurture.definitions.catalogue import BUILT_IN_FIELDS, Catalogue
from nurture.lint.conditions import lint_where
from nurture.lint.findings import Definitions, Finding, unknown_event
from nurture.lint.machines import lint_machines

_EVENT = re.compile(r"[a-z][a-z0-9_]*\.[a-z0-9_]+\Z")
_FIELD = re.compile(r"[a-z][a-z0-9_]*\Z")
_TOPIC = re.compile(r"[a-z][a-z0-9_-]*\Z")
DOCUMENT = "events"


def lint_catalogue(definitions: Definitions) -> Iterator[Finding]:
    """Event types, derived types, fields and topics."""
    catalogue = definitions.catalogue
    if catalogue is None:
        return
    yield from _names("events", catalogue.events, _EVENT, "`noun.verb` in lower-case letters, like `webinar.attended`")
    yield from _derived(catalogue, definitions)
    yield from _names("fields", catalogue.fields, _FIELD, "lower-case letters, digits and `_`")
    for name in catalogue.fields.keys() & BUILT_IN_FIELDS.keys():
        message = f"`{name}` is there without being declared"
        yield Finding(DOCUMENT, ("fields", name), "built-in-field", message, "delete it here", key=True)
    yield from lint_machines(catalogue.machines, DOCUMENT)
    yield from _names("topics", catalogue.topics, _TOPIC, "lower-case letters, digits, `-` and `_`")


def _names(option: str, names: Iterable[str], form: re.Pattern[str], remedy: str) -> Iterator[Finding]:
    for name in names:
        if not form.match(name):
            message = f"`{name}` is not a name for one of the {option}"
            yield Finding(DOCUMENT, (option, name), "bad-name", message, f"write {remedy}", key=True)


def _derived(catalogue: Catalogue, definitions: Definitions) -> Iterator[Finding]:
    for name, rule in catalogue.derived.items():
        path = ("derived", name)
        yield from unknown_event(DOCUMENT, path, name, definitions.names, key=True)
        yield from unknown_event(DOCUMENT, (*path, "from"), rule.from_, definitions.names)
        yield from lint_where(rule.where, DOCUMENT, (*path, "where"))
        if rule.from_ in catalogue.derived:
            yield Finding(
                DOCUMENT,
                (*path, "from"),
                "derived-from-derived",
                f"`{rule.from_}` is itself derived",
                "derive from the type that the source sends",
            )
        if rule.visit_gap is not None and rule.visit_gap.seconds == 0:
            yield Finding(
                DOCUMENT,
                (*path, "visit_gap"),
                "zero-duration",
                "a visit cannot end after no time",
                "write a duration like `30 minutes`",
            )
