"""Names for many event types: `activity` is every type that counts as one, `content.*` every type of that noun."""

from __future__ import annotations

from typing import Any

from nurture.definitions.catalogue import Catalogue

ACTIVITY = "activity"


def is_pattern(name: str) -> bool:
    """Whether the name stands for many types."""
    return name == ACTIVITY or name.endswith(".*")


def types_named(name: str, catalogue: Catalogue) -> list[str]:
    """The event types that a name or pattern stands for, in their alphabet: a store may keep the catalogue in another
    order than the file, and what is the same must look the same."""
    if name == ACTIVITY:
        return sorted(key for key, kind in catalogue.events.items() if kind.counts_as_activity)
    if name.endswith(".*"):
        return sorted(key for key in catalogue.events if key.startswith(name[:-1]))
    return [name]


def expand_patterns(document: Any, catalogue: Catalogue) -> Any:
    """The same document with the patterns in every `did` and `until` written out; properties under `where` are not."""
    if isinstance(document, list):
        return [expand_patterns(each, catalogue) for each in document]
    if not isinstance(document, dict):
        return document
    return {
        key: _expand_test(value, catalogue)
        if key in ("did", "until")
        else value
        if key == "where"
        else expand_patterns(value, catalogue)
        for key, value in document.items()
    }


def _expand_test(value: Any, catalogue: Catalogue) -> Any:
    if isinstance(value, dict):
        return {**value, "event": _expand_test(value["event"], catalogue)} if "event" in value else value
    names = value if isinstance(value, list) else [value]
    if not any(isinstance(name, str) and is_pattern(name) for name in names):
        return value
    written = [each for name in names for each in (types_named(name, catalogue) if isinstance(name, str) else [name])]
    return list(dict.fromkeys(written))
