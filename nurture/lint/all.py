"""All lints, in the order of the files."""

from __future__ import annotations

from collections.abc import Iterator

from nurture.lint.audiences import lint_audiences
from nurture.lint.catalogue import lint_catalogue
from nurture.lint.consent import lint_consent
from nurture.lint.emails import lint_emails
from nurture.lint.findings import Definitions, Finding
from nurture.lint.lifecycle import lint_lifecycle
from nurture.lint.mappings import lint_mapping
from nurture.lint.scoring import lint_scoring
from nurture.lint.sequences import lint_sequences


def lint(definitions: Definitions) -> Iterator[Finding]:
    """Every finding."""
    yield from lint_catalogue(definitions)
    yield from lint_scoring(definitions)
    yield from lint_lifecycle(definitions)
    yield from lint_audiences(definitions)
    yield from lint_sequences(definitions)
    yield from lint_emails(definitions)
    yield from lint_consent(definitions)
    for name, mapping in definitions.mappings.items():
        yield from lint_mapping(name, mapping, definitions)
