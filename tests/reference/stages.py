"""Stages and sales tasks as plain loops over plain objects: what the engine's statements must come to.

A history is a list of runs, each with what arrived since the run before. A position is an instant and a place in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

RANK = {"lead": 0, "mql": 1, "sql": 2, "customer": 3}
BEFORE, AFTER = -1, 2**63 - 1
DAY = timedelta(days=1)
ANSWERS = {"sales.rejected": "rejected", "deal.won": "won", "purchase.made": "won", "deal.lost": "lost"}


@dataclass(frozen=True)
class Event:
    key: str
    lead: str
    type: str
    at: datetime
    tiebreak: int
    machine: bool = False
    silent: bool = False
    reason: str | None = None

    @property
    def position(self):
        return (self.at, self.tiebreak)


@dataclass(frozen=True)
class Rules:
    conversions: tuple  # (id, to, from stages, types, reason that it asks for)
    points: tuple  # (type, points)
    mql: float | None
    sql: float | None
    recycle_on: tuple
    recycle_to: str
    cool_down: timedelta
    cool_downs: tuple  # (reason, timedelta)
    per_account: bool


@dataclass
class Move:
    start: str
    to: str
    position: tuple
    recorded: datetime
    cause: str
    rule: str
    event: str | None
    reason: str | None
    cool_until: datetime | None
    silent: bool


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


class Reference:
    def __init__(self, rules: Rules, accounts: dict):
        self.rules, self.accounts, self.before = rules, accounts, None
        self.events, self.tasks = {}, []
        self.moves = {lead: [] for lead in accounts}
        self.closing = {**dict.fromkeys(rules.recycle_on, "rejected"), **ANSWERS}

    def stage(self, lead, position=(datetime.max, 0)):
        past = [move for move in self.moves[lead] if position[0].year == 9999 or move.position < position]
        return past[-1].to if past else "lead"

    def of(self, lead, now):
        found = [each for each in self.events.values() if each.lead == lead and each.at <= now and not each.machine]
        return sorted(found, key=lambda each: each.position)

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
                    fact = Event(f"told {first.key} {lead}", lead, "deal.won" if won else first.type, first.at, first.tiebreak,
                                 silent=first.silent, reason=None if won else first.reason)  # fmt: skip
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

    def move(self, lead, now, silent):
        while found := self.candidates(lead, now, silent):
            self.moves[lead].append(min(found, key=lambda each: each[0])[1])
        rules, moves = self.rules, self.moves[lead]
        back = next((move for move in reversed(moves) if move.cause == "recycle"), None)
        paid = dict(rules.points)
        score = sum(paid.get(each.type, 0) for each in self.of(lead, now))
        fresh = [e for e in self.of(lead, now) if paid.get(e.type, 0) > 0 and (not back or e.position > back.position)]
        for to, least in (("sql", rules.sql), ("mql", rules.mql)):
            if least is None or score < least or RANK[self.stage(lead)] >= RANK[to] or (back and not fresh):
                continue
            if to == "sql" and back and back.cool_until > now:
                continue
            history = silent or bool(back and all(each.silent for each in fresh))
            moves.append(
                Move(self.stage(lead), to, (now, AFTER), now, "score", f"threshold:{to}", None, None, None, history)
            )

    def candidates(self, lead, now, silent):
        rules, moves, found = self.rules, self.moves[lead], []
        last = moves[-1].position if moves else (datetime.min.replace(tzinfo=now.tzinfo), 0)
        back = next((move for move in reversed(moves) if move.cause == "recycle"), None)
        for each in self.of(lead, now):
            before, stage = self.stage(lead, each.position), self.stage(lead)
            for number, (rule, to, starts, types, reason) in enumerate(rules.conversions):
                if each.type not in types or before not in starts or (reason and each.reason != reason):
                    continue
                if RANK[to] <= RANK[stage] or (back and each.position <= back.position):
                    continue
                held = to == "sql" and back and back.cool_until > each.at
                position = (back.cool_until, BEFORE) if held else each.position
                if position[0] > now:
                    continue
                late = position <= last or (not each.silent and position[0] < now - DAY)
                at = position if position > last else (now, AFTER)
                move = Move(stage, to, at, now, "event", rule, each.key, "late event" if late else None, None, silent or each.silent)  # fmt: skip
                found.append(((at, each.position, -RANK[to], number), move))
            if each.type in rules.recycle_on and stage == "sql" and each.position > last:
                cool = each.at + dict(rules.cool_downs).get(each.reason, rules.cool_down)
                move = Move(stage, rules.recycle_to, each.position, now, "recycle", "recycle", each.key, each.reason, cool, silent or each.silent)  # fmt: skip
                found.append(((each.position, each.position, -RANK[rules.recycle_to], 99), move))
        return found

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
                starts = list(RANK) if not later else [self.stage(lead, each.position)]
                asks = any(to == "sql" and each.type in types and (not reason or each.reason == reason) and (not later or starts[0] in froms)
                           for _, to, froms, types, reason in self.rules.conversions)  # fmt: skip
                if (
                    asks
                    and not each.silent
                    and (not closed or each.at > closed)
                    and all(m.cause != "recycle" for m in later)
                ):
                    asking.append((1, each.position, lead, each.type, each.at < now - DAY))
                    break
        order = list(self.accounts)
        for turn, position, lead, cause, late in sorted(
            asking, key=lambda each: (each[0], each[1], order.index(each[2]))
        ):
            account = self.accounts[lead] if self.rules.per_account else None
            subject = account or lead
            task = next((task for task in self.tasks if task.open and task.subject == subject), None)
            if task is None:
                task = Task(subject, lead, cause, position[0], now, late)
                self.tasks.append(task)
            task.people.setdefault(lead, now)
