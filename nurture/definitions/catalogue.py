"""The catalogue: every event type, derived type, profile field and consent topic that a definition may name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from nurture.conditions import OperatorsOrValue, Part
from nurture.definitions.machines import Machines
from nurture.durations import DurationText

Channel = Literal[
    "email", "website", "webinar", "event", "content", "social", "phone", "chat", "ads", "sales", "store", "other"
]


class EventType(Part):
    """One kind of fact about a lead."""

    label: str
    channel: Channel
    direction: Literal["inbound", "outbound", "push"]
    counts_as_activity: bool = True


class DerivedType(Part):
    """A type that Ripen derives from a raw one: by its properties, or by how many happen in one visit."""

    from_: str = Field(alias="from")
    where: dict[str, OperatorsOrValue] = Field(default_factory=dict)
    # Each of them is a column of the statement.
    at_least: int = Field(1, ge=1, le=100)
    visit_gap: DurationText | None = None

    @model_validator(mode="after")
    def _says_something(self) -> DerivedType:
        if not self.where and self.at_least == 1:
            raise ValueError("give `where`, or `at_least` with `visit_gap`")
        if self.at_least > 1 and self.visit_gap is None:
            raise ValueError("`at_least` needs `visit_gap`, the pause that ends a visit")
        return self


class ProfileField(Part):
    """A profile field of a lead, by its type; fields outside the built-in ones are kept as attributes."""

    type: Literal["text", "number", "boolean", "date"] = "text"
    label: str = ""


Basis = Literal["consent", "soft_opt_in", "legitimate_interest"]
_BASES: tuple[Basis, ...] = ("consent", "soft_opt_in", "legitimate_interest")


class Topic(Part):
    """What a person can consent to or withdraw from.

    `bases` are the lawful bases that allow it; `wording` is the text that people agree to on our own pages. A topic of
    the channel `tracking` covers measuring: who withdraws it gets links that go straight to their goal.
    """

    label: str
    channel: Literal["email", "ads", "phone", "tracking"] = "email"
    bases: list[Basis] = Field(default_factory=lambda: list(_BASES), min_length=1)
    wording: str = ""
    double_opt_in: bool = False
    track_clicks: bool = True
    track_opens: bool = False


class Catalogue(Part):
    """Everything that definitions may name."""

    events: dict[str, EventType]
    derived: dict[str, DerivedType] = Field(default_factory=dict)
    fields: dict[str, ProfileField] = Field(default_factory=dict)
    topics: dict[str, Topic]
    machines: Machines = Machines()


BUILT_IN_FIELDS: dict[str, ProfileField] = {
    **{
        name: ProfileField()
        for name in (
            "email",
            "phone",
            "first_name",
            "last_name",
            "name",
            "company",
            "job_title",
            "country",
            "city",
            "language",
            "time_zone",
            "source",
            "source_detail",
        )
    },
    "created_at": ProfileField(type="date"),
}
