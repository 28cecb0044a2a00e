"""Audiences: who should be a member of which advertising audience."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nurture.conditions import Condition, Part


class Audience(Part):
    """A desired state from criteria, from sequence steps (`by_steps`), or both.

    A `lookalike` audience is the seed from which a platform finds similar people, so customers stay in it.
    """

    title: str = ""
    kind: Literal["prospecting", "retargeting", "exclusion", "lookalike"] = "retargeting"
    when: Condition | None = None
    by_steps: bool = True
    platforms: list[str] = Field(default_factory=lambda: ["file"])
    topic: str = "ads"


class Audiences(Part):
    """All audiences by name."""

    audiences: dict[str, Audience] = Field(default_factory=dict)
