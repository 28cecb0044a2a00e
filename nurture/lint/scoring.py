"""Scoring: rules that pay, once, for something that exists, and scores that do not feed on themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nurture.conditions import AccountScoreIs, InAudience, ScoreIs, StageIs
from nurture.definitions.scoring import Decay, EventRule, Scoring
from nurture.lint.caps import lint_caps
from nurture.lint.conditions import lint_condition, lint_where, parts_of, truth
from nurture.lint.findings import Definitions, Finding, unknown, unknown_event
from nurture.strict_yaml import Path

DOCUMENT = "scoring"
_RULE_ID = re.compile(r"[a-z0-9][a-z0-9_.-]*\Z")
# Stages and audiences follow from scores, so a score that asks for them would depend on when it is computed.
_CIRCULAR = ((ScoreIs, "score"), (AccountScoreIs, "account_score"), (StageIs, "stage"), (InAudience, "audience"))


def lint_scoring(definitions: Definitions) -> Iterator[Finding]:
    """Event rules, fit rules and groups."""
    scoring = definitions.scoring
    if scoring is None:
        return
    for index, rule in enumerate(scoring.rules):
        path: Path = ("rules", index)
        yield from unknown_event(DOCUMENT, (*path, "event"), rule.event, definitions.names)
        yield from lint_where(rule.where, DOCUMENT, (*path, "where"))
        yield from _decay(rule.decay, (*path, "decay"))
        yield from _common(rule.points, rule.group, scoring, path)
    for index, fit in enumerate(scoring.fit):
        path = ("fit", index)
        yield from lint_condition(fit.when, DOCUMENT, (*path, "when"), definitions)
        yield from _common(fit.points, fit.group, scoring, path)
        for part, place in parts_of(fit.when, (*path, "when")):
            for kind, word in _CIRCULAR:
                if isinstance(part, kind):
                    yield Finding(
                        DOCUMENT,
                        (*place, word),
                        f"{word.replace('_', '-')}-in-fit-rule",
                        f"a score cannot depend on `{word}`, which depends on scores",
                        "use profile fields, consent or `did`",
                        key=True,
                    )
        if truth(fit.when) is True:
            message, remedy = "this rule gives the same points to everyone", "name the leads that it is about"
            yield Finding(DOCUMENT, (*path, "when"), "always-true-rule", message, remedy, "warning", key=True)
    for name, group in scoring.groups.items():
        yield from _decay(group.decay, ("groups", name, "decay"))
    yield from lint_caps(scoring)
    yield from _floor(scoring.floor)
    yield from _ids(scoring)
    yield from _unused_groups(scoring)
    yield from _attended_below_registered(scoring)


def _common(points: float, group: str | None, scoring: Scoring, path: Path) -> Iterator[Finding]:
    if points == 0:
        yield Finding(DOCUMENT, (*path, "points"), "no-points", "this rule gives no points", "delete it", "warning")
    if group is not None:
        yield from unknown(DOCUMENT, (*path, "group"), "group", group, scoring.groups, "`groups`")


def _decay(decay: Decay | None, path: Path) -> Iterator[Finding]:
    if decay is None:
        return
    name = "half_life" if decay.half_life is not None else "linear"
    length = decay.half_life or decay.linear
    if length is not None and length.seconds == 0:
        yield Finding(
            DOCUMENT, (*path, name), "zero-duration", "points cannot fade in no time", "write a duration like `90 days`"
        )


def _floor(floor: float | None) -> Iterator[Finding]:
    if floor is not None and floor > 0:
        message = "a floor above zero would give points to leads for having lost some, and none to those without any"
        yield Finding(DOCUMENT, ("floor",), "floor-above-zero", message, "write `floor: 0`, or give points by a rule")


def _ids(scoring: Scoring) -> Iterator[Finding]:
    seen: set[str] = set()
    every: list[tuple[str, Path, str | None]] = [
        (rule.id, ("rules", index), rule.event) for index, rule in enumerate(scoring.rules)
    ]
    every += [(rule.id, ("fit", index), None) for index, rule in enumerate(scoring.fit)]
    for name, path, event in every:
        if name != event and not _RULE_ID.match(name):
            message, remedy = f"`{name}` is not a name for a rule", "use lower-case letters, digits, `.`, `-` and `_`"
            yield Finding(DOCUMENT, (*path, "id"), "bad-name", message, remedy)
        if name in seen:
            message, remedy = f"two rules have the id `{name}`", "give each rule an `id` of its own"
            yield Finding(DOCUMENT, (*path, "id"), "duplicate-id", message, remedy)
        seen.add(name)


def _unused_groups(scoring: Scoring) -> Iterator[Finding]:
    used = {rule.group for rule in scoring.rules} | {rule.group for rule in scoring.fit}
    if not used <= {None, *scoring.groups}:
        return  # one of the groups is probably meant by the misspelled name
    for name in scoring.groups:
        if name not in used:
            yield Finding(
                DOCUMENT,
                ("groups", name),
                "unused-group",
                f"no rule is in the group `{name}`",
                f"write `group: {name}` in a rule, or delete it",
                "warning",
                key=True,
            )


def _attended_below_registered(scoring: Scoring) -> Iterator[Finding]:
    """Coming is more than signing up; a table that pays less for it may have the two the wrong way round."""

    def plain(rule: EventRule) -> bool:
        return not rule.where and rule.dimension == "interest"

    points = {rule.event: rule.points for rule in scoring.rules if plain(rule)}
    for index, rule in enumerate(scoring.rules):
        noun, _, verb = rule.event.partition(".")
        registered = points.get(f"{noun}.registered")
        if plain(rule) and verb == "attended" and registered is not None and rule.points < registered:
            yield Finding(
                DOCUMENT,
                ("rules", index, "points"),
                "attended-below-registered",
                f"`{rule.event}` gives {rule.points:g} points and `{noun}.registered` {registered:g}, "
                "although coming is more than signing up",
                "keep it if you mean it",
                "warning",
            )
