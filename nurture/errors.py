"""Every error of Ripen on one page, named by what to do next; the docstring is the default message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nurture.problems import Problem


class RipenError(Exception):
    """Ripen could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


# --- Mend the input -------------------------------------------------------------------------------------------------


class BadInput(RipenError):
    """The input cannot be used as it is; mend it and run the command again."""


class BadSetting(BadInput):
    """A setting is missing or wrong; mend ripen.toml or the environment variable."""


class RefusedRow(BadInput):
    """One record cannot be used; it goes to the dead letters with this reason and can be replayed."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnknownLead(BadInput):
    """No lead has this id, address, phone or other identifier."""


# --- Mend the definitions -------------------------------------------------------------------------------------------


class DefinitionError(BadInput):
    """The definitions do not hold together; run `ripen check` for the places and remedies."""


class UnsafeTemplate(DefinitionError):
    """A template uses what templates may not use."""


class BrokenEmail(DefinitionError):
    """An e-mail's folder does not hold together; `problems` says where and what to do."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [f"{each.file}:{each.line}: {each.message} ({each.remedy})".removesuffix(" ()") for each in problems]
        super().__init__("\n".join(lines))


# --- Mend one message, and go on with the others --------------------------------------------------------------------


class SkipThis(RipenError):
    """This one item cannot be done; it is held with its reason and the others go on."""


class MissingField(SkipThis):
    """The template needs a field that this lead does not have; give it a value or write `| default("...")`."""

    def __init__(self, email: str, expression: str) -> None:
        super().__init__(
            f"{email}: this lead has no {expression}; give it a value, or write "
            f'`{expression} | default("...")` in the template'
        )
        self.email = email
        self.expression = expression


class HeaderInjection(SkipThis):
    """The built message has headers or recipients that were not planned; it is not sent."""


class RenderRefused(SkipThis):
    """The rendered message is not fit to be sent."""


# --- Try again ------------------------------------------------------------------------------------------------------


class RetryLater(RipenError):
    """An outside system is not ready; the next run tries again, not before `after` seconds when it asked for that."""

    def __init__(self, message: str | None = None, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


# --- Stop -----------------------------------------------------------------------------------------------------------


class StopTheRun(RipenError):
    """Going on would do harm; the run stops here and everything done so far stands."""


class TransportDown(StopTheRun):
    """The e-mail transport refuses this sender; sending pauses and no step is consumed."""


class SchemaMismatch(StopTheRun):
    """The database has another revision than this code; run `ripen db upgrade`, or update Ripen."""


class OutsideFailed(RipenError):
    """An outside system failed."""
