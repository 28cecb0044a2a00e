"""Mappings: event types, topics and the words for them that the catalogue knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nurture.definitions.mappings import Mapping
from nurture.lint.findings import Definitions, Finding, unknown, unknown_event
from nurture.strict_yaml import Path


def lint_mapping(name: str, mapping: Mapping, definitions: Definitions) -> Iterator[Finding]:
    """Whatever a mapping names; columns are the file's own."""
    document = f"mappings/{name}"
    for index, event in enumerate(mapping.events):
        path: Path = ("events", index, "type")
        types: list[tuple[Any, Path]] = [(event.type.constant, (*path, "constant"))]
        types += [(word, (*path, "table", key)) for key, word in (event.type.table or {}).items()]
        for word, place in types:
            if isinstance(word, str):
                yield from unknown_event(document, place, word, definitions.names)
    for index, consent in enumerate(mapping.lead.consents if mapping.lead else ()):
        if consent.topic is not None:
            place = ("lead", "consents", index, "topic")
            topics = definitions.names.topics
            yield from unknown(document, place, "topic", consent.topic, topics, "events.yaml, `topics`")
