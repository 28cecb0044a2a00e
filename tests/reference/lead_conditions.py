"""What a sequence asks of one lead, in plain loops over its facts: conditions, awaited events, local time.

It reads definitions as they are written in YAML. Left out: scores (`scoring.py`), audiences, consents as conditions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

STAGES = ("lead", "mql", "sql", "customer")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@dataclass(frozen=True)
class Event:
    """A fact about a lead."""

    kind: str
    at: datetime
    properties: dict[str, Any] = field(default_factory=dict)
    machine: bool = False
    silent: bool = False


@dataclass
class Lead:
    """What is known of a lead; `stage`, `reached`, `in_hands` and `bought` are those of the run that is looked at."""

    id: int
    zone: str
    consent: bool = True
    fields: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    news: list[Event] = field(default_factory=list)  # since the last run
    stopped: bool = False  # unsubscribed, complained, or the address is dead
    stage: str = "lead"
    reached: set[str] = field(default_factory=set)
    in_hands: bool = False  # sales has an open task
    bought: list[datetime] = field(default_factory=list)  # the runs that made it a customer
    colleagues: list[Lead] = field(default_factory=list)

    def receive(self, event: Event) -> None:
        """Take note of a fact."""
        self.events.append(event)
        self.news.append(event)
        hard = event.kind == "email.bounced" and event.properties.get("kind") == "hard"
        self.stopped |= event.kind in ("email.unsubscribed", "email.complained") or hard


def holds(condition: dict[str, Any], lead: Lead, now: datetime, entered: datetime | None, ends: bool = False) -> bool:
    """Whether a condition is true of a lead; where it `ends` an enrollment, events count from the entry on."""
    if "field" in condition:
        value = lead.fields.get(condition["field"])
        return value == condition["is"] if "is" in condition else value != condition["is_not"]
    [(key, value)] = condition.items()
    match key:
        case "all":
            return all(holds(each, lead, now, entered, ends) for each in value)
        case "any":
            return any(holds(each, lead, now, entered, ends) for each in value)
        case "not":
            return not holds(value, lead, now, entered, ends)
        case "always":
            return True
        case "stage":
            return of_stage(value, lead)
        case "did":
            test = value if isinstance(value, dict) else {"event": value}
            from_entry = test.get("since_entry") or (ends and "within" not in test)
            return did(test, lead, now, entered if from_entry else None)
    raise AssertionError(f"no model of `{key}`")


def of_stage(test: Any, lead: Lead) -> bool:
    """The stage now, or the highest one ever."""
    if not isinstance(test, dict):
        return lead.stage in ([test] if isinstance(test, str) else test)
    [(key, name)] = test.items()
    here = STAGES.index(lead.stage)
    if key == "reached":
        here = max([here, *map(STAGES.index, lead.reached)])
    return here < STAGES.index(name) if key == "below" else here >= STAGES.index(name)


def did(test: Any, lead: Lead, now: datetime, since: datetime | None) -> bool:
    """Whether enough such events have happened, lately or since an instant if that is asked for."""
    test = test if isinstance(test, dict) else {"event": test}
    kinds = [test["event"]] if isinstance(test["event"], str) else test["event"]
    found = 0
    for event in lead.events:
        counts = event.kind in kinds and not event.machine and event.at <= now
        counts &= all(event.properties.get(name) == value for name, value in test.get("where", {}).items())
        counts &= since is None or event.at >= since
        counts &= "within" not in test or event.at > now - length(test["within"])
        found += counts
    return found >= test.get("at_least", 1)


def length(text: str) -> timedelta:
    """A duration with every day counted as 24 hours."""
    number, unit = re.fullmatch(r"(\d+) (days?|h|minutes)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"d": DAY, "h": 60 * MINUTE, "m": MINUTE}[unit[0]]


def later(base: datetime, text: str, zone: str) -> datetime:
    """So long after an instant: days keep the local time, hours and minutes are exact."""
    if "day" not in text:
        return base + length(text)
    return instant(base.astimezone(ZoneInfo(zone)).replace(tzinfo=None) + length(text), zone)


def instant(local: datetime, zone: str) -> datetime:
    """When the clocks show a local time first or, where they skip it, at the next minute that they show."""
    found = local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
    while found.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != local:
        local = local.replace(second=0, microsecond=0) + MINUTE
        found = local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
    return found


def opens(window: dict[str, Any], zone: str, now: datetime) -> datetime:
    """The first instant from now on at which a window is open."""
    day = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    while True:
        first, last = (
            instant(datetime.combine(day, time.fromisoformat(window.get(key, usual))), zone)
            for key, usual in (("from", "08:00"), ("to", "17:00"))
        )
        if WEEKDAYS[day.weekday()] in window.get("days", WEEKDAYS[:5]) and now < last:
            return max(now, first)
        day += DAY
