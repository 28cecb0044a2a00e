"""What is wrong with an e-mail or with a single template, before anything is rendered from it."""

from __future__ import annotations

from nurture.definitions.emails import PART_FILES, EmailSource
from nurture.problems import Problem, did_you_mean, in_reading_order
from nurture.rendering.fields import EMAIL_FIELDS, MESSAGE_FIELDS, Fields, Record
from nurture.rendering.policy import Report, always_shown, inspect_template, join_layout

# What the law and the mailbox providers ask of every marketing mail, in both parts, whatever the lead's data.
OBLIGATIONS = {
    "links.unsubscribe": "a marketing e-mail needs its unsubscribe link in both parts",
    "project.postal_address": "a marketing e-mail needs the sender's postal address in both parts",
}
LONG_SUBJECT = 150


def template_problems(source: str, file: str, fields: Fields) -> list[Problem]:
    """The problems of one text that stands alone, such as the sales brief, where a gap shows as "not known"."""
    return inspect_template(source, file=file, fields=fields, gaps_show=True).problems


def email_problems(email: EmailSource, fields: Fields = EMAIL_FIELDS) -> list[Problem]:
    """Every problem of an e-mail: what templates may not do, unknown names, and what a marketing mail must show."""
    body_fields = {**fields, **MESSAGE_FIELDS}
    layouts = {
        name: inspect_template(
            source,
            file=f"emails/{name}",
            fields=body_fields,
            html=name.endswith(".html"),
            is_layout=True,
            needs=email.needs,
        )
        for name, source in email.layouts.items()
    }
    problems = _needs_problems(email, fields)
    used: set[str] = set()
    for locale, parts in email.locales.items():
        for part, file in PART_FILES.items():
            source = getattr(parts, part)
            place = f"emails/{email.name}/{file if locale == email.default_locale else f'{locale}/{file}'}"
            report = _inspect_part(part, source, place, email, fields, body_fields)
            join_layout(report, layouts)
            used.add(report.layout or "")
            if part in ("text", "html") and email.kind == "marketing" and not report.refused:
                _add_obligations(report, always_shown(report, layouts))
            problems.extend(report.problems)
    for name in used & layouts.keys():
        problems.extend(layouts[name].problems)
    return in_reading_order(problems)


def _inspect_part(
    part: str, source: str, place: str, email: EmailSource, fields: Fields, body_fields: Fields
) -> Report:
    body = part in ("text", "html")
    html = part == "html"
    layouts = [name for name in email.layouts if body and name.endswith(".html") == html]
    report = inspect_template(
        source, file=place, fields=body_fields if body else fields, html=html, layouts=layouts, needs=email.needs
    )
    if part == "subject":
        if len(source.strip().splitlines()) > 1:
            report.add(2, "subject-lines", "the subject has more than one line", "write it in one line")
        if len(source.strip()) > LONG_SUBJECT:
            report.add(1, "subject-long", f"the subject is over {LONG_SUBJECT} characters", "shorten it", "warning")
    return report


def _add_obligations(report: Report, shown: set[str]) -> None:
    for path, message in OBLIGATIONS.items():
        if path not in shown:
            report.add(
                1,
                "marketing-obligation",
                message,
                f"write `{{{{ {path} }}}}` outside of any `if`, or use the shared layout",
            )


def _needs_problems(email: EmailSource, fields: Fields) -> list[Problem]:
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
