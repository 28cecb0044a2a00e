"""A sequence as a flat program: nodes in order, each with its next; every jump goes forward."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from nurture.conditions import Condition
from nurture.definitions.sequences import BranchStep, Sequence, Step, kind_of


@dataclass(frozen=True, slots=True)
class Arm:
    """One way out of a branch; `when` None is the else."""

    name: str
    when: Condition | None
    target: str | None


@dataclass(frozen=True, slots=True)
class Node:
    """One step with its place; `next` None means that the sequence is completed."""

    id: str
    position: int
    kind: str
    step: Step
    next: str | None
    arms: tuple[Arm, ...] = field(default=())


def flatten(sequence: Sequence) -> list[Node]:
    """The nodes of a sequence in execution order; a branch's ways meet again at the step after it."""
    nodes: list[Node] = []
    _lay(sequence.steps, None, nodes)
    ordered = sorted(nodes, key=lambda node: node.position)
    return ordered


def _lay(steps: list[Step], after: str | None, nodes: list[Node], start: int = 0) -> int:
    position = start
    for index, step in enumerate(steps):
        following = steps[index + 1].id if index + 1 < len(steps) else after
        mine = position
        position += 1
        arms: list[Arm] = []
        if isinstance(step, BranchStep):
            for number, arm in enumerate(step.branch, 1):
                target = arm.steps[0].id if arm.steps else following
                arms.append(Arm(arm.name or ("else" if arm.else_ else f"way-{number}"), arm.if_, target))
                position = _lay(arm.steps, following, nodes, position)
            if not any(arm.when is None for arm in arms):
                arms.append(Arm("otherwise", None, following))
        nodes.append(Node(step.id, mine, kind_of(step), step, following, tuple(arms)))
    return position


def all_steps(steps: list[Step]) -> Iterator[Step]:
    """Every step, also those inside branches."""
    for step in steps:
        yield step
        if isinstance(step, BranchStep):
            for arm in step.branch:
                yield from all_steps(arm.steps)
