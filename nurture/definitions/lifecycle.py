"""Lifecycle: which events and scores move a lead forward, and what happens when sales gives it back."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from nurture.conditions import STAGE_RANK, Condition, OperatorsOrValue, Part, Stage
from nurture.definitions.sequences import WEEKDAYS, Weekday
from nurture.durations import Duration, DurationText

EventNames = Annotated[list[str], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)]
StageNames = Annotated[list[Stage], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)]


class Conversion(Part):
    """An event that moves a lead forward from the stage it was in before the event."""

    id: str
    to: Stage
    from_: StageNames | None = Field(None, alias="from")
    on: EventNames = Field(min_length=1)
    where: dict[str, OperatorsOrValue] = Field(default_factory=dict)

    @property
    def from_stages(self) -> list[Stage]:
        """The stages that it moves from; without `from`, every lower one."""
        return self.from_ or [stage for stage, rank in STAGE_RANK.items() if rank < STAGE_RANK[self.to]]

    @model_validator(mode="after")
    def _forward(self) -> Conversion:
        if any(STAGE_RANK[stage] >= STAGE_RANK[self.to] for stage in self.from_stages):
            raise ValueError("a conversion goes forward: `from` must be below `to` (backward moves are `recycle`)")
        return self


class Thresholds(Part):
    """Points at which a lead becomes MQL or SQL, counted in one `score` and only while `only_if` holds.

    Falling below later changes nothing: only sales moves a lead backward.
    """

    mql: float | None = None
    sql: float | None = None
    score: Literal["interest", "fit", "total"] = "total"
    only_if: Condition | None = None


def _hours(value: Any) -> Any:
    """Opening and closing time, as two texts."""
    clock = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
    if not (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and all(isinstance(each, str) and clock.fullmatch(each) for each in value)
        and value[0] < value[1]
    ):
        raise ValueError('business hours are written like ["08:00", "17:00"]')
    return tuple(value)


Hours = Annotated[tuple[str, str], BeforeValidator(_hours)]


def _day(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError(f"a day is written like 2026-12-24, not {value!r}")
    try:
        date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"there is no day {value}") from None
    return value


Day = Annotated[str, BeforeValidator(_day)]


class SalesDesk(Part):
    """Who gets a sales task, how soon it must be taken, and what follows if it is not."""

    owners: list[str] = Field(default_factory=lambda: ["sales"])
    due: DurationText = Duration(minutes=240, text="4 hours")
    escalate_to: str = "sales-lead"
    business_days: list[Weekday] = Field(default_factory=lambda: list(WEEKDAYS[:5]))
    business_hours: Hours = ("08:00", "17:00")
    holidays: str | None = None
    closed: list[Day] = Field(default_factory=list)
    next_steps: dict[str, str] = Field(default_factory=dict)


class RecycleReason(Part):
    """Where a rejected lead goes, by the reason that sales gave."""

    sequence: str | None = None
    cool_down: DurationText | None = None


class Recycle(Part):
    """What a rejection by sales does."""

    on: EventNames = Field(default_factory=lambda: ["sales.rejected"])
    to: Stage = "mql"
    cool_down: DurationText = Duration(days=30, text="30 days")
    reasons: dict[str, RecycleReason] = Field(default_factory=dict)


class Profile(Part):
    """How a kind of business runs its lifecycle."""

    thresholds: Thresholds = Field(default_factory=Thresholds)
    task_per: Literal["lead", "account"] = "lead"
    account_scores: bool = False
    # How long a reply pauses the other enrollments of the account; a person may let them go on before.
    colleague_reply_pauses: DurationText | Literal["never"] | None = None

    @property
    def colleague_pause(self) -> Duration | None:
        """How long colleagues pause after a reply; where tasks are per account 14 days, else never, unless said."""
        if self.colleague_reply_pauses is None:
            return Duration(days=14, text="14 days") if self.task_per == "account" else None
        return self.colleague_reply_pauses if isinstance(self.colleague_reply_pauses, Duration) else None


class FrequencyCap(Part):
    """So many marketing messages at most in any period of that length, counted over all sequences together."""

    most: int = Field(ge=1)
    per: DurationText
    # Only messages about these count, and only they are held; without any, all.
    topics: list[str] = Field(default_factory=list)


class Contact(Part):
    """How often one lead may hear from us."""

    caps: list[FrequencyCap] = Field(default_factory=list)


class Rate(Part):
    """Shares in percent of the messages that were sent: from `warn` on a run says so, from `hold` on sending rests."""

    warn: float | None = Field(None, gt=0, le=100)
    hold: float | None = Field(None, gt=0, le=100)

    @model_validator(mode="after")
    def _warned_before(self) -> Rate:
        if self.warn is not None and self.hold is not None and self.warn >= self.hold:
            raise ValueError("`warn` must be below `hold`")
        return self


class Deliverability(Part):
    """When complaints and hard bounces put a sequence on hold, counted over a rolling `window`.

    Fewer than `at_least` messages say nothing about a share. The shipped limits of complaints are those of the large
    mailbox providers.
    """

    window: DurationText = Duration(days=30, text="30 days")
    at_least: int = Field(200, ge=1)
    complaints: Rate = Rate(warn=0.1, hold=0.3)
    hard_bounces: Rate = Rate(hold=5)


class Lifecycle(Part):
    """Conversions, thresholds per profile, the sales desk, recycling, contact caps, and what protects the sender."""

    conversions: list[Conversion]
    profiles: dict[str, Profile]
    sales: SalesDesk = Field(default_factory=SalesDesk)
    recycle: Recycle = Field(default_factory=Recycle)
    contact: Contact = Field(default_factory=Contact)
    deliverability: Deliverability = Deliverability()
