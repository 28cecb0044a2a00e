"""Waits for an event: who waits for one, whether it has come, and what a hold in between leaves of the timeout."""

from __future__ import annotations

from typing import Any

from sqlalchemy import case, not_, update

from db import work
from db.conditions import NOW, Scope, compile_condition
from db.holds import BATCH, ON_HOLD
from db.subqueries import there_is
from db.tables import enrollments, leads
from nurture.conditions import Did, EventTest
from nurture.definitions.program import Node
from nurture.definitions.sequences import WaitStep, WaitUntil


def awaited(node: Node) -> EventTest | None:
    """The event that a wait step waits for, if it does."""
    step = node.step
    return step.wait.until if isinstance(step, WaitStep) and isinstance(step.wait, WaitUntil) else None


def came(test: EventTest, scope: Scope) -> Any:
    """A SQL expression: the awaited event has come since the wait really began; a hold puts off the clock alone."""
    narrowed = test.model_copy(update={"since_entry": True})
    scope = scope.since(enrollments.c.happened_at)
    return there_is(leads, leads.c.id == enrollments.c.lead_id, compile_condition(Did(did=narrowed), scope))


def _awaiting(version_id: int, node: Node) -> list[Any]:
    return [
        enrollments.c.version_id == version_id,
        enrollments.c.step_id == node.id,
        enrollments.c.status == "active",
        enrollments.c.waiting_for == "event",
    ]


def awaited_statement(version_id: int, node: Node, scope: Scope) -> Any:
    """Wake those of a batch whose awaited event has come; the advance then takes it from there."""
    test = awaited(node)
    assert test is not None
    return (
        update(enrollments)
        .where(
            *_awaiting(version_id, node),
            enrollments.c.wake_at > NOW,
            enrollments.c.sequence.not_in(ON_HOLD),
            enrollments.c.id.in_(work.enrollments_of(BATCH)),
            came(test, scope),
        )
        .values(wake_at=NOW)
    )


def look_on(version_id: int, node: Node, scope: Scope) -> Any:
    """After a hold: those whose awaited event did not come meanwhile wait on until what is left of the timeout."""
    test = awaited(node)
    assert test is not None
    return (
        update(enrollments)
        .where(
            *_awaiting(version_id, node),
            enrollments.c.wake_at <= NOW,
            enrollments.c.held_wake_at > NOW,
            not_(came(test, scope)),
        )
        .values(wake_at=enrollments.c.held_wake_at, held_wake_at=None)
    )


def go_on_from(version_id: int, node: Node) -> Any:
    """After a hold: the others go on from now, as without one, or from the end of the timeout if that has passed."""
    end = enrollments.c.held_wake_at
    return (
        update(enrollments)
        .where(
            *_awaiting(version_id, node),
            enrollments.c.wake_at <= NOW,
            end.is_not(None),
        )
        .values(wake_at=case((end < NOW, end), else_=NOW), held_wake_at=None)
    )


__all__ = ["awaited", "awaited_statement", "came", "go_on_from", "look_on"]
