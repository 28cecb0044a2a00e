"""All definitions together, as one version of the business sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nurture.definitions.audiences import Audience, Audiences
from nurture.definitions.catalogue import BUILT_IN_FIELDS, Catalogue, ProfileField
from nurture.definitions.emails import EmailSource
from nurture.definitions.lifecycle import Lifecycle, Profile
from nurture.definitions.patterns import expand_patterns
from nurture.definitions.scoring import Scoring
from nurture.definitions.sequences import Sequence


@dataclass(frozen=True)
class Bundle:
    """One consistent set of definitions; `profile` is `b2b` or `b2c`."""

    profile: str
    catalogue: Catalogue
    scoring: Scoring
    lifecycle: Lifecycle
    audiences: dict[str, Audience]
    sequences: dict[str, Sequence]
    emails: dict[str, EmailSource]
    templates: dict[str, str] = field(default_factory=dict)

    @property
    def rules(self) -> Profile:
        """The lifecycle rules of the profile in force."""
        return self.lifecycle.profiles[self.profile]

    @property
    def fields(self) -> dict[str, ProfileField]:
        """Every profile field that a condition may name."""
        return {**BUILT_IN_FIELDS, **self.catalogue.fields}


def bundle_from_documents(documents: Mapping[str, Any], profile: str) -> Bundle:
    """Build the bundle from documents keyed `events`, `scoring`, `lifecycle`, `audiences`, `sequences/<name>`,
    `emails/<name>` and `texts/<path>` (plain texts, such as the sales brief); raises pydantic's ValidationError."""
    catalogue = Catalogue.model_validate(documents["events"])
    documents = {key: expand_patterns(value, catalogue) for key, value in documents.items()}
    sequences = {
        key.partition("/")[2]: Sequence.model_validate(value)
        for key, value in documents.items()
        if key.startswith("sequences/")
    }
    return Bundle(
        profile=profile,
        catalogue=catalogue,
        scoring=Scoring.model_validate(documents["scoring"]),
        lifecycle=Lifecycle.model_validate(documents["lifecycle"]),
        audiences=Audiences.model_validate(documents.get("audiences") or {}).audiences,
        sequences={
            name: sequence
            for name, sequence in sequences.items()
            if not sequence.profiles or profile in sequence.profiles
        },
        emails={
            key.partition("/")[2]: EmailSource.model_validate(value)
            for key, value in documents.items()
            if key.startswith("emails/")
        },
        templates={key.partition("/")[2]: str(value) for key, value in documents.items() if key.startswith("texts/")},
    )
