"""Scoring: points for behaviour (interest) and for profile (fit), with decay, caps and a floor."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from nurture.conditions import Condition, OperatorsOrValue, Part
from nurture.durations import DurationText

Dimension = Literal["interest", "fit"]
Period = Literal["ever", "day", "week", "month"]


class Decay(Part):
    """How points fade with age: halved every `half_life`, or down to nothing over `linear`."""

    half_life: DurationText | None = None
    linear: DurationText | None = None

    @model_validator(mode="after")
    def _one(self) -> Decay:
        if (self.half_life is None) == (self.linear is None):
            raise ValueError("give exactly one of: half_life, linear")
        return self


class Cap(Part):
    """The most points that count, ever or per calendar period (UTC)."""

    points: float = Field(gt=0)
    per: Period = "ever"


CapOrPoints = Annotated[Cap, BeforeValidator(lambda v: {"points": v} if isinstance(v, (int, float)) else v)]


class EventRule(Part):
    """Points for each event of a type; machine activity is worth nothing."""

    id: str
    event: str
    points: float
    where: dict[str, OperatorsOrValue] = Field(default_factory=dict)
    dimension: Dimension = "interest"
    group: str | None = None
    decay: Decay | None = None
    cap: CapOrPoints | None = None
    behaviour: str = ""
    factor: str = ""


class ProfileRule(Part):
    """Points while a condition about the lead holds; it may not ask for scores. They have no date and never fade."""

    id: str
    when: Condition
    points: float
    dimension: Dimension = "fit"
    group: str | None = None
    label: str = ""


class Group(Part):
    """Rules that share a cap or a decay; a cap is about one dimension, and `per: ever` where fit rules are in it."""

    cap: CapOrPoints | None = None
    decay: Decay | None = None


class Scoring(Part):
    """All scoring rules."""

    rules: list[EventRule] = Field(default_factory=list)
    fit: list[ProfileRule] = Field(default_factory=list)
    groups: dict[str, Group] = Field(default_factory=dict)
    floor: float | None = None

    def decay_of(self, rule: EventRule) -> Decay | None:
        """The rule's own decay, or its group's."""
        return rule.decay or (self.groups[rule.group].decay if rule.group in self.groups else None)

    @model_validator(mode="before")
    @classmethod
    def _default_ids(cls, data: Any) -> Any:
        """A rule without an id takes its event's name."""
        if isinstance(data, dict) and isinstance(data.get("rules"), list):
            rules = [
                {"id": str(rule["event"]), **rule} if isinstance(rule, dict) and "event" in rule else rule
                for rule in data["rules"]
            ]
            return {**data, "rules": rules}
        return data
