"""What every advertising platform connector does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Upload:
    """One batch of changes: hashed members, never addresses; `key` is the same when the upload is repeated."""

    key: str
    audience: str
    change: Literal["add", "remove"]
    members: Sequence[str]


class AudiencePlatform(Protocol):
    """A platform; uploading the same batch twice leaves what uploading it once leaves."""

    @property
    def name(self) -> str:
        """The word by which audiences.yaml names it."""

    @property
    def batch_size(self) -> int:
        """The most members in one upload."""

    def upload(self, batch: Upload) -> None:
        """Tell the platform; raises RetryLater when it is not ready and OutsideFailed when it refuses."""
