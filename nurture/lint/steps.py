"""The course of a sequence: steps that nobody reaches, ways that nobody takes, and mails that leave at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nurture.definitions.sequences import BranchStep, EmailStep, ExitStep, Step, WaitStep
from nurture.lint.conditions import lint_condition, truth
from nurture.lint.findings import Definitions, Finding
from nurture.strict_yaml import Path


def steps_with_places(steps: Sequence[Step], path: Path) -> Iterator[tuple[Step, Path]]:
    """Every step with its path, also those inside branches, in the order of the file."""
    for index, step in enumerate(steps):
        place = (*path, index)
        yield step, place
        if isinstance(step, BranchStep):
            for number, arm in enumerate(step.branch):
                yield from steps_with_places(arm.steps, (*place, "branch", number, "steps"))


def lint_course(steps: Sequence[Step], document: str, definitions: Definitions) -> Iterator[Finding]:
    """Follow every way through the steps."""
    walker = _Walker(document, definitions)
    walker.follow(steps, ("steps",), None)
    yield from walker.findings


class _Walker:
    """Goes down the steps; knows whether anyone is still on the way, and which mail left since the last wait."""

    def __init__(self, document: str, definitions: Definitions) -> None:
        self.document = document
        self.definitions = definitions
        self.findings: list[Finding] = []

    def add(self, path: Path, code: str, message: str, remedy: str, error: bool = True, key: bool = False) -> None:
        """Note a finding."""
        self.findings.append(Finding(self.document, path, code, message, remedy, "error" if error else "warning", key))

    def follow(self, steps: Sequence[Step], path: Path, mail: str | None) -> tuple[bool, str | None]:
        """Whether everybody has left after these steps, and the last mail without a wait after it."""
        for index, step in enumerate(steps):
            left = False
            if isinstance(step, ExitStep):
                left = True
            elif isinstance(step, WaitStep):
                mail = None
            elif isinstance(step, EmailStep):
                if mail is not None:
                    self.add(
                        (*path, index, "email"),
                        "no-wait-between-emails",
                        f"`{step.id}` is sent in the same moment as `{mail}`",
                        "put a `wait` between them",
                        error=False,
                    )
                mail = step.id
            elif isinstance(step, BranchStep):
                left, mail = self._branch(step, (*path, index), mail)
            if left:
                if index + 1 < len(steps):
                    self.add(
                        (*path, index + 1, "id"),
                        "unreachable-step",
                        f"nobody reaches `{steps[index + 1].id}`: every way before it ends in an exit",
                        "delete it, or move the exit",
                    )
                return True, None
        return False, mail

    def _branch(self, step: BranchStep, path: Path, mail: str | None) -> tuple[bool, str | None]:
        everyone_left, open_way = True, True
        names: set[str] = set()
        after: str | None = None
        for number, arm in enumerate(step.branch):
            place: Path = (*path, "branch", number)
            if arm.if_ is not None:
                self.findings.extend(lint_condition(arm.if_, self.document, (*place, "if"), self.definitions, True))
            if arm.name is not None and arm.name in names:
                self.add(
                    (*place, "name"),
                    "duplicate-id",
                    f"two ways of `{step.id}` are called `{arm.name}`",
                    "give each way a name of its own",
                )
            names.add(arm.name or "")
            taken = True if arm.if_ is None else truth(arm.if_)
            if not open_way or taken is False:
                self.add(
                    place,
                    "unreachable-way",
                    f"nobody takes way {number + 1} of `{step.id}`",
                    "delete it, or mend the conditions",
                    key=False,
                )
            left, last = self.follow(arm.steps, (*place, "steps"), mail)
            everyone_left = everyone_left and left
            after = after or last
            open_way = open_way and taken is not True
        return everyone_left and not open_way, after or (mail if open_way else None)
