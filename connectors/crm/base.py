"""What every CRM connector does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class CrmTask:
    """One sales task as sales should see it; `external_id` is ours and finds it again."""

    external_id: str
    revision: int
    facts: Mapping[str, Any]
    brief: str


class Crm(Protocol):
    """A CRM; telling the same revision twice leaves one task."""

    @property
    def name(self) -> str:
        """The word by which settings name it."""

    def upsert(self, task: CrmTask) -> str:
        """Create or update the task and return the CRM's reference; raises RetryLater or OutsideFailed."""

    def forget(self, external_id: str, reference: str | None) -> None:
        """Delete the task and all that was told of its person, for the person has been erased.

        `reference` is what `upsert` returned, None when its reply was lost. One that is not there is forgotten already.
        Raises RetryLater or OutsideFailed.
        """
