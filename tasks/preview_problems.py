"""What is wrong with an e-mail as one reader would get it: its files, its values, the message that was built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from nurture.definitions.emails import EmailSource
from nurture.deliverability.message import MESSAGE_RULES, check_message
from nurture.deliverability.rules import Given
from nurture.errors import MissingField, SkipThis
from nurture.problems import Problem
from nurture.rendering.page_lint import size_remark
from tasks.mail import Draft, Mail
from tasks.settings import Settings

Facts = dict[str, Any]
_FOLDER = "templates/"
_ASKS = {rule.name: rule.asks for rule in MESSAGE_RULES}
# Whether and by whom a message is signed is no matter of the e-mail; `ripen doctor` looks at it.
_NOT_HERE = ("dkim-signature",)


def has_errors(problems: Iterable[Mapping[str, Any]]) -> bool:
    """Whether any of them keeps the e-mail from being sent."""
    return any(each["severity"] == "error" for each in problems)


def in_file(problem: Problem) -> Facts:
    """A problem of the lint, with its place in the workspace."""
    return _problem(**{**asdict(problem), "file": f"{_FOLDER}{problem.file}"})


def refused(error: SkipThis, email: EmailSource, locale: str) -> Facts:
    """Why this reader would not get it; with the field that is missing, when it is one."""
    folder = f"{_FOLDER}emails/{email.name}/" + ("" if locale == email.default_locale else f"{locale}/")
    if isinstance(error, MissingField):
        name = error.expression
        return _problem(
            severity="error",
            code="missing-field",
            message=f"this lead has no {name}, and the e-mail cannot do without it; the mail would wait",
            remedy=f'give the lead a value, or write `{name} | default("...")`',
            file=folder,
            field=name,
        )
    return _problem(
        severity="error",
        code="cannot-render",
        message=str(error),
        remedy="mend the template, or this lead's data; `ripen preview --lead` shows whether it helped",
        file=folder,
    )


def of_message(draft: Draft, built: Mail, settings: Settings, known: Sequence[Facts], *, local: bool) -> list[Facts]:
    """What mailbox providers ask of the built message, its size, and a door that no reader could reach."""
    marketing = bool(draft.row["marketing"])
    given = Given(built.plan.date, not marketing, settings.project.postal_address, draft.pixel)
    found = [
        _problem(
            severity="error" if each.severity == "must" else "warning",
            code=each.name,
            message=f"asked for is {_ASKS[each.name]}; found: {each.found}",
            remedy=each.remedy,
        )
        for each in check_message(built.raw, given)
        if each.failed and each.name not in _NOT_HERE
    ]
    large = size_remark(built.plan.html)
    if large and not {"html-large", "html-size"} & {each["code"] for each in (*known, *found)}:
        remedy = "shorten it, or send a link to the rest"
        found.append(_problem(severity="warning", code="html-large", message=large, remedy=remedy))
    if local:
        found.append(
            _problem(
                severity="warning",
                code="web-base-url",
                message=f"the links of this mail lead to {settings.web.base_url}, which no reader can reach",
                remedy="set web.base_url in ripen.toml to the https address of your door before you really send",
                file="ripen.toml",
            )
        )
    return found


def _problem(**said: Any) -> Facts:
    names = ("severity", "code", "message", "remedy", "file", "line", "column", "field")
    return {name: said.get(name) for name in names}
