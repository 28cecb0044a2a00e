"""Sequences: names that exist, an entry that chooses, exits that stop the mail, and steps that fit what they name."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo, available_timezones

from nurture.conditions import Condition, Did, walk
from nurture.definitions.patterns import is_pattern
from nurture.definitions.program import all_steps
from nurture.definitions.sequences import (
    CONTROL,
    AudienceStep,
    EmailStep,
    Sequence,
    Step,
    UpdateStep,
    WaitStep,
    WaitUntil,
)
from nurture.lint.conditions import HOLDS, fits, lint_condition, lint_event_test, truth
from nurture.lint.findings import Definitions, Finding, unknown
from nurture.lint.steps import lint_course, steps_with_places
from nurture.lint.windows import lint_window
from nurture.problems import did_you_mean
from nurture.strict_yaml import Path

# What should end every sequence that mails: going on would be rude, or would harm the sender's name.
_STOPS = ("email.replied", "email.bounced", "email.complained")
_NOT_UPDATABLE = ("email", "phone", "company", "created_at")


def lint_sequences(definitions: Definitions) -> Iterator[Finding]:
    """Every sequence by itself."""
    for name, sequence in definitions.sequences.items():
        document = f"sequences/{name}"
        yield from _head(name, sequence, document, definitions)
        yield from _entry(sequence, document, definitions)
        yield from _ends(sequence, document, definitions)
        yield from _missing_stops(sequence, document, definitions)
        seen: set[str] = set()
        for step, path in steps_with_places(sequence.steps, ("steps",)):
            if step.id in seen:
                yield Finding(
                    document,
                    (*path, "id"),
                    "duplicate-id",
                    f"two steps have the id `{step.id}`",
                    "give each step an `id` of its own, also inside branches",
                )
            seen.add(step.id)
            yield from _step(step, path, document, definitions)
        yield from lint_course(sequence.steps, document, definitions)


def _head(name: str, sequence: Sequence, document: str, definitions: Definitions) -> Iterator[Finding]:
    names = definitions.names
    if sequence.sequence != name:
        yield Finding(
            document,
            ("sequence",),
            "name-differs",
            f"the file is called {name}.yaml and the sequence `{sequence.sequence}`",
            "use the same name for both",
        )
    yield from unknown(document, ("topic",), "topic", sequence.topic, names.topics, "events.yaml, `topics`")
    if names.topics is not None and names.topics.get(sequence.topic, "email") != "email":
        yield Finding(
            document,
            ("topic",),
            "topic-channel",
            f"consent to `{sequence.topic}` does not cover e-mail",
            "use a topic whose channel is `email`",
        )
    for index, profile in enumerate(sequence.profiles):
        yield from unknown(document, ("profiles", index), "profile", profile, names.profiles, "lifecycle.yaml")
    if sequence.window is not None:
        yield from lint_window(sequence.window, document, ("window",))
    if sequence.time_zone is not None and not _is_zone(sequence.time_zone):
        yield Finding(
            document,
            ("time_zone",),
            "unknown-time-zone",
            f"unknown time zone `{sequence.time_zone}`",
            did_you_mean(sequence.time_zone, available_timezones()) or "write it like `Europe/Copenhagen`",
        )


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _entry(sequence: Sequence, document: str, definitions: Definitions) -> Iterator[Finding]:
    path: Path = ("entry", "when")
    yield from lint_condition(sequence.entry.when, document, path, definitions)
    always = truth(sequence.entry.when)
    if always is True:
        message, remedy = (
            "this is true for every lead, so everyone enters",
            "say who should enter, by what they did or are",
        )
        yield Finding(document, path, "always-true-entry", message, remedy, "warning", key=True)
    elif always is False:
        message = "this is never true, so nobody enters"
        yield Finding(document, path, "never-true", message, "mend the condition", key=True)


def _ends(sequence: Sequence, document: str, definitions: Definitions) -> Iterator[Finding]:
    ends: list[tuple[Condition, Path, str]] = [
        (each.when, ("exits", index, "when"), f"the exit `{each.reason}`") for index, each in enumerate(sequence.exits)
    ]
    if sequence.goal is not None:
        ends.append((sequence.goal, ("goal",), "the goal"))
    for condition, path, name in ends:
        yield from lint_condition(condition, document, path, definitions, in_sequence=True)
        if truth(condition) is True:
            message = f"{name} is true for every lead, so everyone leaves at once"
            yield Finding(document, path, "always-true-end", message, "mend the condition", key=True)
    reasons = [each.reason for each in sequence.exits]
    for index, reason in enumerate(reasons):
        if reason in reasons[:index]:
            message = f"two exits have the reason `{reason}`"
            path = ("exits", index, "reason")
            yield Finding(document, path, "duplicate-id", message, "join their conditions with `any`")


def _missing_stops(sequence: Sequence, document: str, definitions: Definitions) -> Iterator[Finding]:
    if not any(isinstance(step, EmailStep) for step in all_steps(sequence.steps)):
        return
    exits = sequence.all_exits(definitions.names.events or frozenset(_STOPS))
    conditions = [exit_.when for exit_ in exits] + ([sequence.goal] if sequence.goal is not None else [])
    watched = {
        event
        for condition in conditions
        for part in walk(condition)
        if isinstance(part, Did)
        for event in part.did.event
    }
    known = definitions.names.events or frozenset(_STOPS)
    missing = [event for event in _STOPS if event in known and event not in watched and "email.*" not in watched]
    misspelled = any(event not in known and not is_pattern(event) for event in watched)
    if missing and not misspelled:
        yield Finding(
            document,
            ("stay_after",),
            "missing-exit",
            "the mails go on after " + ", ".join(f"`{event}`" for event in missing),
            "take it out of `stay_after`, or add an exit for it",
            "warning",
            key=True,
        )


def _step(step: Step, path: Path, document: str, definitions: Definitions) -> Iterator[Finding]:
    names = definitions.names
    if isinstance(step, EmailStep):
        yield from unknown(document, (*path, "email"), "email", step.email, names.emails, "emails/")
        yield from _variants(step, path, document, definitions)
        if step.priority is not None and not 0 <= step.priority <= 100:
            yield Finding(document, (*path, "priority"), "wrong-value", "a priority is between 0 and 100", "")
    elif isinstance(step, WaitStep):
        yield from _wait(step, path, document, definitions)
    elif isinstance(step, AudienceStep):
        yield from _audience(step, path, document, definitions)
    elif isinstance(step, UpdateStep):
        yield from _update(step, path, document, definitions)


def _variants(step: EmailStep, path: Path, document: str, definitions: Definitions) -> Iterator[Finding]:
    own = definitions.emails.get(step.email)
    names = [CONTROL]
    for index, variant in enumerate(step.variants):
        place = (*path, "variants", index)
        yield from unknown(document, (*place, "email"), "email", variant.email, definitions.names.emails, "emails/")
        if variant.name in names:
            message = f"two variants of `{step.id}` are called `{variant.name}`; `{CONTROL}` is the step's own e-mail"
            yield Finding(document, (*place, "name"), "duplicate-id", message, "give each a name of its own")
        names.append(variant.name)
        other = definitions.emails.get(variant.email)
        if own is not None and other is not None and (own.topic, own.kind) != (other.topic, other.kind):
            message = f"`{variant.email}` needs another consent than `{step.email}`: topic and kind differ"
            yield Finding(document, (*place, "email"), "variant-differs", message, "give both the same topic and kind")
    if step.variants and sum(variant.share for variant in step.variants) == 100:
        message = f"nobody gets `{step.email}`: the variants take 100 percent"
        yield Finding(document, (*path, "variants"), "no-control", message, "leave a share for it", "warning", key=True)


def _wait(step: WaitStep, path: Path, document: str, definitions: Definitions) -> Iterator[Finding]:
    wait = step.wait
    length = wait.timeout if isinstance(wait, WaitUntil) else wait
    if length is not None and length.seconds == 0:
        yield Finding(
            document,
            (*path, "wait"),
            "zero-duration",
            "this waits for no time at all",
            "write a duration like `3 days`, or delete the step",
        )
    if isinstance(wait, WaitUntil) and wait.until is not None:
        yield from lint_event_test(wait.until, document, (*path, "wait", "until"), definitions, in_sequence=True)
    if isinstance(wait, WaitUntil) and wait.window is not None:
        yield from lint_window(wait.window, document, (*path, "wait", "window"))


def _audience(step: AudienceStep, path: Path, document: str, definitions: Definitions) -> Iterator[Finding]:
    verb = "add" if step.audience.add is not None else "remove"
    name = step.audience.add or step.audience.remove or ""
    place = (*path, "audience", verb)
    yield from unknown(document, place, "audience", name, definitions.names.audiences, "audiences.yaml")
    audience = definitions.audiences.get(name)
    if audience is not None and not audience.by_steps:
        yield Finding(
            document,
            place,
            "audience-not-by-steps",
            f"`{name}` takes no leads from steps",
            "set `by_steps: true` in audiences.yaml",
        )


def _update(step: UpdateStep, path: Path, document: str, definitions: Definitions) -> Iterator[Finding]:
    fields = definitions.names.fields
    update = step.update
    place = (*path, "update")
    yield from unknown(document, (*place, "field"), "field", update.field, fields, "events.yaml, `fields`")
    if update.field in _NOT_UPDATABLE:
        yield Finding(
            document,
            (*place, "field"),
            "not-updatable",
            f"`{update.field}` says who the lead is",
            "update a field of your own",
        )
    elif (
        fields is not None
        and update.field in fields
        and update.to is not None
        and not fits(update.to, fields[update.field])
    ):
        yield Finding(
            document,
            (*place, "to"),
            "wrong-type",
            f"`{update.field}` {HOLDS[fields[update.field]]}, and `{update.to}` is something else",
            "mend the value",
        )
