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
PART_FILES = {"subject": "subject.txt", "text": "text.txt", "html": "body.html", "preheader": "preheader.txt"}
_OPTIONAL = frozenset({"preheader"})
_CONFIRM_LINK = "links.confirm"
_LOCALE = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"


class EmailParts(Part):
    """One language of an e-mail, as templates."""

    subject: str
    text: str
    html: str
    preheader: str = ""


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

    @model_validator(mode="after")
    def _has_its_default(self) -> EmailSource:
        if self.default_locale not in self.locales:
            raise ValueError(f"the e-mail has no parts in its own language, {self.default_locale!r}")
        return self

    @property
    def asks_to_confirm(self) -> bool:
        """Whether it shows `links.confirm`: then it goes only to those whose consent to its topic is pending."""
        return any(_CONFIRM_LINK in text for each in self.locales.values() for text in (each.text, each.html))

    def locale_for(self, wanted: str | None) -> str:
        """The language to write in: the wanted one, its main language (`da` for `da-DK`), or the e-mail's own."""
        for candidate in (wanted or "", (wanted or "").replace("_", "-").partition("-")[0].lower()):
            if candidate in self.locales:
                return candidate
        return self.default_locale


class EmailHead(Part):
    """What `email.yaml` says about an e-mail."""

    topic: str
    kind: Literal["marketing", "transactional"] = "marketing"
    description: str = ""
    from_name: str | None = None
    needs: list[str] = Field(default_factory=list)
    language: str = Field("en", pattern=_LOCALE)


def email_from_files(name: str, files: Mapping[str, str], layouts: Mapping[str, str] | None = None) -> EmailSource:
    """Build an e-mail from the texts of its folder (`email.yaml`, `subject.txt`, ..., `da/subject.txt`, ...).

    `layouts` are the shared files of the e-mails folder, such as `_layout.html`. Raises BrokenEmail with every problem.
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
        """The texts of one language."""
        parts = {}
        for part, file in PART_FILES.items():
            text = self.files.get(prefix + file)
            if text is not None and (text.strip() or part in _OPTIONAL):
                parts[part] = text
            elif part not in _OPTIONAL:
                state = "is empty" if text is not None else "is missing"
                self.add(prefix + file, "email-file-missing", f"the {part} ({locale}) {state}", f"write {prefix}{file}")
        return parts
