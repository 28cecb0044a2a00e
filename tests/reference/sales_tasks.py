"""Sales tasks as plain loops over plain objects, and a run: what the engine's statements must come to.

A history is a list of runs, each with what arrived since the run before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tests.reference.stages import DAY, Event, Rules, Stages

ANSWERS = {"sales.rejected": "rejected", "deal.won": "won", "purchase.made": "won", "deal.lost": "lost"}


@dataclass
class Task:
    subject: str
    lead: str
    cause: str | None
    qualified: datetime
    opened: datetime
    late: bool
    status: str = "open"
    accepted: datetime | None = None
    closed: datetime | None = None
    people: dict = field(default_factory=dict)  # lead: added at

    @property
    def open(self):
        return self.status in ("open", "accepted")


class Reference(Stages):
    """Stages and sales tasks after each of some runs."""

    def __init__(self, rules: Rules, accounts: dict):
        super().__init__(rules, accounts)
        self.accounts, self.before, self.tasks = accounts, None, []
        self.closing = {**dict.fromkeys(rules.recycle_on, "rejected"), **ANSWERS}

    def run(self, now, arrivals):
        marks = {}
        for each in self.events.values():
            if self.before and self.before < each.at <= now:
                marks.setdefault(each.lead, []).append(each.silent)
        for each in arrivals:
            if each.key not in self.events:
                self.events[each.key] = each
                marks.setdefault(each.lead, []).append(each.silent)
        for lead, moves in self.moves.items():
            if any(
                m.cool_until and m.cool_until <= now and (not self.before or m.cool_until > self.before) for m in moves
            ):
                marks.setdefault(lead, []).append(False)
        self.spread(now, marks)
        again = self.settle(now, marks)
        for lead, silent in marks.items():
            self.move(lead, now, all(silent))
        looked = list(marks)
        while looked:
            self.hand_over(looked, now)
            looked = list(again | self.settle(now, looked))
            again = set()
        self.before = now

    def answers(self, task, now, kinds):
        found = []
        for lead in task.people:
            last = max(move.position for move in self.moves[lead] if move.to == "sql")
            found += [e for e in self.of(lead, now) if e.type in kinds and e.at >= task.qualified and e.position > last]
        return sorted(found, key=lambda each: each.position)

    def spread(self, now, marks):
        for task in self.tasks:
            said = self.answers(task, now, self.closing) if set(task.people) & set(marks) else []
            said = [each for each in said if task.open or each.at <= task.closed]
            for lead in task.people if said else ():
                first, known = said[0], [e for e in self.events.values() if e.lead == lead and e.type in self.closing]
                last = max(move.position for move in self.moves[lead] if move.to == "sql")
                if self.stage(lead) == "sql" and last < first.position and all(e.at != first.at for e in known):
                    won = self.closing[first.type] == "won"
                    kind, reason = ("deal.won", None) if won else (first.type, first.reason)
                    place = (first.at, first.tiebreak, False, first.silent, reason)
                    fact = Event(f"told {first.key} {lead}", lead, kind, *place)
                    self.events[fact.key] = fact
                    marks.setdefault(lead, []).append(first.silent)

    def settle(self, now, looked):
        closed = set()
        for task in self.tasks:
            if not task.open or not set(task.people) & set(looked):
                continue
            accepted, said = self.answers(task, now, ("sales.accepted",)), self.answers(task, now, self.closing)
            if accepted and task.status == "open":
                task.status, task.accepted = "accepted", accepted[0].at
            if said:
                task.status, task.closed = self.closing[said[0].type], said[0].at
                task.accepted = task.accepted if task.accepted and task.accepted <= task.closed else None
            bought = [self.moves[lead][-1].position[0] for lead in task.people if self.stage(lead) == "customer"]
            if task.open and bought:
                task.status, task.closed = "won", min(bought)
            closed |= set() if task.open else set(task.people)
        return closed

    def hand_over(self, looked, now):
        asking = []
        for lead in looked:
            last = self.moves[lead][-1] if self.moves[lead] else None
            mine = [task for task in self.tasks if lead in task.people]
            if self.stage(lead) != "sql" or any(task.open for task in mine):
                continue
            given = any(t.people[lead] >= last.recorded and t.closed >= last.position[0] for t in mine)
            if not last.silent and not given:
                cause = last.event and self.events[last.event].type
                asking.append((0, last.position, lead, cause, last.reason == "late event"))
                continue
            closed = max((task.closed for task in mine), default=None)
            for each in self.of(lead, now):
                later = [move for move in self.moves[lead] if move.position > each.position]
                back = any(move.cause == "recycle" for move in later)
                if not each.silent and not back and (not closed or each.at > closed) and self.asks(lead, each, later):
                    asking.append((1, each.position, lead, each.type, each.at < now - DAY))
                    break
        order = list(self.accounts)
        asking.sort(key=lambda each: (each[0], each[1], order.index(each[2])))
        for _, position, lead, cause, late in asking:
            account = self.accounts[lead] if self.rules.per_account else None
            subject = account or lead
            task = next((task for task in self.tasks if task.open and task.subject == subject), None)
            if task is None:
                task = Task(subject, lead, cause, position[0], now, late)
                self.tasks.append(task)
            task.people.setdefault(lead, now)

    def asks(self, lead, event, later):
        before = self.stage(lead, event.position)
        for _, to, starts, types, reason in self.rules.conversions:
            matches = event.type in types and (not reason or event.reason == reason)
            if to == "sql" and matches and (not later or before in starts):
                return True
        return False
