"""`prefect.yaml` and `automations.yaml`: every deployment loads, has its name to itself, and runs when it should."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from prefect import Flow
from prefect.events.schemas.automations import AutomationCore
from prefect.flows import load_flow_from_entrypoint
from prefect.server.schemas.schedules import CronSchedule
from prefect.utilities.templating import apply_values
from ruamel.yaml import YAML

from cli.running import Flow as FlowName
from flows.one_part import Part
from tasks.day import FLOWS, PARTS
from tasks.workspace import CHECKOUT

DEPLOYMENTS: list[dict[str, Any]] = YAML(typ="safe").load(CHECKOUT / "prefect.yaml")["deployments"]
BY_NAME = {each["name"]: each for each in DEPLOYMENTS}
EUROPE = "Europe/Copenhagen"


def flow_of(deployment: dict[str, Any]) -> Flow[..., Any]:
    return load_flow_from_entrypoint(deployment["entrypoint"], use_placeholder_flow=False)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_deployment_s_flow_loads_and_takes_its_parameters(name):
    deployment = BY_NAME[name]
    flow = flow_of(deployment)
    assert flow.validate_parameters(deployment.get("parameters", {})) is not None
    assert deployment["description"].endswith(".")
    assert "ripen" in deployment["tags"]
    assert deployment["work_pool"] == {"name": "ripen"}
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}


def test_names_and_schedule_slugs_are_unique():
    names = [each["name"] for each in DEPLOYMENTS]
    slugs = [schedule["slug"] for each in DEPLOYMENTS for schedule in each.get("schedules", [])]
    assert len(names) == len(set(names))
    assert len(slugs) == len(set(slugs))


def test_every_flow_of_the_day_has_a_deployment_and_can_be_run_by_hand():
    assert set(BY_NAME) == set(FLOWS) == set(get_args(FlowName))
    assert {name for name, each in BY_NAME.items() if each["entrypoint"] == "flows.one_part.one_part"} == set(PARTS)
    assert set(get_args(Part)) == set(PARTS)
    assert all(BY_NAME[name]["parameters"] == {"part": name} for name in PARTS)


def test_only_the_two_whole_flows_have_schedules():
    assert {name for name, each in BY_NAME.items() if each.get("schedules")} == {"daily-sync", "follow-up"}


def schedule_of(name: str, zone: str = EUROPE) -> CronSchedule:
    [schedule] = apply_values(BY_NAME[name], {"RIPEN_PROJECT__TIME_ZONE": zone})["schedules"]
    return CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])


def runs_of(schedule: CronSchedule, start: datetime, end: datetime) -> list[datetime]:
    return sorted(asyncio.run(schedule.get_dates(n=1000, start=start, end=end)))


@pytest.mark.parametrize("zone", [EUROPE, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])
def test_the_daily_sync_runs_once_each_day_at_half_past_six_in_the_project_s_zone(zone):
    start = datetime(2026, 1, 1, tzinfo=ZoneInfo(zone))
    local = [
        each.astimezone(ZoneInfo(zone))
        for each in runs_of(schedule_of("daily-sync", zone), start, start + timedelta(days=365))
    ]
    assert {(each.hour, each.minute) for each in local} == {(6, 30)}
    assert set(Counter(each.date() for each in local).values()) == {1}
    assert len(local) == 365


@pytest.mark.parametrize("day", [datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)])
def test_the_follow_up_never_pauses_for_longer_than_ten_minutes_when_clocks_change(day):
    runs = [each.timestamp() for each in runs_of(schedule_of("follow-up"), day, day + timedelta(days=2))]
    assert {later - earlier for earlier, later in pairwise(runs)} == {600}


@pytest.mark.parametrize("name", ["daily-sync", "follow-up"])
def test_a_naive_now_is_refused(name):
    flow = flow_of(BY_NAME[name])
    with pytest.raises(Exception, match="timezone"):
        flow.validate_parameters({"now": datetime(2026, 3, 2, 6, 30)})  # noqa: DTZ001 - the mistake under test
    with pytest.raises(Exception, match="timezone"):
        flow.validate_parameters({"now": "2026-03-02T06:30:00"})
    assert flow.validate_parameters({"now": "2026-03-02T06:30:00+01:00"})["now"].tzinfo is not None


def test_an_unknown_part_is_refused():
    with pytest.raises(Exception, match="part"):
        flow_of(BY_NAME["rescore"]).validate_parameters({"part": "everything"})


@pytest.mark.parametrize("name", ["daily-sync", "follow-up"])
def test_a_flow_is_described_by_its_steps(name):
    described = flow_of(BY_NAME[name]).description or ""
    assert [line.split("**")[1] for line in described.splitlines()] == [
        step.__name__.replace("_", "-") for step in FLOWS[name]
    ]


def test_a_flow_file_stays_a_table_of_contents():
    for path in (CHECKOUT / "flows").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) < 60, path.name


def test_the_automations_are_ones_that_prefect_takes():
    automations = YAML(typ="safe").load(CHECKOUT / "flows" / "automations.yaml")["automations"]
    names = [AutomationCore.model_validate(each).name for each in automations]
    assert names == ["ripen-lost-runs"]
