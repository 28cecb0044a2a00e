"""Caps: a rule's cap and its group's fit into each other, and each of them can take something away."""

from __future__ import annotations

from collections.abc import Iterator

from nurture.definitions.scoring import EventRule, Group, Period, ProfileRule, Scoring
from nurture.lint.findings import Finding
from nurture.strict_yaml import Path

DOCUMENT = "scoring"
# In which periods each period lies whole: a week may lie in two months.
WITHIN: dict[Period, tuple[Period, ...]] = {
    "day": ("day", "week", "month", "ever"),
    "week": ("week", "ever"),
    "month": ("month", "ever"),
    "ever": ("ever",),
}


def lint_caps(scoring: Scoring) -> Iterator[Finding]:
    """What is wrong with the caps of rules and groups, and with groups that hold fit rules."""
    for index, rule in enumerate(scoring.rules):
        if rule.cap is not None and rule.points < 0:
            yield _without_effect(
                ("rules", index, "cap"), "this rule takes points away, and a cap limits what is given"
            )
    for name, group in scoring.groups.items():
        yield from _periods(name, group, scoring)
        yield from _fit_rules(name, group, scoring)
        yield from _dimensions(name, group, scoring)
        members: list[EventRule | ProfileRule] = [*scoring.rules, *scoring.fit]
        points = [rule.points for rule in members if rule.group == name]
        if group.cap is not None and points and max(points) < 0:
            why = "the rules of this group take points away, and a cap limits what is given"
            yield _without_effect(("groups", name, "cap"), why)


def _without_effect(path: Path, message: str) -> Finding:
    return Finding(DOCUMENT, path, "cap-without-effect", message, "delete it", "warning", key=True)


def _periods(name: str, group: Group, scoring: Scoring) -> Iterator[Finding]:
    """What a rule may give in a month cannot be shared out among the weeks of its group."""
    for index, rule in enumerate(scoring.rules):
        if rule.group != name or rule.cap is None or group.cap is None or group.cap.per in WITHIN[rule.cap.per]:
            continue
        fitting = " or ".join(f"`{period}`" for period, whole in WITHIN.items() if group.cap.per in whole)
        yield Finding(
            DOCUMENT,
            ("rules", index, "cap"),
            "cap-outside-group",
            f"a cap per `{rule.cap.per}` does not fit into the cap of its group `{name}`, "
            f"which is per `{group.cap.per}`",
            f"cap the rule per {fitting}, or the group per `{WITHIN[rule.cap.per][0]}` or `ever`",
            key=True,
        )


def _fit_rules(name: str, group: Group, scoring: Scoring) -> Iterator[Finding]:
    """Points for a profile have no date: they belong in no week, and they do not fade."""
    mine = [index for index, rule in enumerate(scoring.fit) if rule.group == name]
    for index in mine:
        if group.decay is not None:
            yield Finding(
                DOCUMENT,
                ("fit", index, "group"),
                "profile-points-do-not-fade",
                f"points for a profile do not fade, and the group `{name}` has a decay",
                "give the decay to the rules for events, or take this rule out of the group",
            )
    if mine and group.cap is not None and group.cap.per != "ever":
        yield Finding(
            DOCUMENT,
            ("groups", name, "cap"),
            "profile-points-have-no-date",
            f"points for a profile belong to no {group.cap.per}, and the group `{name}` holds a fit rule",
            "write `per: ever`, or take the fit rules out of the group",
            key=True,
        )


def _dimensions(name: str, group: Group, scoring: Scoring) -> Iterator[Finding]:
    """Interest and fit are kept apart, so a cap cannot take from both."""
    members: list[tuple[Path, str]] = [
        *(
            (("rules", index, "group"), rule.dimension)
            for index, rule in enumerate(scoring.rules)
            if rule.group == name
        ),
        *((("fit", index, "group"), rule.dimension) for index, rule in enumerate(scoring.fit) if rule.group == name),
    ]
    for path, dimension in members:
        if group.cap is not None and dimension != members[0][1]:
            yield Finding(
                DOCUMENT,
                path,
                "mixed-dimensions",
                f"this rule is about {dimension}, and others in the group `{name}` about {members[0][1]}; "
                "a cap is about one of the two",
                f"write `dimension: {members[0][1]}`, or make a group of its own",
            )
