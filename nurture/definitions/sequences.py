"""Sequences: who enters, the steps, the goal and the exits."""

from __future__ import annotations

import re
from collections.abc import Container
from datetime import date, time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from nurture.conditions import Condition, Did, EventTest, Operators, Part, Scalar
from nurture.durations import Duration, DurationText

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")


def _is_name(value: str) -> str:
    if not _NAME.match(value):
        raise ValueError("a name has lower-case letters, digits, `-` and `_` only")
    return value


Name = Annotated[str, AfterValidator(_is_name)]


def _clock(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        return time.fromisoformat(value)
    if isinstance(value, time):
        return value
    raise ValueError(f'a time of day is written like "08:30", not {value!r}')


Clock = Annotated[time, BeforeValidator(_clock)]


def _is_day(value: str) -> str:
    try:
        if date.fromisoformat(value).isoformat() == value:
            return value
    except ValueError:
        pass
    raise ValueError(f"a day is written like 2026-12-24, not `{value}`")


Day = Annotated[str, AfterValidator(_is_day)]


class Window(Part):
    """Local times at which something may happen, in the lead's time zone.

    `holidays` closes it on public holidays: True means those of where the lead lives, a code like `DK` or `DE-BY` those
    of one place. `closed` are further days, local as all of it.
    """

    days: list[Weekday] = Field(default_factory=lambda: list(WEEKDAYS[:5]), min_length=1)
    from_: Clock = Field(time(8), alias="from")
    to: Clock = time(17)
    holidays: bool | str = False
    closed: list[Day] = Field(default_factory=list)

    @model_validator(mode="after")
    def _ordered(self) -> Window:
        if self.from_ >= self.to:
            raise ValueError("`from` must be before `to`; a window over midnight is written as two sequences of days")
        return self


class StepBase(Part):
    """What every step has: an explicit id that never changes."""

    id: Name


# What the variant of those is called who get the step's own e-mail.
CONTROL = "control"


class Variant(Part):
    """Another e-mail for a share of the leads, in percent; who gets it is fixed by a hash of sequence and lead."""

    name: Name
    email: str
    share: float = Field(gt=0, le=100)


class EmailStep(StepBase):
    """Send an e-mail, when consent, suppression, stage and window allow."""

    email: str
    variants: list[Variant] = Field(default_factory=list)
    # Steps of one test give a lead the same variant; without a name the whole sequence is one test.
    test: Name | None = None
    max_lateness: DurationText = Duration(days=7, text="7 days")
    priority: int | None = None
    on_unknown: Literal["hold", "assume_sent"] = "hold"

    @property
    def emails(self) -> list[str]:
        """Every e-mail that the step may send."""
        return [self.email, *(variant.email for variant in self.variants)]

    @model_validator(mode="after")
    def _shares(self) -> EmailStep:
        if sum(variant.share for variant in self.variants) > 100:
            raise ValueError("the shares of the variants add up to more than 100 percent")
        return self


class WaitUntil(Part):
    """Operands of a wait that is more than a duration."""

    until: EventTest | None = None
    timeout: DurationText | None = None
    window: Window | None = None

    @model_validator(mode="after")
    def _one(self) -> WaitUntil:
        if (self.until is None) == (self.window is None):
            raise ValueError("a wait has a duration, or `until` with `timeout`, or `window`")
        if self.until is not None and self.timeout is None:
            raise PydanticCustomError(
                "no_timeout", "a wait for an event needs a `timeout`, so that nobody waits for ever"
            )
        return self


class WaitStep(StepBase):
    """Wait for a duration, for an event with a timeout, or for a local time window."""

    wait: Annotated[
        Annotated[DurationText, Tag("duration")] | Annotated[WaitUntil, Tag("until")],
        Discriminator(lambda value: "until" if isinstance(value, (dict, WaitUntil)) else "duration"),
    ]

    @model_validator(mode="before")
    @classmethod
    def _event_list(cls, data: Any) -> Any:
        wait = data.get("wait") if isinstance(data, dict) else None
        if isinstance(wait, dict) and isinstance(wait.get("until"), (str, list)):
            return {**data, "wait": {**wait, "until": {"event": wait["until"]}}}
        return data


class BranchArm(Part):
    """One way of a branch; the last may be `else`."""

    if_: Condition | None = Field(None, alias="if")
    else_: Literal[True] | None = Field(None, alias="else")
    name: Name | None = None
    steps: list[Step] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one(self) -> BranchArm:
        if (self.if_ is None) == (self.else_ is None):
            raise ValueError("an arm has `if: <condition>` or `else: true`")
        return self


class BranchStep(StepBase):
    """Go the first way whose condition holds; without an `else` the others simply go on."""

    branch: list[BranchArm] = Field(min_length=1)


class AudienceChange(Part):
    """Operands of an audience step."""

    add: str | None = None
    remove: str | None = None

    @model_validator(mode="after")
    def _one(self) -> AudienceChange:
        if (self.add is None) == (self.remove is None):
            raise ValueError("give exactly one of: add, remove")
        return self


class AudienceStep(StepBase):
    """Add the lead to an audience or remove it."""

    audience: AudienceChange


class TaskPlan(Part):
    """Operands of a task step."""

    title: str
    kind: Literal["call", "look", "write", "other"] = "call"
    due: DurationText = Duration(days=2, text="2 days")
    note: str = ""


class TaskStep(StepBase):
    """Ask a person to do something about the lead, without making it an SQL."""

    task: TaskPlan


class FieldUpdate(Part):
    """Operands of an update step."""

    field: str
    to: Scalar | None


class UpdateStep(StepBase):
    """Set a profile field of the lead."""

    update: FieldUpdate


class ExitStep(StepBase):
    """Leave the sequence with a reason."""

    exit: str


STEP_KINDS = ("email", "wait", "branch", "audience", "task", "update", "exit")


def _kind_of(value: Any) -> str | None:
    keys = set(value) if isinstance(value, dict) else set(getattr(type(value), "model_fields", ()))
    found = [kind for kind in STEP_KINDS if kind in keys]
    return found[0] if len(found) == 1 else None


Step = Annotated[
    Annotated[EmailStep, Tag("email")]
    | Annotated[WaitStep, Tag("wait")]
    | Annotated[BranchStep, Tag("branch")]
    | Annotated[AudienceStep, Tag("audience")]
    | Annotated[TaskStep, Tag("task")]
    | Annotated[UpdateStep, Tag("update")]
    | Annotated[ExitStep, Tag("exit")],
    Discriminator(
        _kind_of,
        custom_error_type="step",
        custom_error_message="a step has an `id` and exactly one of: " + ", ".join(STEP_KINDS),
    ),
]
BranchArm.model_rebuild()


def kind_of(step: Step) -> str:
    """The kind of a step, as it is written in the file."""
    return str(_kind_of(step))


def _reentry(value: Any) -> Any:
    if isinstance(value, str) and value != "never":
        raise ValueError("re-entry is `never`, or `{after: <duration>}`")
    return {"after": None} if value == "never" else value


class Reentry(Part):
    """`never` (written as the word), or `after` a pause since the last enrollment ended."""

    after: DurationText | None = None


class Entry(Part):
    """Who enters: the edge of a condition becoming true."""

    when: Condition
    reentry: Annotated[Reentry, BeforeValidator(_reentry)] = Field(default_factory=Reentry)


class Exit(Part):
    """A named condition that ends the sequence for a lead."""

    reason: Name
    when: Condition


# What ends every sequence without being asked for: going on would be rude, or would harm the sender's name.
STANDARD_EXITS: dict[str, Condition] = {
    "replied": Did(did=EventTest(event=["email.replied"])),
    "meeting-booked": Did(did=EventTest(event=["meeting.booked", "demo.booked"])),
    "hard-bounce": Did(
        did=EventTest(event=["email.bounced"], where={"kind": Operators.model_validate({"is": "hard"})})
    ),
    "complained": Did(did=EventTest(event=["email.complained"])),
}
# The reason under which a lead that has bought since it entered leaves.
BECAME_CUSTOMER = "became-customer"
StandardExit = Literal["replied", "meeting-booked", "hard-bounce", "complained", "became-customer"]


class Sequence(Part):
    """A nurture sequence."""

    sequence: Name
    title: str
    topic: str
    profiles: list[str] = Field(default_factory=list)
    priority: int = Field(50, ge=0, le=100)
    time_zone: str | None = None
    window: Window | None = None
    entry: Entry
    goal: Condition | None = None
    exits: list[Exit] = Field(default_factory=list)
    # Which of the standard exits do not end it.
    stay_after: list[StandardExit] = Field(default_factory=list)
    # What happens while sales has an open task about the lead: it leaves, or its clock stops until the task is closed.
    in_sales_hands: Literal["leave", "pause"] = "leave"
    # The share of those who enter, in percent, that gets nothing, to compare with.
    holdout: float | None = Field(None, gt=0, lt=100)
    steps: list[Step] = Field(min_length=1)

    def all_exits(self, known_events: Container[str]) -> list[Exit]:
        """The author's exits in their order, then the standard ones that are not opted out of and can happen."""
        named = {each.reason for each in self.exits} | set(self.stay_after)
        standard = [
            Exit(reason=reason, when=when)
            for reason, when in STANDARD_EXITS.items()
            if reason not in named and isinstance(when, Did) and any(event in known_events for event in when.did.event)
        ]
        return [*self.exits, *standard]
