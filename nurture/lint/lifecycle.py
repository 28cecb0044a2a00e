"""The lifecycle: conversions that can happen, thresholds in order, and a way back that goes back."""

from __future__ import annotations

from collections.abc import Iterator

from nurture.conditions import STAGE_RANK
from nurture.definitions.lifecycle import Conversion, Lifecycle
from nurture.lint.conditions import lint_condition, lint_where, truth
from nurture.lint.contact_caps import lint_contact_caps
from nurture.lint.findings import Definitions, Finding, unknown, unknown_event
from nurture.strict_yaml import Path

DOCUMENT = "lifecycle"


def lint_lifecycle(definitions: Definitions) -> Iterator[Finding]:
    """Conversions, profiles, the sales desk and recycling."""
    lifecycle = definitions.lifecycle
    if lifecycle is None:
        return
    yield from _conversions(lifecycle, definitions)
    for name in lifecycle.profiles:
        yield from _thresholds(lifecycle, name, definitions)
    yield from _sales(lifecycle, definitions)
    yield from _recycle(lifecycle, definitions)
    yield from lint_contact_caps(lifecycle.contact.caps, DOCUMENT, ("contact", "caps"), definitions)


def _conversions(lifecycle: Lifecycle, definitions: Definitions) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, conversion in enumerate(lifecycle.conversions):
        path: Path = ("conversions", index)
        if conversion.id in seen:
            yield Finding(
                DOCUMENT,
                (*path, "id"),
                "duplicate-id",
                f"two conversions have the id `{conversion.id}`",
                "give each an `id` of its own",
            )
        seen.add(conversion.id)
        for number, event in enumerate(conversion.on):
            yield from unknown_event(DOCUMENT, (*path, "on", number), event, definitions.names)
            hidden_by = _hidden_by(event, conversion, index, lifecycle)
            if hidden_by is not None:
                yield Finding(
                    DOCUMENT,
                    (*path, "on", number),
                    "conversion-never-fires",
                    f"`{event}` never moves a lead here: the conversion `{hidden_by}` takes it first",
                    "narrow one of them with `from` or `where`, or delete this one",
                )
        yield from lint_where(conversion.where, DOCUMENT, (*path, "where"))
        if not conversion.from_stages:
            yield Finding(
                DOCUMENT,
                (*path, "to"),
                "conversion-never-fires",
                f"no stage is below `{conversion.to}`, so this conversion never fires",
                "choose a higher stage",
            )


def _hidden_by(event: str, conversion: Conversion, index: int, lifecycle: Lifecycle) -> str | None:
    """The conversion that moves the same leads at the same event at least as far; of two equal ones, the earlier."""
    for number, other in enumerate(lifecycle.conversions):
        further = STAGE_RANK[other.to] - STAGE_RANK[conversion.to]
        if (
            number != index
            and event in other.on
            and not other.where
            and (further > 0 or (further == 0 and number < index))
            and set(conversion.from_stages) <= set(other.from_stages)
        ):
            return other.id
    return None


def _thresholds(lifecycle: Lifecycle, name: str, definitions: Definitions) -> Iterator[Finding]:
    thresholds = lifecycle.profiles[name].thresholds
    path: Path = ("profiles", name, "thresholds")
    if thresholds.mql is not None and thresholds.sql is not None and thresholds.mql >= thresholds.sql:
        yield Finding(
            DOCUMENT,
            (*path, "sql"),
            "threshold-order",
            f"in `{name}` an SQL needs {thresholds.sql:g} points and an MQL {thresholds.mql:g}, so nobody "
            "is an MQL by points",
            "set `sql` above `mql`",
        )
    for stage in ("mql", "sql"):
        points = getattr(thresholds, stage)
        if points is not None and points <= 0:
            yield Finding(
                DOCUMENT,
                (*path, stage),
                "threshold-too-low",
                f"in `{name}` a lead without any points is past the threshold for `{stage}`",
                "set it above 0",
            )
    if thresholds.only_if is not None:
        yield from lint_condition(thresholds.only_if, DOCUMENT, (*path, "only_if"), definitions)
        if truth(thresholds.only_if) is False:
            yield Finding(
                DOCUMENT,
                (*path, "only_if"),
                "never-true",
                "this is never true, so no threshold is ever used",
                "delete it",
                key=True,
            )


def _sales(lifecycle: Lifecycle, definitions: Definitions) -> Iterator[Finding]:
    sales = lifecycle.sales
    for name in sales.next_steps:
        yield from unknown_event(DOCUMENT, ("sales", "next_steps", name), name, definitions.names, key=True)
    for option in ("owners", "business_days"):
        if not getattr(sales, option):
            yield Finding(
                DOCUMENT,
                ("sales", option),
                "empty-value",
                f"`{option}` is empty, so no task can be due",
                "name at least one",
            )
    if sales.due.seconds == 0:
        yield Finding(
            DOCUMENT,
            ("sales", "due"),
            "zero-duration",
            "every task would be late when it is opened",
            "write a duration like `4 hours`",
        )


def _recycle(lifecycle: Lifecycle, definitions: Definitions) -> Iterator[Finding]:
    recycle = lifecycle.recycle
    for index, event in enumerate(recycle.on):
        yield from unknown_event(DOCUMENT, ("recycle", "on", index), event, definitions.names)
    if STAGE_RANK[recycle.to] >= STAGE_RANK["sql"]:
        yield Finding(
            DOCUMENT,
            ("recycle", "to"),
            "recycle-forward",
            "a recycled lead goes back to `lead` or `mql`",
            "write one of these",
        )
    for name, reason in recycle.reasons.items():
        if reason.sequence is not None:
            yield from unknown(
                DOCUMENT,
                ("recycle", "reasons", name, "sequence"),
                "sequence",
                reason.sequence,
                definitions.names.sequences,
                "sequences/",
            )
