"""What is wrong with an e-mail or with a single template, before anything is rendered from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jinja2 import Template, TemplateError

from nurture.definitions.emails import PART_FILES, EmailSource
from nurture.problems import Problem, Severity, did_you_mean, in_reading_order
from nurture.rendering.boundary import framer
from nurture.rendering.compiling import CompiledParts, compile_email
from nurture.rendering.fields import EMAIL_FIELDS, Fields, ListOf, Record, Shape
from nurture.rendering.local_formats import FORMATS, local_formats
from nurture.rendering.page_lint import LONG_PREHEADER, LONG_SUBJECT, size_remark
from nurture.rendering.policy import inspect_template


def template_problems(source: str, file: str, fields: Fields) -> list[Problem]:
    """The problems of one text that stands alone, such as the sales brief, where a gap shows as "not known"."""
    return inspect_template(source, file=file, fields=fields, gaps_show=True).problems


def email_problems(email: EmailSource, fields: Fields = EMAIL_FIELDS) -> list[Problem]:
    """Every problem of an e-mail: what templates may not do, unknown names, what a marketing mail must show, and what
    its readers and their mail programs would stumble over."""
    compiled = compile_email(email, fields)
    problems = [*needs_problems(email, fields), *compiled.problems]
    for locale, parts in email.locales.items():
        place = f"emails/{email.name}/{'' if locale == email.default_locale else f'{locale}/'}"
        if len(parts.subject.strip().splitlines()) > 1:
            problems.append(_line(f"{place}{PART_FILES['subject']}", 2, *_TWO_LINES))
        if locale in compiled.locales:
            body = PART_FILES["mjml" if parts.mjml.strip() else "html"]
            problems.extend(_sample_problems(compiled.locales[locale], place, body, locale, fields))
    return in_reading_order(problems)


_TWO_LINES = ("subject-lines", "the subject has more than one line", "write it in one line")


def _line(file: str, line: int, code: str, message: str, remedy: str, severity: Severity = "error") -> Problem:
    return Problem(file, line, 1, code, severity, message, remedy)


def _sample_problems(parts: CompiledParts, place: str, body: str, locale: str, fields: Fields) -> Iterator[Problem]:
    """What only shows in a finished mail: its lengths, for a reader of whom everything is known."""
    data: dict[str, Any] = {**framer(fields)({root: _sample(shape) for root, shape in fields.items()})}
    data[FORMATS] = local_formats(locale)
    subject = _filled(parts.subject, data)
    preheader = _filled(parts.preheader, data) if parts.preheader else ""
    data["email"] = {"subject": subject, "locale": locale, "preheader": preheader}
    if len(subject) > LONG_SUBJECT:
        message = f"the subject has {len(subject)} characters with sample values; most mailboxes cut it"
        yield _line(
            f"{place}{PART_FILES['subject']}", 1, "subject-long", message, f"keep it below {LONG_SUBJECT}", "warning"
        )
    if len(preheader) > LONG_PREHEADER:
        message = f"the preheader has {len(preheader)} characters; mailboxes show the first {LONG_PREHEADER} at most"
        yield _line(f"{place}{PART_FILES['preheader']}", 1, "preheader-long", message, "shorten it", "warning")
    remark = size_remark(_filled(parts.html, data))
    if remark:
        yield _line(f"{place}{body}", 1, "html-large", remark, "shorten it, or send a link to the rest", "warning")


def _filled(template: Template, data: dict[str, Any]) -> str:
    try:
        return template.render(data).strip()
    except (TemplateError, TypeError, ValueError, ArithmeticError):
        return ""  # a comparison that the sample does not fit; leads are held one by one


_SAMPLES: dict[str, Any] = {"number": 12345.5, "boolean": True, "date": "2026-03-05"}


def _sample(shape: Shape) -> Any:
    if isinstance(shape, Record):
        return {name: _sample(each) for name, each in shape.fields.items()}
    if isinstance(shape, ListOf):
        return [_sample(shape.item)] * 3
    if shape.kind == "url":
        return "https://example.com/a/page/with/a/name/of/usual/length?and=a-token-0123456789abcdef0123456789"
    return _SAMPLES.get(shape.type, "Example Works")


def needs_problems(email: EmailSource, fields: Fields) -> list[Problem]:
    """Names under `needs` that no lead can have."""
    problems = []
    for path in email.needs:
        root, _, name = path.partition(".")
        record = fields.get(root)
        if not isinstance(record, Record) or name not in record.fields:
            known = [
                f"{each}.{field}"
                for each, shape in fields.items()
                if isinstance(shape, Record)
                for field in shape.fields
            ]
            problems.append(
                Problem(
                    f"emails/{email.name}/email.yaml",
                    1,
                    1,
                    "unknown-field",
                    "error",
                    f"`needs` names `{path}`, which is not known",
                    did_you_mean(path, known),
                )
            )
    return problems
