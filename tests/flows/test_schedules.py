"""The locked server really plans runs from a schedule; with some versions beside it, it plans none and says nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule

from flows.daily_sync import daily_sync


def test_the_server_plans_the_runs_of_a_schedule(prefect_server):
    schedule = DeploymentScheduleCreate(schedule=CronSchedule(cron="30 6 * * *", timezone="Europe/Copenhagen"))
    with get_client(sync_client=True) as client:
        flow = client.create_flow(daily_sync)
        deployment = client.create_deployment(flow, "planned", schedules=[schedule])
    asked = {"start_time": "2027-03-26T00:00:00Z", "end_time": "2027-03-30T00:00:00Z"}
    answer = httpx.post(f"{prefect_server}/deployments/{deployment}/schedule", json=asked, trust_env=False, timeout=60)
    assert answer.is_success, answer.text
    wanted = {"deployments": {"id": {"any_": [str(deployment)]}}}
    runs = httpx.post(f"{prefect_server}/flow_runs/filter", json=wanted, trust_env=False, timeout=60).json()
    planned = {datetime.fromisoformat(run["expected_start_time"]) for run in runs}
    # Clocks change in the night to the 28th.
    assert {datetime(2027, 3, day, hour, 30, tzinfo=UTC) for day, hour in ((26, 5), (27, 5), (28, 4))} <= planned
