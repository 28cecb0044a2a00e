"""Frequency caps: periods that have a length, topics that exist, and none that another makes idle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nurture.definitions.lifecycle import FrequencyCap
from nurture.lint.findings import Definitions, Finding, unknown
from nurture.strict_yaml import Path


def lint_contact_caps(
    caps: Sequence[FrequencyCap], document: str, path: Path, definitions: Definitions
) -> Iterator[Finding]:
    """Every cap by itself and beside the others."""
    for index, cap in enumerate(caps):
        place: Path = (*path, index)
        for number, topic in enumerate(cap.topics):
            where = "events.yaml, `topics`"
            yield from unknown(document, (*place, "topics", number), "topic", topic, definitions.names.topics, where)
        if cap.per.seconds == 0:
            message, remedy = "a period of no time caps nothing", "write a duration like `7 days`"
            yield Finding(document, (*place, "per"), "zero-duration", message, remedy)
            continue
        stricter = next((other for number, other in enumerate(caps) if _hides(other, number, cap, index)), None)
        if stricter is not None:
            message = f"this never holds anything: {stricter.most} per {stricter.per.text} is stricter"
            yield Finding(document, (*place, "most"), "idle-cap", message, "delete it, or mend one of them", "warning")


def _hides(other: FrequencyCap, number: int, cap: FrequencyCap, index: int) -> bool:
    """Whether another cap holds everything that this one would; of two equal ones the earlier counts."""
    if number == index or other.per.seconds == 0:
        return False
    if other.topics and not (cap.topics and set(cap.topics) <= set(other.topics)):
        return False
    # The most that fits between its limits: so many of its periods, each full.
    fits = -(-cap.per.seconds // other.per.seconds) * other.most
    same = (other.most, other.per.seconds, sorted(other.topics)) == (cap.most, cap.per.seconds, sorted(cap.topics))
    return number < index if same else fits <= cap.most
