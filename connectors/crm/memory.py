"""The in-memory twin of a CRM, which can be told to lose its reply after it created the task."""

from __future__ import annotations

from connectors.crm.base import CrmTask
from nurture.errors import RetryLater


class MemoryCrm:
    """Holds the latest revision of each task, and how often it was told."""

    name = "memory"

    def __init__(self) -> None:
        self.tasks: dict[str, CrmTask] = {}
        self.calls = 0
        self.forgotten: list[str] = []
        self.is_away = False
        self.lose_next_reply = False

    def upsert(self, task: CrmTask) -> str:
        """Keep the task; the reply may be lost after that."""
        self.calls += 1
        self.tasks[task.external_id] = task
        if self.lose_next_reply:
            self.lose_next_reply = False
            raise RetryLater("the CRM did not answer")
        return f"memory:{task.external_id}"

    def forget(self, external_id: str, reference: str | None) -> None:
        """Let go of the task; refused while the CRM is away."""
        if self.is_away:
            raise RetryLater("the CRM did not answer")
        self.tasks.pop(external_id, None)
        self.forgotten.append(external_id)
