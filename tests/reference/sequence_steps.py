"""What each step of a sequence does for one enrollment whose turn has come, in plain loops.

Left out: who enters and leaves, mails on their way (`sequences.py`), holds and publishing (`sequence_operators.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.reference.lead_conditions import Lead, did, holds, later, length, opens

Body = dict[str, Any]
KINDS = ("email", "wait", "branch", "audience", "task", "update", "exit")


@dataclass
class Message:
    """A mail on its way; `window` is that of the version that queued it."""

    expires: datetime
    window: Body | None
    status: str = "queued"
    reason: str | None = None
    not_before: datetime | None = None
    quiet: bool = False  # `not_before` is when the window opens
    attempts: int = 0
    settled: datetime | None = None

    def settle(self, status: str, reason: str | None, now: datetime) -> None:
        """The last word about it."""
        self.status, self.reason, self.settled = status, reason, now


@dataclass
class Enrollment:
    """One lead in the sequence; `waiting` and `due` say what for and until when, also while its clock stands still."""

    lead: Lead
    version: int
    step: str
    entered: datetime
    due: datetime
    happened: datetime  # when the step before really did; a hold puts off what is due, not what has happened
    waiting: str = "wake"
    since: datetime | None = None  # when the wait in hand began, put off by holds
    began: datetime | None = None  # and when it really did
    pinned: bool = False
    hold: str | None = None  # why it alone is held, if it is
    hold_until: datetime | None = None
    resumed: datetime | None = None
    frozen: datetime | None = None  # since when its clock stands still
    thawed: datetime | None = None
    mail: Message | None = None
    status: str = "active"
    reason: str | None = None
    ended: datetime | None = None
    steps: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    mails: dict[str, Message] = field(default_factory=dict)

    def end(self, status: str, reason: str, now: datetime) -> None:
        """It is over."""
        self.status, self.reason, self.ended, self.hold = status, reason, now, None

    def go(self, target: str | None, now: datetime, base: datetime) -> None:
        """On to a step, which counts from `base`."""
        self.step, self.waiting, self.since, self.began = target or self.step, "wake", None, None
        self.due = self.happened = base
        if target is None:
            self.end("completed", "completed", now)


class Program:
    """One version of the sequence: its steps by id, each with the one that follows."""

    def __init__(self, version: int, body: Body) -> None:
        self.version, self.body = version, body
        self.steps: dict[str, tuple[Body, str | None]] = {}
        self._lay(body["steps"], None)

    def _lay(self, steps: list[Body], after: str | None) -> None:
        for place, step in enumerate(steps):
            following = steps[place + 1]["id"] if place + 1 < len(steps) else after
            self.steps[step["id"]] = (step, following)
            for arm in step.get("branch", []):
                self._lay(arm["steps"], following)

    def ready(self, each: Enrollment, now: datetime) -> bool:
        """Whether its turn has come: its time, or the event that it waits for."""
        wait = self.steps[each.step][0].get("wait")
        return each.due <= now or (each.waiting == "event" and did(wait["until"], each.lead, now, each.began))

    def execute(self, each: Enrollment, now: datetime) -> None:
        """Do the step on which an enrollment stands and which is due, or begin to wait there."""
        step, following = self.steps[each.step]
        kind = next(key for key in KINDS if key in step)
        if each.step in each.steps:
            each.go(following, now, each.due)
        elif kind == "email":
            self._email(each, step, now)
        elif kind == "wait":
            self._wait(each, step["wait"], following, now)
        elif kind == "branch":
            self._done(each, kind, "way", *self._way(each, step["branch"], following, now), now)
        elif kind == "exit":
            self._done(each, kind, "left", step["exit"], each.step, now)
            each.end("exited", step["exit"], now)
        elif kind == "update":
            each.lead.fields[step["update"]["field"]] = step["update"]["to"]
            self._done(each, kind, "passed", step["update"]["field"], following, now)
        else:
            detail = next(iter(step["audience"])) if kind == "audience" else step["task"]["kind"]
            self._done(each, kind, "passed", detail, following, now)

    def _done(self, each: Enrollment, kind: str, outcome: str, detail: Any, target: str | None, now: datetime) -> None:
        each.steps[each.step] = (kind, outcome, detail, self.version, now)
        if kind != "email":
            each.go(target, now, each.due)

    def _email(self, each: Enrollment, step: Body, now: datetime) -> None:
        expires = each.due + length(step.get("max_lateness", "7 days"))
        self._done(each, "email", "late" if expires < now else "queued", None, None, now)
        each.mail = each.mails[each.step] = Message(expires, self.body.get("window"))
        each.waiting, each.since, each.began = "message", None, None
        if expires < now:
            each.mail.settle("skipped", "too-late", now)

    def _wait(self, each: Enrollment, wait: Any, following: str | None, now: datetime) -> None:
        if each.began is None:
            each.since, each.began = each.due, each.happened
            if isinstance(wait, str) or "until" in wait:
                each.due = later(each.since, wait if isinstance(wait, str) else wait["timeout"], each.lead.zone)
        outcome = "waited"
        if isinstance(wait, dict) and "window" in wait:
            each.due = opens(wait["window"], each.lead.zone, now)
        elif isinstance(wait, dict):
            each.waiting = "event"
            came = did(wait["until"], each.lead, now, each.began)
            each.due, outcome = min(each.due, now) if came else each.due, "event" if came else "timeout"
        if each.due <= now:
            self._done(each, "wait", outcome, None, following, now)

    def _way(self, each: Enrollment, arms: list[Body], following: str | None, now: datetime) -> tuple[str, str | None]:
        for place, arm in enumerate(arms, 1):
            if arm.get("else") or holds(arm["if"], each.lead, now, each.entered):
                name = arm.get("name") or ("else" if arm.get("else") else f"way-{place}")
                return name, arm["steps"][0]["id"] if arm["steps"] else following
        return "otherwise", following
