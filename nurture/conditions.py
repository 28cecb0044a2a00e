"""The one typed condition language; scoring, stages, entry, exit, branches and audiences all use it.

A condition is a mapping with exactly one of the keys `all`, `any`, `not`, `stage`, `score`, `field`, `did`, `audience`,
`consent`, `account_score` or `always`. It is data: `db.conditions` compiles it to SQL through a registry of fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from nurture.durations import DurationText

Stage = Literal["lead", "mql", "sql", "customer"]
STAGES: tuple[Stage, ...] = ("lead", "mql", "sql", "customer")
STAGE_RANK = {name: rank for rank, name in enumerate(STAGES)}

Scalar = str | int | float | bool


def _as_list(value: Any) -> Any:
    return value if isinstance(value, (list, tuple, dict)) or value is None else [value]


class Part(BaseModel):
    """Any piece of a definition: unknown keys and values of the wrong kind are refused, and nothing ever changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known_options(cls, data: Any) -> Any:
        """Said before anything else, so that a misspelled option is one error and not also a missing one."""
        if isinstance(data, dict):
            written = [field.alias or name for name, field in cls.model_fields.items()]
            unknown = [key for key in data if key not in written and key not in cls.model_fields]
            if unknown:
                raise PydanticCustomError("unknown_option", "unknown option", {"unknown": unknown, "known": written})
        return data


class Operators(Part):
    """How one value is compared; exactly one operator. `older_than` and `newer_than` are for `created_at` alone."""

    is_: Scalar | None = Field(None, alias="is")
    is_not: Scalar | None = None
    in_: list[Scalar] | None = Field(None, alias="in")
    not_in: list[Scalar] | None = None
    contains: str | None = None
    starts_with: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    more_than: float | None = None
    less_than: float | None = None
    is_set: bool | None = None
    older_than: DurationText | None = None
    newer_than: DurationText | None = None

    def chosen(self) -> tuple[str, Any]:
        """The one operator and its operand."""
        given = [(name, getattr(self, name)) for name in Operators.model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of: " + ", ".join(name.rstrip("_") for name in Operators.model_fields))
        return given[0]

    @model_validator(mode="after")
    def _one_operator(self) -> Operators:
        self.chosen()
        return self


def _operators(value: Any) -> Any:
    """A bare value means `is`, a list means `in`."""
    if isinstance(value, (Operators, dict)):
        return value
    return {"in": value} if isinstance(value, list) else {"is": value}


OperatorsOrValue = Annotated[Operators, BeforeValidator(_operators)]


class AllOf(Part):
    """True when every part is true."""

    all: list[Condition] = Field(min_length=1)


class AnyOf(Part):
    """True when at least one part is true."""

    any: list[Condition] = Field(min_length=1)


class Not(Part):
    """True when the part is false."""

    not_: Condition = Field(alias="not")


class StageTest(Part):
    """Operands of `stage`: the present stage, or one ever reached."""

    in_: list[Stage] | None = Field(None, alias="in")
    at_least: Stage | None = None
    below: Stage | None = None
    reached: Stage | None = None

    @model_validator(mode="after")
    def _one(self) -> StageTest:
        if sum(v is not None for v in (self.in_, self.at_least, self.below, self.reached)) != 1:
            raise ValueError("give exactly one of: in, at_least, below, reached")
        return self


class StageIs(Part):
    """The lead's stage: a name, a list of names, or `at_least`, `below`, `reached` (ever, also before a recycling)."""

    stage: Annotated[
        StageTest, BeforeValidator(lambda v: v if isinstance(v, (dict, StageTest)) else {"in": _as_list(v)})
    ]


class ScoreTest(Part):
    """Operands of `score`, in points."""

    dimension: Literal["interest", "fit", "total"] = "total"
    at_least: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _bounds(self) -> ScoreTest:
        if self.at_least is None and self.below is None:
            raise ValueError("give `at_least` or `below` or both")
        return self


class ScoreIs(Part):
    """The lead's score in one dimension, as last computed."""

    score: ScoreTest


class AccountScoreIs(Part):
    """The sum of the scores of the lead's account."""

    account_score: ScoreTest


class FieldIs(Operators):
    """A profile field of the lead, declared in the catalogue, compared with one operator."""

    field: str


class EventTest(Part):
    """Operands of `did`: which event, how often, since when, with which properties."""

    event: list[str] = Field(min_length=1)
    at_least: int = Field(1, ge=1)
    within: DurationText | None = None
    since_entry: bool = False
    where: dict[str, OperatorsOrValue] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _event_list(cls, data: Any) -> Any:
        if isinstance(data, dict) and "event" in data:
            return {**data, "event": _as_list(data["event"])}
        return data


class Did(Part):
    """The lead has such events (machine activity does not count)."""

    did: Annotated[
        EventTest, BeforeValidator(lambda v: v if isinstance(v, (dict, EventTest)) else {"event": _as_list(v)})
    ]


class InAudience(Part):
    """The lead is a member of the audience."""

    audience: str


class ConsentTest(Part):
    """Operands of `consent`."""

    topic: str
    is_: Literal["granted", "pending", "withdrawn", "unknown"] = Field("granted", alias="is")


class HasConsent(Part):
    """The lead's latest consent for a topic."""

    consent: Annotated[
        ConsentTest, BeforeValidator(lambda v: v if isinstance(v, (dict, ConsentTest)) else {"topic": v})
    ]


class Always(Part):
    """Always true."""

    always: Literal[True]


KEYS = ("all", "any", "not", "stage", "score", "account_score", "field", "did", "audience", "consent", "always")


def _key_of(value: Any) -> str | None:
    if isinstance(value, dict):
        found = [key for key in KEYS if key in value]
        return found[0] if len(found) == 1 else None
    return (
        next(
            (
                key
                for key in KEYS
                if key in value.model_fields_set or (key == "not" and "not_" in value.model_fields_set)
            ),
            None,
        )
        if isinstance(value, Part)
        else None
    )


Condition = Annotated[
    Annotated[AllOf, Tag("all")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[Not, Tag("not")]
    | Annotated[StageIs, Tag("stage")]
    | Annotated[ScoreIs, Tag("score")]
    | Annotated[AccountScoreIs, Tag("account_score")]
    | Annotated[FieldIs, Tag("field")]
    | Annotated[Did, Tag("did")]
    | Annotated[InAudience, Tag("audience")]
    | Annotated[HasConsent, Tag("consent")]
    | Annotated[Always, Tag("always")],
    Discriminator(
        _key_of,
        custom_error_type="condition",
        custom_error_message="a condition has exactly one of: " + ", ".join(KEYS),
    ),
]

for _model in (AllOf, AnyOf, Not):
    _model.model_rebuild()


def walk(condition: Condition) -> Iterator[Condition]:
    """The condition and every condition inside it."""
    yield condition
    if isinstance(condition, AllOf):
        for part in condition.all:
            yield from walk(part)
    elif isinstance(condition, AnyOf):
        for part in condition.any:
            yield from walk(part)
    elif isinstance(condition, Not):
        yield from walk(condition.not_)


def depends_on_time(condition: Condition) -> bool:
    """Whether the condition can change without any new event, because a period ends."""
    return any(
        (isinstance(part, Did) and part.did.within is not None)
        or (isinstance(part, FieldIs) and part.chosen()[0] in ("older_than", "newer_than"))
        for part in walk(condition)
    )


def time_can_make_true(condition: Condition, *, negated: bool = False) -> bool:
    """Whether the condition can become true by the passing of time alone, such as "nothing for 90 days"."""
    match condition:
        case AllOf():
            return any(time_can_make_true(part, negated=negated) for part in condition.all)
        case AnyOf():
            return any(time_can_make_true(part, negated=negated) for part in condition.any)
        case Not():
            return time_can_make_true(condition.not_, negated=not negated)
        case Did():
            return negated and condition.did.within is not None
        case FieldIs():
            return (condition.newer_than if negated else condition.older_than) is not None
    return False
