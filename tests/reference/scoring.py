"""Scoring, said once more in plain loops: what the statements of `db` are held to.

Nothing of `db` is used here, and of `nurture` only the definitions, which say what a marketer wrote.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from nurture.definitions.catalogue import DerivedType
from nurture.definitions.scoring import Decay, Scoring
from tests.reference.conditions import Happened, fits, holds

Parts = dict[tuple[str, str, str], float]  # points by dimension, rule and kind


def score(
    scoring: Scoring,
    derived: Mapping[str, DerivedType],
    lead: Mapping[str, Any],
    events: Iterable[Happened],
    at: datetime,
) -> Parts:
    """Where the points of a lead come from at an instant; the score of a dimension is the sum of its parts."""
    seen = [event for event in events if event.at <= at and not event.machine]
    seen += [each for name, rule in derived.items() for each in derive(name, rule, seen)]
    parts: Parts = {}
    in_groups: dict[tuple[str, str], dict[Any, float]] = defaultdict(lambda: defaultdict(float))
    for rule in scoring.rules:
        group = scoring.groups.get(rule.group or "")
        windows: dict[Any, float] = defaultdict(float)
        for event in seen:
            if event.type == rule.event and fits(event, rule.where) and not only_inferred(event):
                decay = rule.decay or (group.decay if group else None)
                of_group = window(group.cap.per if group and group.cap else "ever", event.at)
                of_rule = window(rule.cap.per if rule.cap else "ever", event.at)
                windows[of_group, of_rule] += rule.points * left_after(decay, at - event.at)
        capped = {key: min(points, rule.cap.points) if rule.cap else points for key, points in windows.items()}
        parts[rule.dimension, rule.id, "rule"] = sum(windows.values())
        parts[rule.dimension, rule.id, "cap"] = sum(capped.values()) - sum(windows.values())
        for (of_group, _), points in capped.items():
            in_groups[rule.dimension, rule.group or ""][of_group] += points
    for fit in scoring.fit:
        if holds(fit.when, lead, seen, at):
            parts[fit.dimension, fit.id, "rule"] = fit.points
            in_groups[fit.dimension, fit.group or ""][window("ever", at)] += fit.points
    for (dimension, name), sums in in_groups.items():
        cap = scoring.groups[name].cap if name in scoring.groups else None
        if cap is not None:
            taken = sum(min(points, cap.points) - points for points in sums.values())
            parts[dimension, f"group:{name}", "group_cap"] = taken
    for dimension in ("interest", "fit"):
        if scoring.floor is not None:
            missing = scoring.floor - sum(points for key, points in parts.items() if key[0] == dimension)
            parts[dimension, f"floor:{dimension}", "floor"] = max(0.0, missing)
    return parts


def left_after(decay: Decay | None, age: timedelta) -> float:
    """The share of its points that an event of this age still has."""
    if decay is not None and decay.half_life is not None:
        return float(0.5 ** (age / decay.half_life.total))
    if decay is not None and decay.linear is not None:
        return max(0.0, 1 - age / decay.linear.total)
    return 1.0


def window(per: str, at: datetime) -> Any:
    """The calendar period in UTC that an instant lies in."""
    return {"ever": 0, "day": at.date(), "week": at.isocalendar()[:2], "month": (at.year, at.month)}[per]


def only_inferred(event: Happened) -> bool:
    """An open that nobody saw."""
    return event.type == "email.opened" and str(event.properties.get("inferred", "")).lower() in ("true", "1", "yes")


def derive(name: str, rule: DerivedType, seen: list[Happened]) -> list[Happened]:
    """The derived events of a type: one for each raw one, or for the n-th of each visit."""
    matching = [each for each in seen if each.type == rule.from_ and fits(each, rule.where)]
    raw = sorted(matching, key=lambda each: (each.at, each.tiebreak))
    found, visit = [], 0
    for index, event in enumerate(raw):
        goes_on = index > 0 and rule.visit_gap and event.at - raw[index - 1].at <= rule.visit_gap.total
        visit = visit + 1 if goes_on else 1
        if rule.at_least == 1 or visit == rule.at_least:
            found.append(Happened(name, event.at, event.properties))
    return found
