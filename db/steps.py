"""The statements of each kind of step, for all who stand on it at once.

The row in `executed_steps` comes first and is the proof that what follows acts on the same people; every statement
leaves alone whom it has taken on already.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, and_, case, func, literal, select, update

from db import work
from db.awaited import awaited, came, go_on_from, look_on
from db.conditions import NOW, Scope, compile_condition
from db.entries import ended
from db.holds import after_hold
from db.shares import variant_of
from db.subqueries import there_is, value_of
from db.tables import audience_choices, enrollments, executed_steps, leads, messages, sales_tasks
from db.types import json_with, plus_seconds
from db.waits import begin, hold_until_open
from nurture.definitions.bundle import Bundle
from nurture.definitions.program import Node
from nurture.definitions.sequences import (
    AudienceStep,
    EmailStep,
    ExitStep,
    Sequence,
    TaskStep,
    UpdateStep,
    WaitStep,
    WaitUntil,
)

_STEP_COLUMNS = ["enrollment_id", "step_id", "kind", "version_id", "outcome", "detail", "executed_at"]
_MESSAGE_COLUMNS = [
    "enrollment_id",
    "step_id",
    "lead_id",
    "sequence",
    "email",
    "topic",
    "marketing",
    "version_id",
    "variant",
    "priority",
    "status",
    "reason",
    "queued_at",
    "due_at",
    "expires_at",
    "settled_at",
]
_TASK_COLUMNS = [
    "kind",
    "subject_key",
    "lead_id",
    "account_id",
    "status",
    "title",
    "reason",
    "owner",
    "next_step",
    "enrollment_id",
    "step_id",
    "opened_at",
    "due_at",
]
_LEAD_COLUMNS = (
    "job_title",
    "country",
    "city",
    "language",
    "time_zone",
    "company",
    "first_name",
    "last_name",
    "name",
    "source_detail",
)
# Who has come to a step and has not begun it.
_ON_ITS_WAY: dict[str, Any] = {
    "moved_at": NOW,
    "waiting_since": None,
    "happened_at": enrollments.c.wake_at,
    "waiting_for": "wake",
    "held_wake_at": None,
}


def verdict_at() -> Any:
    """When what became of a settled message really happened; the next step counts from then."""
    happened = func.coalesce(messages.c.handed_over_at, messages.c.settled_at)
    return case((messages.c.status.in_(("accepted", "unknown")), happened), else_=messages.c.settled_at)


class StepStatements:
    """What the steps of one version of a sequence do, as statements."""

    def __init__(
        self, version_id: int, sequence: Sequence, bundle: Bundle, time_zone: str = "UTC", country: str | None = None
    ) -> None:
        self.version_id = version_id
        # Whose clock counts for a lead whose own is not known.
        self.time_zones = (sequence.time_zone, time_zone)
        # Whose holidays count for a lead whose country is not known.
        self.home = country
        self.sequence = sequence
        self.bundle = bundle
        self.scope = Scope(bundle.fields)

    def _build(self, connection: Connection, node: Node) -> list[Any]:
        builders = {
            "email": self._email,
            "wait": self._wait,
            "branch": self._branch,
            "audience": self._audience,
            "task": self._task,
            "update": self._update,
            "exit": self._exit,
        }
        return builders[node.kind](connection, node)

    # -- pieces ------------------------------------------------------------------------------------------------------

    def _standing(self, node: Node) -> list[Any]:
        return [
            enrollments.c.version_id == self.version_id,
            enrollments.c.step_id == node.id,
            enrollments.c.status == "active",
            enrollments.c.waiting_for.in_(("wake", "event")),
            enrollments.c.wake_at <= NOW,
        ]

    def _record(self, connection: Connection, node: Node, outcome: Any, detail: Any, *conditions: Any) -> Any:
        """Write that the step ran; the row is the proof that what follows acts on the same people."""
        rows = select(
            enrollments.c.id, literal(node.id), literal(node.kind), literal(self.version_id), outcome, detail, NOW
        ).where(*self._standing(node), *conditions)
        return work.insert_for(connection)(executed_steps).from_select(_STEP_COLUMNS, rows).on_conflict_do_nothing()

    def _executed(self, node: Node, *more: Any) -> Any:
        return there_is(
            executed_steps,
            executed_steps.c.enrollment_id == enrollments.c.id,
            executed_steps.c.step_id == node.id,
            *more,
        )

    def _move(self, node: Node, target: str | None, *conditions: Any) -> Any:
        values = {"step_id": target, **_ON_ITS_WAY} if target else ended("completed", "completed")
        return update(enrollments).where(*self._standing(node), self._executed(node), *conditions).values(values)

    def _pass_by(self, node: Node) -> Any:
        """Take on those for whom the step has run: its message is settled, or an edit has moved it to where they are.

        No step runs twice, and nobody goes back.
        """
        values = {"step_id": node.next, **_ON_ITS_WAY} if node.next else ended("completed", "completed")
        return update(enrollments).where(*self._standing(node), self._executed(node)).values(values)

    # -- steps -------------------------------------------------------------------------------------------------------

    def _email(self, connection: Connection, node: Node) -> list[Any]:
        step = node.step
        assert isinstance(step, EmailStep)
        # Whoever is pinned to an old version may come to an e-mail that has been deleted since.
        variant, email = variant_of(self.sequence, step, enrollments.c.lead_id)
        sources = {name: self.bundle.emails.get(name) for name in (step.email, *(v.email for v in step.variants))}
        source = sources[step.email]
        gone = [name for name, each in sources.items() if each is None]
        late = plus_seconds(enrollments.c.wake_at, literal(step.max_lateness.seconds)) < NOW
        outcome = case((late, "late"), else_="queued")
        refused = sa.or_(late, email.in_(gone)) if gone else late
        rows = select(
            enrollments.c.id,
            literal(node.id),
            enrollments.c.lead_id,
            enrollments.c.sequence,
            email,
            literal(source.topic if source else self.sequence.topic),
            literal(source is None or source.kind == "marketing"),
            literal(self.version_id),
            sa.null() if variant is None else variant,
            literal(step.priority if step.priority is not None else self.sequence.priority),
            case((refused, "skipped"), else_="queued"),
            case((late, "too-late"), (refused, "email-removed"), else_=None),
            NOW,
            enrollments.c.wake_at,
            plus_seconds(enrollments.c.wake_at, literal(step.max_lateness.seconds)),
            case((refused, NOW), else_=None),
        ).where(*self._standing(node), self._executed(node))
        mine = and_(messages.c.enrollment_id == enrollments.c.id, messages.c.step_id == node.id)
        message_id = value_of(messages, messages.c.id, mine)
        open_one = and_(mine, messages.c.settled_at.is_(None))
        waits = (
            update(enrollments)
            .where(*self._standing(node), self._executed(node), there_is(messages, open_one))
            .values(waiting_for="message", wake_at=None, waiting_since=None, moved_at=NOW, message_id=message_id)
        )
        # Refused just now, or sent already: another run may have taken on somebody between the statements of this one,
        # and nobody would wake who began to wait for it again.
        settled = and_(mine, messages.c.settled_at.is_not(None))
        happened = after_hold(value_of(messages, verdict_at(), settled))
        goes_on = (
            update(enrollments)
            .where(*self._standing(node), self._executed(node), there_is(messages, settled))
            .values(wake_at=happened, happened_at=happened, waiting_since=None, moved_at=NOW)
        )
        return [
            (None, self._record(connection, node, outcome, sa.null() if variant is None else variant)),
            (
                "messages_queued",
                work.insert_for(connection)(messages).from_select(_MESSAGE_COLUMNS, rows).on_conflict_do_nothing(),
            ),
            (None, waits),
            (None, goes_on),
            (None, self._pass_by(node)),
        ]

    def _wait(self, connection: Connection, node: Node) -> list[Any]:
        step = node.step
        assert isinstance(step, WaitStep)
        # `_begin_wait` has been here before: who has arrived now has the end of the wait.
        ready = [enrollments.c.waiting_since.is_not(None)]
        test = awaited(node)
        if isinstance(step.wait, WaitUntil) and step.wait.window is not None:
            # Who still stands here lives where it is open; what follows counts from now.
            open_now = update(enrollments).where(*self._standing(node)).values(wake_at=NOW)
            return [
                (None, open_now),
                (None, self._record(connection, node, literal("waited"), sa.null())),
                ("waits_ended", self._move(node, node.next)),
            ]
        if test is None:
            return [
                (None, self._record(connection, node, literal("waited"), sa.null(), *ready)),
                ("waits_ended", self._move(node, node.next, *ready)),
            ]
        already = (
            update(enrollments)
            .where(
                enrollments.c.version_id == self.version_id,
                enrollments.c.step_id == node.id,
                enrollments.c.status == "active",
                enrollments.c.waiting_for == "event",
                enrollments.c.wake_at > NOW,
                enrollments.c.moved_at == NOW,
                came(test, self.scope),
            )
            .values(wake_at=NOW)
        )
        outcome = case((came(test, self.scope), "event"), else_="timeout")
        return [
            (None, look_on(self.version_id, node, self.scope)),
            (None, go_on_from(self.version_id, node)),
            (None, already),
            (None, self._record(connection, node, outcome, sa.null(), *ready)),
            ("waits_ended", self._move(node, node.next, *ready)),
        ]

    def _begin_wait(self, connection: Connection, node: Node, now: datetime) -> int:
        """What a wait needs to know about where its people live; looked up, so nothing of it is kept."""
        step = node.step
        if not isinstance(step, WaitStep):
            return 0
        if isinstance(step.wait, WaitUntil) and step.wait.window is not None:
            window = step.wait.window
            return hold_until_open(connection, self._standing(node), window, now, *self.time_zones, home=self.home)
        length, for_event = (step.wait.timeout, True) if isinstance(step.wait, WaitUntil) else (step.wait, False)
        assert length is not None
        return begin(connection, self._standing(node), length, now, *self.time_zones, for_event=for_event)

    def _branch(self, connection: Connection, node: Node) -> list[Any]:
        statements: list[Any] = []
        scope = self.scope.since(enrollments.c.entered_at)
        for arm in node.arms:
            holds = (
                []
                if arm.when is None
                else [there_is(leads, leads.c.id == enrollments.c.lead_id, compile_condition(arm.when, scope))]
            )
            statements += [
                (None, self._record(connection, node, literal("way"), literal(arm.name), *holds)),
                ("branches_taken", self._move(node, arm.target)),
            ]
        return statements

    def _audience(self, connection: Connection, node: Node) -> list[Any]:
        step = node.step
        assert isinstance(step, AudienceStep)
        choice, name = ("add", step.audience.add) if step.audience.add else ("remove", step.audience.remove)
        rows = select(
            literal(name), enrollments.c.lead_id, literal(choice), enrollments.c.id, literal(node.id), NOW
        ).where(*self._standing(node), self._executed(node))
        choose = work.insert_for(connection)(audience_choices).from_select(
            ["audience", "lead_id", "choice", "enrollment_id", "step_id", "chosen_at"], rows
        )
        choose = choose.on_conflict_do_update(
            index_elements=["audience", "lead_id"],
            set_={name: choose.excluded[name] for name in ("choice", "enrollment_id", "step_id", "chosen_at")},
        )
        return [
            (None, self._record(connection, node, literal("passed"), literal(choice))),
            ("audience_choices", choose),
            (None, self._move(node, node.next)),
        ]

    def _task(self, connection: Connection, node: Node) -> list[Any]:
        step = node.step
        assert isinstance(step, TaskStep)
        owners = self.bundle.lifecycle.sales.owners
        owner = case(dict(enumerate(owners)), value=leads.c.id % len(owners), else_=owners[0])
        rows = (
            select(
                literal("step"),
                literal("lead:") + sa.cast(leads.c.id, sa.String),
                leads.c.id,
                leads.c.account_id,
                literal("open"),
                literal(step.task.title),
                literal(f"{self.sequence.sequence}: {step.task.kind}"),
                owner,
                literal(step.task.note or None, sa.Text),
                enrollments.c.id,
                literal(node.id),
                NOW,
                plus_seconds(NOW, literal(step.task.due.seconds)),
            )
            .select_from(enrollments.join(leads, leads.c.id == enrollments.c.lead_id))
            .where(*self._standing(node), self._executed(node))
        )
        ask = work.insert_for(connection)(sales_tasks).from_select(_TASK_COLUMNS, rows).on_conflict_do_nothing()
        return [
            (None, self._record(connection, node, literal("passed"), literal(step.task.kind))),
            ("tasks_asked", ask),
            (None, self._move(node, node.next)),
        ]

    def _update(self, connection: Connection, node: Node) -> list[Any]:
        step = node.step
        assert isinstance(step, UpdateStep)
        standers = select(enrollments.c.lead_id).where(*self._standing(node), self._executed(node))
        field, to = step.update.field, step.update.to
        values: dict[str, Any] = {"updated_at": NOW}
        if field in _LEAD_COLUMNS:
            values[field] = None if to is None else str(to)
        else:
            values["attributes"] = json_with(leads.c.attributes, literal(field), literal(_json(to)))
        return [
            (None, self._record(connection, node, literal("passed"), literal(field))),
            ("fields_updated", update(leads).where(leads.c.id.in_(standers)).values(values)),
            # Fit rules and entries may ask for the field.
            (None, work.mark_statement(connection, "score", standers)),
            (None, self._move(node, node.next)),
        ]

    def _exit(self, connection: Connection, node: Node) -> list[Any]:
        step = node.step
        assert isinstance(step, ExitStep)
        leave = (
            update(enrollments).where(*self._standing(node), self._executed(node)).values(ended("exited", step.exit))
        )
        return [
            (None, self._record(connection, node, literal("left"), literal(step.exit))),
            (f"left:{step.exit}", leave),
        ]


def _json(value: Any) -> str:
    import orjson

    return orjson.dumps(value).decode()
