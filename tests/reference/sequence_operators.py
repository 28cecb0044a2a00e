"""What people do to a sequence that runs, in plain loops: hold, resume, drain and stop it, hold one lead, publish anew.

Everybody has a clock of their own, which stands still while anything holds them. Left out: the spread of more than
fifty who are woken by an edit.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.reference.lead_conditions import Lead, holds, later
from tests.reference.sequence_steps import Body, Enrollment, Program

REPLY_PAUSES = timedelta(days=14)


class Operated:
    """One sequence, its versions, and everybody who ever was in it."""

    def __init__(self, leads: list[Lead], version: int, body: Body, now: datetime) -> None:
        self.leads = leads
        self.programs = {version: Program(version, body)}
        self.live = version
        self.state = "on"
        self.enrollments: list[Enrollment] = []
        self.marked = {lead.id for lead in leads if holds(body["entry"]["when"], lead, now, None)}
        self.missed: set[int] = set()  # who came to fulfil the condition during a hold of the sequence
        self.verdicts: dict[int, list[str]] = {}  # what the provider will say, by lead

    def active(self) -> list[Enrollment]:
        """Those who are in it now."""
        return [each for each in self.enrollments if each.status == "active"]

    def of(self, lead: Lead) -> list[Enrollment]:
        """The enrollment that a lead is in, if it is in one and not held out."""
        return [each for each in self.active() if each.lead is lead and each.hold != "holdout"]

    def hold(self, each: Enrollment, why: str, until: datetime | None, now: datetime) -> None:
        """Something holds one enrollment, unless it is held already."""
        if each.hold is None:
            each.hold, each.hold_until = why, until
            each.frozen = each.frozen or now

    def pause_for_reply(self, each: Enrollment, now: datetime) -> None:
        """A reply of a colleague holds it until a stated time."""
        replies = []
        for colleague in each.lead.colleagues:
            for event in colleague.events if colleague.news else []:
                counts = event.kind == "email.replied" and not event.machine and not event.silent
                counts &= each.entered <= event.at <= now < event.at + REPLY_PAUSES
                if counts and (event in colleague.news or each.resumed is None or event.at > each.resumed):
                    replies.append(event.at)
        if replies and each.hold == "colleague-replied" and each.hold_until is not None:
            each.hold_until = max(each.hold_until, max(replies) + REPLY_PAUSES)
        elif replies:
            self.hold(each, "colleague-replied", max(replies) + REPLY_PAUSES, now)

    def resume(self, lead: Lead, now: datetime) -> None:
        """A person lets a lead go on; nobody does while the whole sequence is held."""
        for each in self.of(lead):
            if each.hold and self.state != "hold":
                self._lift(each, now)

    def release(self, now: datetime) -> None:
        """Holds whose time is over end at that time, those for sales when sales is done."""
        for each in self.active() if self.state != "hold" else []:
            if each.hold_until is not None and each.hold_until <= now:
                self._lift(each, each.hold_until)
            elif each.hold == "in-sales-hands" and not each.lead.in_hands:
                self._lift(each, now)

    def _lift(self, each: Enrollment, at: datetime) -> None:
        each.hold, each.hold_until, each.resumed = None, None, at
        self._thaw(each, at)

    def _thaw(self, each: Enrollment, at: datetime) -> None:
        """As much of each wait is left as when the clock stopped."""
        if each.hold or each.frozen is None:
            return
        pause = at - each.frozen
        if each.due > each.frozen:
            each.happened = each.due + pause
        each.due, each.since = each.due + pause, each.since + pause if each.since else None
        if each.mail is not None and each.mail.settled is None:
            each.mail.expires += pause
        each.thawed, each.frozen = at, None

    def set_state(self, state: str, now: datetime) -> None:
        """The verbs: hold (clocks stop), on (resume), drain (nobody enters), stop (everybody leaves)."""
        before = self.state
        self.release(now)
        if before == "hold" and state != "hold":
            self.marked -= self.missed
        self.state = state
        for each in self.active():
            if state == "stop":
                each.end("exited", "sequence-stopped", now)
            elif state == "hold" and each.hold != "holdout":
                each.frozen = each.frozen or now
            elif before == "hold":
                self._thaw(each, now)
            if before == "hold" != state and each.hold_until is not None and each.hold_until <= now:
                self._lift(each, now)

    def publish(self, version: int, body: Body, now: datetime, pinned: bool) -> None:
        """Make a version live; those in flight follow, or stay pinned to theirs."""
        before = self.programs[self.live].body
        self.programs.setdefault(version, Program(version, body))
        self.live = version
        for each in self.active():
            if each.version != version and not each.pinned:
                if pinned:
                    each.pinned = True
                else:
                    self._follow(each, self.programs[version], now)
        if body["entry"] != before["entry"]:
            self.missed.clear()
            self.marked = {lead.id for lead in self.leads if holds(body["entry"]["when"], lead, now, None)}

    def _follow(self, each: Enrollment, new: Program, now: datetime) -> None:
        old, each.version = self.programs[each.version], new.version
        clock = each.frozen or now
        idle = each.waiting != "message" and each.hold != "holdout"
        if each.step not in new.steps:
            target = old.steps[each.step][1]
            while target is not None and target not in new.steps:
                target = old.steps[target][1]
            if target is None and each.hold != "holdout":
                each.end("completed", "steps-removed", now)
                return
            each.step, each.since, each.began = target or next(iter(new.steps)), None, None
            if idle:
                each.waiting, each.due, each.happened = "wake", clock, clock
            return
        was, wait = (program.steps[each.step][0].get("wait") for program in (old, new))
        if was == wait or each.since is None or not idle:
            return
        each.waiting = "event" if isinstance(wait, dict) and "until" in wait else "wake"
        end = clock
        if isinstance(wait, str) or each.waiting == "event":
            end = later(each.since, wait if isinstance(wait, str) else wait["timeout"], each.lead.zone)
        each.due = max(end, min(each.due, clock))
