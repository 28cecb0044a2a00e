"""When: by hand. One step of the day alone; each has a deployment of its own in `prefect.yaml`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import AwareDatetime

from tasks.prefect_steps import run_in_prefect, run_name

Part = Literal[
    "pull-events",
    "rescore",
    "restage",
    "enroll",
    "advance",
    "deliver",
    "sync-audiences",
    "escalate",
    "retention",
    "audit",
    "report",
]


@flow(name="one-part", flow_run_name=run_name, persist_result=False)
def one_part(part: Part, now: AwareDatetime | None = None) -> State[dict[str, Any]]:
    """Run one step of the day as of `now`, else as of this moment; running any of them again is harmless."""
    return run_in_prefect(part, now or datetime.now(UTC))
