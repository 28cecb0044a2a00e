"""Render an e-mail for one lead, or say why it cannot be sent to that lead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Template, TemplateError, UndefinedError

from nurture.definitions.emails import PART_FILES, EmailSource
from nurture.errors import BrokenEmail, DefinitionError, MissingField, RenderRefused
from nurture.problems import Problem, did_you_mean, errors_in
from nurture.rendering.boundary import Missing, framer
from nurture.rendering.environment import TemplateEnvironment, build_environment
from nurture.rendering.fields import EMAIL_FIELDS, Fields
from nurture.rendering.lint import email_problems

MAX_PART_BYTES = 1_000_000
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_EMPTY_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """One e-mail as this lead will read it; `locale` is the language it was written in."""

    subject: str
    text: str
    html: str
    locale: str
    preheader: str = ""


@dataclass(frozen=True, slots=True)
class _Compiled:
    subject: Template
    text: Template
    html: Template
    preheader: Template | None
    needs: tuple[tuple[str, str], ...]


class Renderer:
    """Renders the e-mails of one set of definitions; each is checked and compiled once, when it is first needed."""

    def __init__(self, emails: Iterable[EmailSource], fields: Fields = EMAIL_FIELDS) -> None:
        self._emails = {email.name: email for email in emails}
        self._fields = fields
        self._frame = framer(fields)
        self._compiled: dict[str, dict[str, _Compiled] | BrokenEmail] = {}

    def problems(self) -> list[Problem]:
        """Every problem of every e-mail of the set."""
        return [problem for email in self._emails.values() for problem in email_problems(email, self._fields)]

    def render(self, email: str, locale: str | None, context: Mapping[str, object]) -> RenderedEmail:
        """Render one e-mail with this data, in this language or the nearest one the e-mail has.

        Raises TypeError when the context is not plain data, MissingField or RenderRefused when this lead cannot get
        this e-mail, and DefinitionError (BrokenEmail) when nobody can.
        """
        chosen = self._source(email).locale_for(locale)
        templates = self._templates(email)[chosen]
        data = self._frame(context)
        for root, name in templates.needs:
            if isinstance(data[root][name], Missing):
                raise MissingField(email, f"{root}.{name}")
        subject = _subject(email, _run(templates.subject, email, data))
        preheader = " ".join(_run(templates.preheader, email, data).split()) if templates.preheader else ""
        data["email"] = {"subject": subject, "locale": chosen, "preheader": preheader}
        text = _tidy(_run(templates.text, email, data))
        html = _run(templates.html, email, data)
        for part, value in (("text", text), ("html", html), ("preheader", preheader)):
            if value or part != "preheader":
                _refuse_unfit(email, part, value)
        return RenderedEmail(subject, text, html, chosen, preheader)

    def _source(self, name: str) -> EmailSource:
        if name not in self._emails:
            raise DefinitionError(f"there is no e-mail {name!r}; {did_you_mean(name, self._emails)}")
        return self._emails[name]

    def _templates(self, name: str) -> dict[str, _Compiled]:
        if name not in self._compiled:
            self._compiled[name] = _compile(self._emails[name], self._fields)
        compiled = self._compiled[name]
        if isinstance(compiled, BrokenEmail):
            raise BrokenEmail(compiled.problems)
        return compiled


def _compile(email: EmailSource, fields: Fields) -> dict[str, _Compiled] | BrokenEmail:
    errors = errors_in(email_problems(email, fields))
    if errors:
        return BrokenEmail(errors)
    sources = {
        f"{locale}/{file}": getattr(parts, part)
        for locale, parts in email.locales.items()
        for part, file in PART_FILES.items()
    }
    environment = build_environment({**sources, **email.layouts})
    try:
        for name in email.layouts:
            environment.get_template(name)
        return {locale: _compile_locale(environment, email, locale) for locale in email.locales}
    except (TemplateError, SyntaxError, RecursionError) as error:
        return BrokenEmail(
            [
                Problem(
                    f"emails/{email.name}",
                    1,
                    1,
                    "template-syntax",
                    "error",
                    f"a template cannot be compiled: {type(error).__name__}",
                    "simplify it",
                )
            ]
        )


def _compile_locale(environment: TemplateEnvironment, email: EmailSource, locale: str) -> _Compiled:
    def get(part: str) -> Template:
        return environment.get_template(f"{locale}/{PART_FILES[part]}")

    return _Compiled(
        subject=get("subject"),
        text=get("text"),
        html=get("html"),
        preheader=get("preheader") if email.locales[locale].preheader.strip() else None,
        needs=tuple((path.partition(".")[0], path.partition(".")[2]) for path in email.needs),
    )


def _run(template: Template, email: str, data: dict[str, Any]) -> str:
    """The template's text, cut off with an error where it grows past the limit."""
    pieces: list[str] = []
    size = 0
    try:
        for piece in template.root_render_func(template.new_context(data, shared=True)):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_PART_BYTES:
                raise RenderRefused(f"{email}: a part is larger than {MAX_PART_BYTES} bytes; shorten the e-mail")
    except UndefinedError as error:
        raise MissingField(email, error.message or "a field") from None
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        # Without its cause: the texts of such errors may hold the lead's data.
        kind = type(error).__name__
        raise RenderRefused(f"{email}: {template.name} cannot be rendered for this lead ({kind})") from None
    return "".join(pieces)


def _subject(email: str, rendered: str) -> str:
    subject = " ".join(rendered.split())
    _refuse_unfit(email, "subject", subject)
    if _CONTROL.search(subject):
        raise RenderRefused(f"{email}: the subject has a control character; mend the template or the lead's data")
    return subject


def _tidy(text: str) -> str:
    # Line by line: a pattern for blanks before a line's end tries every blank of the text.
    lines = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
    return (_EMPTY_LINES.sub("\n\n", lines) if "\n\n\n" in lines else lines).strip() + "\n"


def _refuse_unfit(email: str, part: str, value: str) -> None:
    if not value or value.isspace():
        raise RenderRefused(f"{email}: the {part} came out empty for this lead")
    if "{{" in value or "{%" in value:
        raise RenderRefused(f"{email}: the {part} has template braces in it; mend the template or the lead's data")
    # Where even the longest letters fit, nothing is encoded to see it.
    if 4 * len(value) > MAX_PART_BYTES and len(value.encode()) > MAX_PART_BYTES:
        raise RenderRefused(f"{email}: the {part} is larger than {MAX_PART_BYTES} bytes; shorten the e-mail")
