"""`ripen run --prefect`: the same flow as a Prefect flow run in this process."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from cli.running import show
from nurture.errors import RipenError
from tasks.day import Outcome
from tasks.prefect_home import prefect_environment


def run_with_prefect(home: Path, flow: str, now: datetime, json: bool) -> int:
    """Run a flow under Prefect, on the server of `PREFECT_API_URL` or else on one of its own, and print what it did.

    Raises the error that stopped the run, as the run without Prefect does.
    """
    # Prefect reads its settings when it is imported, so they come first.
    os.environ.update(prefect_environment(home))
    state = _flow_run(flow, now)
    result = state.result(raise_on_failure=False)
    if isinstance(result, BaseException):
        raise result if isinstance(result, RipenError) else RipenError(f"Prefect: {state.message}")
    outcome = Outcome(result["run_id"], flow, now, result["steps"], {})
    show(outcome, json)
    return 3 if outcome.counts.keys() & {"transport_away", "transport_paused"} else 0


def _flow_run(flow: str, now: datetime) -> Any:
    if flow == "daily-sync":
        from flows.daily_sync import daily_sync

        return daily_sync(now=now, return_state=True)
    if flow == "follow-up":
        from flows.follow_up import follow_up

        return follow_up(now=now, return_state=True)
    from flows.one_part import one_part

    return one_part(part=flow, now=now, return_state=True)
