"""What a salesperson says of a task becomes a fact about its lead; the next follow-up acts on it like on any other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from db import intake, sales_tasks
from nurture.errors import BadInput
from nurture.records import EventRecord
from tasks.context import Context

ANSWERS: Mapping[str, str] = {
    "accepted": "sales.accepted",
    "rejected": "sales.rejected",
    "won": "deal.won",
    "lost": "deal.lost",
}


def _fact(task_id: int, lead: int, answer: str, reason: str | None, now: datetime, *, first: bool) -> EventRecord:
    return EventRecord(
        source="ripen:sales",
        source_event_id=f"task-{task_id}-{answer}" + ("" if first else f"-{lead}"),
        type=ANSWERS[answer],
        occurred_at=now,
        lead_id=lead,
        properties={"task_id": task_id, **({"reason": reason} if reason else {})},
    )


def record_answer(context: Context, task_id: int, answer: str, reason: str | None, now: datetime) -> None:
    """Store the answer as an event of the task's lead; raises BadInput when the task is not open."""
    compiled = context.compiled()
    reasons = compiled.bundle.lifecycle.recycle.reasons
    if answer == "rejected" and reasons and reason not in reasons:
        raise BadInput(f"`{reason}` is no reason that lifecycle.yaml knows; choose one of: {', '.join(reasons)}")
    with context.database.write() as connection:
        task = sales_tasks.open_task(connection, task_id)
        if task is None:
            raise BadInput(f"task {task_id} is not open; see `ripen tasks --status open`")
        if answer == "accepted" and task["status"] == "accepted":
            raise BadInput(f"task {task_id} has been accepted already")
        people = [int(task["lead_id"])]
        if task["kind"] == "step":
            sales_tasks.settle_step(connection, task_id, answer, now)
            if answer != "won":
                return
        elif answer != "accepted":
            # Colleagues who qualified with it go back, or buy, with it.
            people += [lead for lead in sales_tasks.people(connection, task_id) if lead not in people]
        intake.store(
            connection,
            [_fact(task_id, lead, answer, reason, now, first=lead == people[0]) for lead in people],
            source="ripen:sales",
            now=now,
            silent=False,
            catalogue=compiled.bundle.catalogue,
            secret=context.settings.secret_bytes(),
        )
