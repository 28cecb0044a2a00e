"""The catalogue: every event type, derived type, profile field and consent topic that a definition may name."""

from __future__ import annotations

import hashlib
from typing import Literal, get_args

from pydantic import Field, model_validator

from nurture.conditions import OperatorsOrValue, Part
from nurture.definitions.machines import Machines
from nurture.durations import Duration, DurationText

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
BASES: tuple[Basis, ...] = get_args(Basis)


class Topic(Part):
    """What a person can consent to or withdraw from.

    `bases` are the lawful bases that allow it; `wording` is the text that people agree to on our own pages. A topic of
    the channel `tracking` covers measuring: who withdraws it gets links that go straight to their goal.
    """

    label: str
    channel: Literal["email", "ads", "phone", "tracking"] = "email"
    bases: list[Basis] = Field(default_factory=lambda: list(BASES), min_length=1)
    wording: str = ""
    double_opt_in: bool = False
    track_clicks: bool = True
    track_opens: bool = False

    @property
    def wording_version(self) -> str | None:
        """The wording under its version, the first 12 hex digits of its SHA-256; None when the topic has none."""
        text = self.wording.strip()
        return f"{hashlib.sha256(text.encode()).hexdigest()[:12]}: {text}" if text else None


class SoftBounces(Part):
    """So many soft bounces within a period, with no delivery in between, and the address gets no e-mail any more."""

    most: int = Field(5, ge=1)
    within: DurationText = Duration(days=14, text="14 days")


class Bounces(Part):
    """What bounces do; a hard one stops the address at once, whatever stands here."""

    soft: SoftBounces | Literal[False] = SoftBounces()


class Catalogue(Part):
    """Everything that definitions may name."""

    events: dict[str, EventType]
    derived: dict[str, DerivedType] = Field(default_factory=dict)
    fields: dict[str, ProfileField] = Field(default_factory=dict)
    topics: dict[str, Topic]
    machines: Machines = Machines()
    bounces: Bounces = Bounces()

    @property
    def barred(self) -> frozenset[tuple[str, str]]:
        """The pairs of topic and basis that allow nothing; the basis `none` never does, and is not among them."""
        return frozenset(
            (name, basis) for name, topic in self.topics.items() for basis in BASES if basis not in topic.bases
        )


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
