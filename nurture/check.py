"""Check the files of a templates folder: read, validate and lint them, and say everything that is wrong at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pydantic import BaseModel

from nurture.definitions import mappings
from nurture.definitions.audiences import Audiences
from nurture.definitions.bundle import Bundle
from nurture.definitions.catalogue import Catalogue
from nurture.definitions.emails import EmailSource, email_from_files
from nurture.definitions.lifecycle import Lifecycle
from nurture.definitions.scoring import Scoring
from nurture.definitions.sequences import Sequence
from nurture.errors import BrokenEmail
from nurture.lint.all import lint
from nurture.lint.findings import Definitions, Finding, Names, definitions_of, names_of
from nurture.problems import Problem, Severity, errors_in, in_reading_order, nearest, warnings_in
from nurture.rendering.fields import BRIEF_FIELDS, with_profile_fields
from nurture.rendering.lint import email_problems, template_problems
from nurture.strict_yaml import Loaded, Positions, load_yaml, text_problem
from nurture.validation import empty_values, validated

SINGLE: dict[str, type[BaseModel]] = {
    "events": Catalogue,
    "scoring": Scoring,
    "lifecycle": Lifecycle,
    "audiences": Audiences,
}
MAX_FINDINGS = 500  # looking for the nearest name costs time, and nobody reads more
REQUIRED = ("events", "scoring", "lifecycle")
_NAME = re.compile(r"[a-z0-9_-]+\Z")
_LAYOUT = re.compile(r"emails/(_layout[a-z0-9_-]*\.(?:html|mjml|txt))\Z")
_PARTIAL = re.compile(r"emails/(_partials/[a-z0-9_-]+\.(?:html|mjml|txt))\Z")
_PARTIALS = "emails/_partials/"
_SINGLE_FILE = re.compile(r"([^/]+)\.yaml\Z")
_SEQUENCE = re.compile(r"sequences/([^/]+)\.yaml\Z")
_EMAIL_FILE = re.compile(r"emails/([^/]+)/(.+)\Z")
_SALES = re.compile(r"sales/([^/]+)\.md\Z")
_MAPPING = re.compile(r"mappings/([^/]+)\.yaml\Z")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What the files say, keyed as `bundle_from_documents` takes it, and what is wrong with them."""

    documents: dict[str, Any]
    problems: list[Problem]

    @property
    def errors(self) -> list[Problem]:
        """The problems that keep the documents from being used."""
        return errors_in(self.problems)

    @property
    def warnings(self) -> list[Problem]:
        """The problems that are only remarked."""
        return warnings_in(self.problems)

    @property
    def ok(self) -> bool:
        """Whether the documents can be used."""
        return not self.errors


def check_documents(files: Mapping[str, str]) -> CheckResult:
    """Check the texts of a templates folder, keyed by their path in it; the definitions are usable when `ok`."""
    reading = _Reading()
    folders = reading.sort(files)
    for key, loaded in reading.loaded.items():
        reading.validate(key, loaded)
    names = reading.names(frozenset(folders))
    layouts = {found[1]: text for path, text in files.items() if (found := _LAYOUT.match(path))}
    partials = {found[1]: text for path, text in files.items() if (found := _PARTIAL.match(path))}
    for name, texts in sorted(folders.items()):
        reading.email(name, texts, layouts, partials)
    reading.problems.extend(_unused_partials(partials, files))
    findings = islice(lint(reading.definitions(names)), MAX_FINDINGS)
    problems = [*reading.problems, *(reading.place(finding) for finding in findings)]
    return CheckResult(reading.documents, in_reading_order(problems))


def check_bundle(bundle: Bundle) -> list[Problem]:
    """The cross checks alone, of definitions whose files are not at hand; each message names the place by its path."""
    problems = []
    for finding in lint(definitions_of(bundle)):
        where = ".".join(str(part) for part in finding.path)
        message = f"{where}: {finding.message}" if where else finding.message
        problems.append(
            Problem(_file_of(finding.document), 1, 1, finding.code, finding.severity, message, finding.remedy)
        )
    return in_reading_order(problems)


def _file_of(document: str) -> str:
    return f"{document}/email.yaml" if document.startswith("emails/") else f"{document}.yaml"


@dataclass
class _Reading:
    """The files while they are read: first each alone, then what they say of each other."""

    documents: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    loaded: dict[str, Loaded] = field(default_factory=dict)
    models: dict[str, Any] = field(default_factory=dict)
    positions: dict[str, Positions] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    def sort(self, files: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """Read every YAML file and take in the sales texts; returns the e-mail folders."""
        folders: dict[str, dict[str, str]] = {}
        for path, text in sorted(files.items()):
            if path.rpartition("/")[2] == "README.md" or _refused(self.problems, _bad_text(path, text)):
                continue
            if _LAYOUT.match(path) or _PARTIAL.match(path):
                continue
            if path.startswith(_PARTIALS):
                self.problems.append(_bad_partial(path))
            elif found := _EMAIL_FILE.match(path):
                if not _refused(self.problems, _bad_name(path, found[1])):
                    folders.setdefault(found[1], {})[found[2]] = text
            elif found := _SALES.match(path):
                if not _refused(self.problems, _bad_name(path, found[1])):
                    self.documents[f"texts/{path}"] = text
                    # A gap is said in the brief itself, so a field that may be missing is no problem there.
                    self.problems.extend(errors_in(template_problems(text, path, BRIEF_FIELDS)))
            else:
                self._yaml(path, text)
        for name in REQUIRED:
            if f"{name}.yaml" not in files:
                path = f"{name}.yaml"
                self.problems.append(_of_file(path, "missing-file", f"there is no {path}", "copy the shipped one"))
        return folders

    def _yaml(self, path: str, text: str) -> None:
        single, sequence, mapping = _SINGLE_FILE.match(path), _SEQUENCE.match(path), _MAPPING.match(path)
        found = sequence or mapping or (single if single and single[1] in SINGLE else None)
        if found is None:
            self.problems.append(_unknown_file(path))
        elif not _refused(self.problems, _bad_name(path, found[1])):
            key = path.removesuffix(".yaml")
            self.keys.add(key)
            loaded = load_yaml(text, path)
            self.problems.extend(loaded.problems)
            if loaded.readable:
                self.loaded[key] = loaded

    def validate(self, key: str, loaded: Loaded) -> None:
        """Turn one file into its model."""
        path = f"{key}.yaml"
        if loaded.data is None and key != "audiences":
            self.problems.append(
                _of_file(path, "empty-file", "the file is empty", "see the shipped ones for what it can hold")
            )
            return
        kind: type[BaseModel] = mappings.Mapping
        if not key.startswith("mappings/"):
            # How files are read is no definition: a mapping is not published.
            kind = SINGLE.get(key, Sequence)
            self.documents[key] = {} if loaded.data is None else loaded.data
        self.positions[key] = loaded.positions
        model, problems = validated(kind, loaded, path)
        self.problems.extend(problems)
        if model is not None:
            self.models[key] = model
            self.problems.extend(empty_values(loaded, path))

    def email(
        self, name: str, texts: Mapping[str, str], layouts: Mapping[str, str], partials: Mapping[str, str]
    ) -> None:
        """Turn one folder into an e-mail."""
        try:
            email = email_from_files(name, texts, layouts, partials)
        except BrokenEmail as broken:
            self.problems.extend(broken.problems)
            return
        key = f"emails/{name}"
        self.documents[key] = email.model_dump(mode="json", by_alias=True)
        self.models[key] = email
        self.positions[key] = load_yaml(texts["email.yaml"], _file_of(key)).positions
        catalogue = self.models.get("events")
        own = catalogue.fields if isinstance(catalogue, Catalogue) else {}
        self.problems.extend(email_problems(email, with_profile_fields(own)))

    def names(self, emails: frozenset[str]) -> Names:
        """Every name, also those in files that have other problems."""
        catalogue = self.models.get("events")
        events, fields, topics = names_of(catalogue) if isinstance(catalogue, Catalogue) else (None, None, None)
        return Names(
            events if events is not None else self._raw_names("events", "events"),
            fields,
            topics,
            audiences=self._raw_names("audiences", "audiences") if "audiences" in self.keys else frozenset(),
            emails=emails,
            sequences=frozenset(key.partition("/")[2] for key in self.keys if key.startswith("sequences/")),
            profiles=self._raw_names("lifecycle", "profiles"),
        )

    def _raw_names(self, document: str, option: str) -> frozenset[str] | None:
        found = self.documents.get(document)
        value = found.get(option) if isinstance(found, dict) else None
        return frozenset(value) if isinstance(value, dict) else None

    def definitions(self, names: Names) -> Definitions:
        """Whatever is well formed, for the lints."""
        audiences = self.models.get("audiences")
        sequences = dict(self._models_in("sequences", Sequence))
        return Definitions(
            names,
            self.models.get("events"),
            self.models.get("scoring"),
            self.models.get("lifecycle"),
            audiences.audiences if audiences is not None else {},
            sequences,
            dict(self._models_in("emails", EmailSource)),
            dict(self._models_in("mappings", mappings.Mapping)),
            complete=names.sequences == frozenset(sequences),
        )

    def _models_in(self, folder: str, kind: type[Any]) -> Iterator[tuple[str, Any]]:
        for key, model in self.models.items():
            if key.startswith(f"{folder}/") and isinstance(model, kind):
                yield key.partition("/")[2], model

    def place(self, finding: Finding) -> Problem:
        """A finding with its line and column."""
        positions = self.positions.get(finding.document)
        line, column = positions.of(finding.path, finding.key) if positions else (1, 1)
        return Problem(
            _file_of(finding.document), line, column, finding.code, finding.severity, finding.message, finding.remedy
        )


def _refused(problems: list[Problem], problem: Problem | None) -> bool:
    if problem is not None:
        problems.append(problem)
    return problem is not None


def _bad_text(path: str, text: str) -> Problem | None:
    """YAML files are judged by their own reader."""
    return None if path.endswith(".yaml") else text_problem(text, path)


def _of_file(path: str, code: str, message: str, remedy: str, severity: Severity = "error") -> Problem:
    return Problem(path, 1, 1, code, severity, message, remedy)


def _bad_name(path: str, name: str) -> Problem | None:
    if _NAME.match(name):
        return None
    remedy = "use lower-case letters, digits, `-` and `_`"
    return _of_file(path, "file-name", f"`{name}` is not a name for a definition", remedy)


def _bad_partial(path: str) -> Problem:
    remedy = "name it like `_partials/offer.html`, `.mjml` or `.txt`: lower-case letters, digits, `-` and `_`"
    return _of_file(path, "file-name", "this is no partial", remedy)


def _unused_partials(partials: Mapping[str, str], files: Mapping[str, str]) -> Iterator[Problem]:
    mails = [text for path, text in files.items() if path.startswith("emails/") and not path.startswith(_PARTIALS)]
    for name in partials:
        if not any(name in text for text in mails):
            remedy = f'write `{{% include "{name}" %}}` where it belongs, or delete it'
            yield _of_file(f"emails/{name}", "unused-partial", "no e-mail includes it", remedy, "warning")


def _unknown_file(path: str) -> Problem:
    if path.endswith(".yml"):
        remedy = f"rename it to {path.removesuffix('.yml')}.yaml"
    else:
        near = nearest(path, [f"{name}.yaml" for name in SINGLE])
        remedy = f"did you mean `{near}`?" if near else "move it elsewhere; the README says what each file is"
    return _of_file(path, "unknown-file", "nothing reads this file", remedy, "warning")
