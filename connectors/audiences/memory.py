"""The in-memory twin of a platform, which can be told to misbehave."""

from __future__ import annotations

from connectors.audiences.base import Upload
from nurture.errors import OutsideFailed, RetryLater


class MemoryPlatform:
    """Holds members per audience, and every upload it was given."""

    name = "file"

    def __init__(self, *, batch_size: int = 1000, fail_next: int = 0) -> None:
        self.batch_size = batch_size
        self.members: dict[str, set[str]] = {}
        self.uploads: list[Upload] = []
        self.fail_next = fail_next
        self.refuse = False

    def upload(self, batch: Upload) -> None:
        """Take the change, or fail as told."""
        if self.refuse:
            raise OutsideFailed("the platform refused the upload")
        if self.fail_next:
            self.fail_next -= 1
            raise RetryLater("the platform is not ready")
        self.uploads.append(batch)
        members = self.members.setdefault(batch.audience, set())
        if batch.change == "add":
            members.update(batch.members)
        else:
            members.difference_update(batch.members)
