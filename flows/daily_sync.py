"""When: once a day, before work begins. Everything that the business needs, also what needs the whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import AwareDatetime

from tasks.prefect_steps import run_in_prefect, run_name, table_of_contents


@flow(name="daily-sync", flow_run_name=run_name, description=table_of_contents("daily-sync"), persist_result=False)
def daily_sync(now: AwareDatetime | None = None) -> State[dict[str, Any]]:
    """Run the day's steps as of `now`, else as of this moment."""
    return run_in_prefect("daily-sync", now or datetime.now(UTC))
