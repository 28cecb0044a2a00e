"""Audiences: members can get in, consent can cover them, and none is defined by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nurture.conditions import InAudience, walk
from nurture.definitions.audiences import Audience
from nurture.definitions.program import all_steps
from nurture.definitions.sequences import AudienceStep
from nurture.lint.conditions import lint_condition, truth
from nurture.lint.findings import Definitions, Finding, unknown
from nurture.strict_yaml import Path

DOCUMENT = "audiences"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")


def lint_audiences(definitions: Definitions) -> Iterator[Finding]:
    """Each audience alone, and against the steps that fill it."""
    added = {
        step.audience.add
        for sequence in definitions.sequences.values()
        for step in all_steps(sequence.steps)
        if isinstance(step, AudienceStep)
    }
    complete = definitions.complete and added <= {None, *definitions.audiences}
    for name, audience in definitions.audiences.items():
        path: Path = ("audiences", name)
        if not _NAME.match(name):
            message = f"`{name}` is not a name for an audience"
            yield Finding(DOCUMENT, path, "bad-name", message, "use lower-case letters, digits, `-` and `_`", key=True)
        yield from _topic(audience.topic, (*path, "topic"), definitions)
        yield from _members(name, audience, not complete or name in added, definitions)
        if not audience.platforms:
            message = f"`{name}` is sent nowhere"
            yield Finding(DOCUMENT, (*path, "platforms"), "empty-value", message, "name at least one platform")
    yield from _circles(definitions)


def _members(name: str, audience: Audience, added: bool, definitions: Definitions) -> Iterator[Finding]:
    path: Path = ("audiences", name)
    if audience.when is not None:
        yield from lint_condition(audience.when, DOCUMENT, (*path, "when"), definitions)
        if truth(audience.when) is False:
            message = f"nobody is ever in `{name}`"
            yield Finding(DOCUMENT, (*path, "when"), "never-true", message, "mend the condition", key=True)
    elif not audience.by_steps or not added:
        message = f"nobody can get into `{name}`"
        remedy = "give it `when`, or add leads in a step of a sequence"
        yield Finding(DOCUMENT, path, "empty-audience", message, remedy, "warning", key=True)


def _topic(topic: str, path: Path, definitions: Definitions) -> Iterator[Finding]:
    topics = definitions.names.topics
    yield from unknown(DOCUMENT, path, "topic", topic, topics, "events.yaml, `topics`")
    if topics is not None and topics.get(topic, "ads") != "ads":
        yield Finding(
            DOCUMENT,
            path,
            "topic-channel",
            f"consent to `{topic}` does not cover advertising",
            "use a topic whose channel is `ads`",
        )


def _circles(definitions: Definitions) -> Iterator[Finding]:
    """Audiences that are defined by themselves, directly or through others."""
    uses = {
        name: {part.audience for part in walk(audience.when) if isinstance(part, InAudience)}
        for name, audience in definitions.audiences.items()
        if audience.when is not None
    }
    for name in uses:
        reached: set[str] = set()
        waiting = set(uses[name])
        while waiting:
            other = waiting.pop()
            reached.add(other)
            waiting |= uses.get(other, set()) - reached
        if name in reached:
            yield Finding(
                DOCUMENT,
                ("audiences", name, "when"),
                "audience-circle",
                f"who is in `{name}` depends on who is in `{name}`",
                "write the condition out",
                key=True,
            )
