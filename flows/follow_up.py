"""When: every ten minutes. What is new or due since the last run.

So a demo that is asked for at ten is with sales by a quarter past.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import AwareDatetime

from tasks.prefect_steps import run_in_prefect, run_name, table_of_contents


@flow(name="follow-up", flow_run_name=run_name, description=table_of_contents("follow-up"), persist_result=False)
def follow_up(now: AwareDatetime | None = None) -> State[dict[str, Any]]:
    """Run the follow-up's steps as of `now`, else as of this moment."""
    return run_in_prefect("follow-up", now or datetime.now(UTC))
