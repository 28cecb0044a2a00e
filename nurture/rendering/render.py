"""Render an e-mail for one lead, or say why it cannot be sent to that lead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Template, TemplateError, UndefinedError

from nurture.definitions.emails import EmailSource
from nurture.errors import BrokenEmail, DefinitionError, MissingField, RenderRefused
from nurture.problems import Problem, did_you_mean, errors_in
from nurture.rendering.boundary import Missing, framer
from nurture.rendering.compiling import CompiledParts, compile_email
from nurture.rendering.fields import EMAIL_FIELDS, Fields
from nurture.rendering.lint import email_problems, needs_problems
from nurture.rendering.local_formats import FORMATS, BadValue, local_formats

MAX_PART_BYTES = 1_000_000
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONE_BLANK = re.compile(r"^ (?=\S)", re.MULTILINE)
_BLANKS_IN_LINE = re.compile(r"(?<=\S)  +")
_EMPTY_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """One e-mail as this lead will read it; `locale` is the language it was written in."""

    subject: str
    text: str
    html: str
    locale: str
    preheader: str = ""


class Renderer:
    """Renders the e-mails of one set of definitions; each is checked and compiled once, when it is first needed."""

    def __init__(self, emails: Iterable[EmailSource], fields: Fields = EMAIL_FIELDS) -> None:
        self._emails = {email.name: email for email in emails}
        self._fields = fields
        self._frame = framer(fields)
        self._compiled: dict[str, Mapping[str, CompiledParts] | BrokenEmail] = {}

    def problems(self) -> list[Problem]:
        """Every problem of every e-mail of the set."""
        return [problem for email in self._emails.values() for problem in email_problems(email, self._fields)]

    def render(
        self, email: str, locale: str | None, context: Mapping[str, object], time_zone: str | None = None
    ) -> RenderedEmail:
        """Render one e-mail with this data, in this language or the nearest one the e-mail has.

        Clocks are read in `time_zone` (such as `Europe/Copenhagen`); without it in the zone that each time carries.

        Raises TypeError when the context is not plain data, MissingField or RenderRefused when this lead cannot get
        this e-mail, and DefinitionError (BrokenEmail) when nobody can.
        """
        source = self._source(email)
        chosen = source.locale_for(locale)
        templates = self._templates(email)[chosen]
        data = self._frame(context)
        for path in source.needs:
            root, _, name = path.partition(".")
            if isinstance(data[root][name], Missing):
                raise MissingField(email, path)
        data[FORMATS] = local_formats(chosen, time_zone)
        subject = _subject(email, _run(templates.subject, email, data))
        preheader = " ".join(_run(templates.preheader, email, data).split()) if templates.preheader else ""
        data["email"] = {"subject": subject, "locale": chosen, "preheader": preheader}
        text = _run(templates.text, email, data)
        text = _tidy(_plain(text) if templates.derived else text)
        html = _run(templates.html, email, data)
        for part, value in (("text", text), ("html", html), ("preheader", preheader)):
            if value or part != "preheader":
                _refuse_unfit(email, part, value)
        return RenderedEmail(subject, text, html, chosen, preheader)

    def _source(self, name: str) -> EmailSource:
        if name not in self._emails:
            raise DefinitionError(f"there is no e-mail {name!r}; {did_you_mean(name, self._emails)}")
        return self._emails[name]

    def _templates(self, name: str) -> Mapping[str, CompiledParts]:
        if name not in self._compiled:
            compiling = compile_email(self._emails[name], self._fields)
            errors = errors_in([*needs_problems(self._emails[name], self._fields), *compiling.problems])
            self._compiled[name] = BrokenEmail(errors) if errors else compiling.locales
        compiled = self._compiled[name]
        if isinstance(compiled, BrokenEmail):
            raise BrokenEmail(compiled.problems)
        return compiled


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
    except BadValue as error:
        raise RenderRefused(f"{email}: {template.name}: {error}; mend this lead's data") from None
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


def _plain(text: str) -> str:
    """A derived text without the blanks that a condition has left over; further lines of an item keep theirs."""
    if "  " in text:
        text = _BLANKS_IN_LINE.sub(" ", text)
    return _LONE_BLANK.sub("", text) if "\n " in text else text


def _refuse_unfit(email: str, part: str, value: str) -> None:
    if not value or value.isspace():
        raise RenderRefused(f"{email}: the {part} came out empty for this lead")
    if "{{" in value or "{%" in value:
        raise RenderRefused(f"{email}: the {part} has template braces in it; mend the template or the lead's data")
    # Where even the longest letters fit, nothing is encoded to see it.
    if 4 * len(value) > MAX_PART_BYTES and len(value.encode()) > MAX_PART_BYTES:
        raise RenderRefused(f"{email}: the {part} is larger than {MAX_PART_BYTES} bytes; shorten the e-mail")
