"""What is wrong with an e-mail as one reader would get it: its files, its values, the message that was built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from nurture.definitions.emails import EmailSource
from nurture.deliverability.message import MESSAGE_RULES, check_message
from nurture.deliverability.rules import Check, Given
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


def of_message(draft: Draft, built: Sequence[Mail], settings: Settings, known: Sequence[Facts]) -> list[Facts]:
    """What mailbox providers ask of the message, built in each of these ways, and its size; each said once."""
    found: dict[str, Facts] = {}
    for mail in built:
        given = Given(mail.plan.date, not draft.row["marketing"], settings.project.postal_address, draft.pixel)
        for each in check_message(mail.raw, given):
            if each.failed and each.name not in _NOT_HERE:
                found.setdefault(each.name, _of_rule(each))
    large = size_remark(built[0].plan.html)
    if large and not {"html-large", "html-size"} & {*found, *(each["code"] for each in known)}:
        remedy = "shorten it, or send a link to the rest"
        found["html-large"] = _problem(severity="warning", code="html-large", message=large, remedy=remedy)
    return list(found.values())


def _of_rule(check: Check) -> Facts:
    return _problem(
        severity="error" if check.severity == "must" else "warning",
        code=check.name,
        message=f"asked for is {_ASKS[check.name]}; found: {check.found}",
        remedy=check.remedy,
    )


def is_local(settings: Settings) -> bool:
    """Whether the door through which the links lead is open on this machine only."""
    return settings.web.base_url.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))


def with_open_door(settings: Settings) -> Settings:
    """The settings with a door in the open, so that the rules judge the e-mail and not where it is written."""
    door = settings.web.model_copy(update={"base_url": "https://door.example.com"})
    return settings.model_copy(update={"web": door})


def local_door(settings: Settings) -> Facts:
    """What there is to say of such a door, once and not as a fault of the e-mail."""
    return _problem(
        severity="warning",
        code="web-base-url",
        message=f"the links of this mail lead to {settings.web.base_url}, which no reader can reach",
        remedy="set web.base_url in ripen.toml to the https address of your door before you really send",
        file="ripen.toml",
    )


def _problem(**said: Any) -> Facts:
    names = ("severity", "code", "message", "remedy", "file", "line", "column", "field")
    return {name: said.get(name) for name in names}
