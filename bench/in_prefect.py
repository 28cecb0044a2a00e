"""What Prefect adds to a daily sync: the same flow of an empty workspace plainly, and on a server of its own."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from bench.business import NOW
from bench.cost import Cost, Meter, cost_of, server_cpu
from bench.table import Row

_PATIENCE_S = 30
_MOST_SECONDS, _MOST_TASK_RUNS = 10, 40


def row(folder: Path) -> Row:
    """CPU of the flow and of the server in it; the targets are about wall time and the number of task runs."""
    plain = cost_of(_plainly, folder / "plain")
    found = cost_of(_in_prefect, folder / "prefect")
    wall, server, task_runs = found.result
    note = (
        f"{wall - plain.wall:.1f} s of wall time more (at most {_MOST_SECONDS}), {task_runs} task runs "
        f"(at most {_MOST_TASK_RUNS}), {server / task_runs * 1000:.0f} ms CPU each in the server"
    )
    ripen = Cost(found.cpu + server, wall, found.peak)
    return Row("daily sync of nobody in Prefect", "0", ripen, plain, "the same without Prefect", None, note)


def _plainly(meter: Meter, home: Path) -> None:
    from tasks.day import run_flow
    from tasks.workspace import init_workspace, open_context

    init_workspace(home)
    with meter:
        context = open_context(home)
        run_flow(context, "daily-sync", NOW)


def _in_prefect(meter: Meter, home: Path) -> tuple[float, float, int]:
    from tasks.prefect_home import prefect_environment
    from tasks.workspace import init_workspace

    init_workspace(home)
    for name in [name for name in os.environ if name.startswith(("RIPEN_", "PREFECT_"))]:
        del os.environ[name]
    os.environ.update(prefect_environment(home), PREFECT_LOGGING_LEVEL="ERROR")
    # Imported here: Prefect reads its settings when it is imported.
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.testing.utilities import prefect_test_harness

    from flows.daily_sync import daily_sync

    with prefect_test_harness(server_startup_timeout=180):
        process = SubprocessASGIServer._instances[None].server_process
        assert process is not None
        before = server_cpu(process.pid)
        began = time.perf_counter()
        with meter:
            state = daily_sync(now=NOW, return_state=True)
        wall = time.perf_counter() - began
        assert state.is_completed(), state.message
        result: Any = state.result()
        expected = len(result["steps"])
        task_runs = task_runs_recorded(expected)
        return wall, server_cpu(process.pid) - before, task_runs


def task_runs_recorded(expected: int) -> int:
    """How many task runs the server knows the end of; it writes them down a little later, at most 200 are asked for."""
    from prefect.client.orchestration import get_client

    until = time.perf_counter() + _PATIENCE_S
    with get_client(sync_client=True) as client:
        while True:
            found = [each for each in client.read_task_runs() if each.state is not None and each.state.is_final()]
            if len(found) >= expected or time.perf_counter() > until:
                return len(found)
            time.sleep(0.2)
