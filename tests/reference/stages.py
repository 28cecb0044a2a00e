"""Stages as plain loops over plain objects: what the engine's statements must come to.

A position is an instant and a place in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

RANK = {"lead": 0, "mql": 1, "sql": 2, "customer": 3}
BEFORE, AFTER = -1, 2**63 - 1
DAY = timedelta(days=1)


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


class Stages:
    """Who is in which stage, by the events that are known."""

    def __init__(self, rules: Rules, leads):
        self.rules, self.events = rules, {}
        self.moves = {lead: [] for lead in leads}

    def stage(self, lead, position=None):
        past = [move for move in self.moves[lead] if position is None or move.position < position]
        return past[-1].to if past else "lead"

    def of(self, lead, now):
        found = [each for each in self.events.values() if each.lead == lead and each.at <= now and not each.machine]
        return sorted(found, key=lambda each: each.position)

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
                said, quiet = "late event" if late else None, silent or each.silent
                move = Move(stage, to, at, now, "event", rule, each.key, said, None, quiet)
                found.append(((at, each.position, -RANK[to], number), move))
            if each.type in rules.recycle_on and stage == "sql" and each.position > last:
                cool = each.at + dict(rules.cool_downs).get(each.reason, rules.cool_down)
                to, at, quiet = rules.recycle_to, each.position, silent or each.silent
                move = Move(stage, to, at, now, "recycle", "recycle", each.key, each.reason, cool, quiet)
                found.append(((at, at, -RANK[to], 99), move))
        return found
