"""E-mails: a folder each, with one set of parts per language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from nurture.conditions import Part
from nurture.errors import BrokenEmail
from nurture.problems import Problem, did_you_mean, errors_in
from nurture.strict_yaml import load_yaml
from nurture.validation import validated

HEAD = "email.yaml"
PART_FILES = {
    "subject": "subject.txt",
    "text": "text.txt",
    "html": "body.html",
    "mjml": "body.mjml",
    "preheader": "preheader.txt",
}
_BODIES = ("html", "mjml")
_CONFIRM_LINK = "links.confirm"
_LOCALE = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"


class EmailParts(Part):
    """One language of an e-mail, as templates; it has `html` or `mjml`, and without `text` one is derived."""

    subject: str
    text: str = ""
    html: str = ""
    mjml: str = ""
    preheader: str = ""

    @model_validator(mode="after")
    def _has_one_body(self) -> EmailParts:
        if bool(self.html.strip()) == bool(self.mjml.strip()):
            raise ValueError("an e-mail has one body: html or mjml")
        return self


class EmailSource(Part):
    """One e-mail before it is rendered: its topic decides whose consent it needs."""

    name: str
    topic: str
    kind: Literal["marketing", "transactional"] = "marketing"
    description: str = ""
    from_name: str | None = None
    needs: list[str] = Field(default_factory=list)
    default_locale: str = "en"
    locales: dict[str, EmailParts]
    layouts: dict[str, str] = Field(default_factory=dict)
    partials: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_its_default(self) -> EmailSource:
        if self.default_locale not in self.locales:
            raise ValueError(f"the e-mail has no parts in its own language, {self.default_locale!r}")
        return self

    @property
    def asks_to_confirm(self) -> bool:
        """Whether it shows `links.confirm`: then it goes only to those whose consent to its topic is pending."""
        parts = [text for each in self.locales.values() for text in (each.text, each.html, each.mjml)]
        return any(_CONFIRM_LINK in text for text in parts if text)

    def locale_for(self, wanted: str | None) -> str:
        """The language to write in: the wanted one, the nearest wider one (`da` for `da-DK`), or the e-mail's own."""
        known = {locale.lower(): locale for locale in self.locales}
        candidate = (wanted or "").replace("_", "-").lower()
        while candidate:
            if candidate in known:
                return known[candidate]
            candidate = candidate.rpartition("-")[0]
        return self.default_locale


class EmailHead(Part):
    """What `email.yaml` says about an e-mail."""

    topic: str
    kind: Literal["marketing", "transactional"] = "marketing"
    description: str = ""
    from_name: str | None = None
    needs: list[str] = Field(default_factory=list)
    language: str = Field("en", pattern=_LOCALE)


def email_from_files(
    name: str,
    files: Mapping[str, str],
    layouts: Mapping[str, str] | None = None,
    partials: Mapping[str, str] | None = None,
) -> EmailSource:
    """Build an e-mail from the texts of its folder (`email.yaml`, `subject.txt`, ..., `da/subject.txt`, ...).

    `layouts` and `partials` are the shared files of the e-mails folder, such as `_layout.html` and
    `_partials/offer.html`. Raises BrokenEmail with every problem.
    """
    email = _Folder(f"emails/{name}", files)
    head = email.head()
    locales = {locale: email.parts(locale, prefix) for locale, prefix in email.locale_folders(head)}
    if errors_in(email.problems) or head is None:
        raise BrokenEmail(email.problems)
    return EmailSource(
        name=name,
        topic=head.topic,
        kind=head.kind,
        description=head.description,
        from_name=head.from_name,
        needs=head.needs,
        default_locale=head.language,
        layouts=dict(layouts or {}),
        partials=dict(partials or {}),
        locales={locale: EmailParts(**parts) for locale, parts in locales.items()},
    )


class _Folder:
    """The files of one e-mail while they are put together, with what is wrong with them."""

    def __init__(self, place: str, files: Mapping[str, str]) -> None:
        self.place = place
        self.files = files
        self.problems: list[Problem] = []

    def add(self, file: str, code: str, message: str, remedy: str) -> None:
        """Note an error of one file as a whole."""
        self.problems.append(Problem(f"{self.place}/{file}", 1, 1, code, "error", message, remedy))

    def head(self) -> EmailHead | None:
        """What `email.yaml` says; None when it cannot be used."""
        if HEAD not in self.files:
            self.add(HEAD, "email-file-missing", f"the folder has no {HEAD}", "create it with at least `topic: ...`")
            return None
        loaded = load_yaml(self.files[HEAD], f"{self.place}/{HEAD}")
        self.problems.extend(loaded.problems)
        if not loaded.readable:
            return None
        head, problems = validated(EmailHead, loaded, f"{self.place}/{HEAD}")
        self.problems.extend(problems)
        return head

    def locale_folders(self, head: EmailHead | None) -> list[tuple[str, str]]:
        """Each language with the folder of its files, the e-mail's own language first."""
        known = {*PART_FILES.values(), HEAD}
        folders: set[str] = set()
        for path in sorted(self.files):
            folder, _, file = path.rpartition("/")
            if folder and file in known and file != HEAD and re.match(_LOCALE, folder):
                folders.add(folder)
            elif folder or file not in known:
                remedy = did_you_mean(file, known) or "delete it"
                self.add(path, "email-file-unknown", f"an e-mail has no file {path}", remedy)
        own = head.language if head else "en"
        return [(own, ""), *((folder, f"{folder}/") for folder in sorted(folders) if folder != own)]

    def parts(self, locale: str, prefix: str) -> dict[str, str]:
        """The texts of one language: a subject and one body; a language without preheader has none."""
        parts = {}
        for part, file in PART_FILES.items():
            text = self.files.get(prefix + file)
            if text is None:
                continue
            parts[part] = text
            if not text.strip() and part != "preheader":
                remedy = f"write {prefix}{file}" + (
                    ", or delete it: a text is made of the body" if part == "text" else ""
                )
                self.add(prefix + file, "email-file-missing", f"the {part} ({locale}) is empty", remedy)
        if "subject" not in parts:
            file = prefix + PART_FILES["subject"]
            self.add(file, "email-file-missing", f"the subject ({locale}) is missing", f"write {file}")
        bodies = [part for part in _BODIES if part in parts]
        if not bodies:
            file = prefix + PART_FILES["html"]
            remedy = f"write {file} or {prefix}{PART_FILES['mjml']}"
            self.add(file, "email-file-missing", f"the body ({locale}) is missing", remedy)
        elif len(bodies) > 1:
            file = prefix + PART_FILES["mjml"]
            remedy = f"keep one of {prefix}{PART_FILES['html']} and {file}"
            self.add(file, "email-two-bodies", f"the body ({locale}) is written twice", remedy)
        return parts
