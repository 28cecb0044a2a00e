"""What the lints look at, and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from nurture.definitions.audiences import Audience
from nurture.definitions.bundle import Bundle
from nurture.definitions.catalogue import BUILT_IN_FIELDS, Catalogue
from nurture.definitions.emails import EmailSource
from nurture.definitions.lifecycle import Lifecycle
from nurture.definitions.mappings import Mapping as RowMapping
from nurture.definitions.patterns import is_pattern, types_named
from nurture.definitions.scoring import Scoring
from nurture.definitions.sequences import Sequence
from nurture.problems import Severity, did_you_mean
from nurture.strict_yaml import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem at a path of a document; with `key`, at the name before the value."""

    document: str
    path: Path
    code: str
    message: str
    remedy: str = ""
    severity: Severity = "error"
    key: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """Every name that may be said, also those of documents that are broken in other ways; None means not known."""

    events: frozenset[str] | None = None
    fields: Mapping[str, str] | None = None
    topics: Mapping[str, str] | None = None
    audiences: frozenset[str] | None = None
    emails: frozenset[str] = frozenset()
    sequences: frozenset[str] | None = None
    profiles: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Definitions:
    """The documents that are well formed, and all names; `complete` when no sequence is left out."""

    names: Names
    catalogue: Catalogue | None = None
    scoring: Scoring | None = None
    lifecycle: Lifecycle | None = None
    audiences: Mapping[str, Audience] = field(default_factory=dict)
    sequences: Mapping[str, Sequence] = field(default_factory=dict)
    emails: Mapping[str, EmailSource] = field(default_factory=dict)
    mappings: Mapping[str, RowMapping] = field(default_factory=dict)
    complete: bool = True


def definitions_of(bundle: Bundle) -> Definitions:
    """A bundle as the lints see it; the sequences of other profiles are not in it, so their names are not known."""
    catalogue = bundle.catalogue
    events, fields, topics = names_of(catalogue)
    names = Names(
        events,
        fields,
        topics,
        audiences=frozenset(bundle.audiences),
        emails=frozenset(bundle.emails),
        profiles=frozenset(bundle.lifecycle.profiles),
    )
    return Definitions(
        names,
        catalogue,
        bundle.scoring,
        bundle.lifecycle,
        bundle.audiences,
        bundle.sequences,
        bundle.emails,
        complete=False,
    )


def names_of(catalogue: Catalogue) -> tuple[frozenset[str], dict[str, str], dict[str, str]]:
    """The event types, the fields with their types and the topics with their channels."""
    fields = {**BUILT_IN_FIELDS, **catalogue.fields}
    return (
        frozenset(catalogue.events),
        {name: each.type for name, each in fields.items()},
        {name: each.channel for name, each in catalogue.topics.items()},
    )


_WORDS = {"event": "event type", "email": "e-mail"}


def unknown(
    document: str, path: Path, kind: str, name: str, known: Iterable[str] | None, where: str, key: bool = False
) -> Iterator[Finding]:
    """A finding when nothing of that name exists; `kind` is the word for it, `where` the file that would declare it."""
    if known is not None and name not in known:
        yield Finding(
            document,
            path,
            f"unknown-{kind}",
            f"unknown {_WORDS.get(kind, kind)} `{name}`",
            did_you_mean(name, known) or f"declare it in {where}",
            key=key,
        )


def unknown_event(
    document: str,
    path: Path,
    name: str,
    names: Names,
    patterns: bool = False,
    catalogue: Catalogue | None = None,
    key: bool = False,
) -> Iterator[Finding]:
    """A finding when no event type has that name, or none fits the pattern."""
    if not is_pattern(name):
        yield from unknown(document, path, "event", name, names.events, "events.yaml", key)
    elif not patterns:
        yield Finding(
            document,
            path,
            "unknown-event",
            f"`{name}` stands for many event types",
            "patterns work in `did` and `until`; name each type here",
            key=key,
        )
    elif catalogue is not None and not types_named(name, catalogue):
        yield Finding(
            document,
            path,
            "unknown-event",
            f"no event type fits `{name}`",
            did_you_mean(name, {f"{each.partition('.')[0]}.*" for each in catalogue.events}),
            key=key,
        )
