"""`ripen serve`: mistakes are said at once; the whole thing really serves, and a triggered run really runs."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from cli.main import run
from connectors.prefect_server import answers, port_is_free
from tasks.workspace import CHECKOUT, init_workspace


@pytest.fixture
def home(tmp_path: Path) -> Path:
    init_workspace(tmp_path / "workspace")
    return tmp_path / "workspace"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("option", ["--port", "--prefect-port"])
def test_a_taken_port_is_named_with_the_option_that_helps(home, option, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not port_is_free("127.0.0.1", port)
        ports = {"--port": free_port(), "--prefect-port": free_port()} | {option: port}
        given = [str(word) for pair in ports.items() for word in pair]
        assert run(["serve", "--home", str(home), *given]) == 3
    said = capsys.readouterr().err
    assert f"port {port} on 127.0.0.1 is taken" in said
    assert f"choose another: {option} N" in said


def test_a_folder_that_is_no_workspace_is_not_served(tmp_path, capsys):
    assert run(["serve", "--home", str(tmp_path)]) == 2
    assert "is not a workspace" in capsys.readouterr().err


@pytest.mark.soak
def test_everything_is_served_and_a_triggered_run_really_runs(home):
    web, prefect = free_port(), free_port()
    command = [sys.executable, "-m", "cli.serve_all", "--home", str(home), "--port", str(web), "--prefect-port"]
    serving = subprocess.Popen([*command, str(prefect)], cwd=CHECKOUT, stderr=subprocess.PIPE, text=True)
    api = httpx.Client(base_url=f"http://127.0.0.1:{prefect}/api", trust_env=False, timeout=30)
    try:
        said = []
        for line in serving.stderr:
            said.append(line)
            if line.startswith("Ctrl-C"):
                break
        assert said[-1].startswith("Ctrl-C"), said
        assert answers(f"http://127.0.0.1:{web}/health")
        deployments = {each["name"]: each["id"] for each in api.post("/deployments/filter", json={}).json()}
        assert len(deployments) == 12
        started = api.post(f"/deployments/{deployments['daily-sync']}/create_flow_run", json={}).json()["id"]
        seen = wait_for(api, started)
        assert (seen["state_type"], seen["state"]["message"]) == ("COMPLETED", "published 1")
        planned = {"state": {"type": {"any_": ["SCHEDULED"]}}}
        assert api.post("/flow_runs/filter", json={"flow_runs": planned}).json(), "nothing is scheduled"
    finally:
        serving.send_signal(signal.SIGINT)
        serving.wait(90)
        serving.stderr.close()
        api.close()
    assert serving.returncode == 0
    assert not answers(f"http://127.0.0.1:{web}/health")
    assert not answers(f"http://127.0.0.1:{prefect}/api/health")


def wait_for(api, flow_run):
    until = time.monotonic() + 120
    while time.monotonic() < until:
        seen = api.get(f"/flow_runs/{flow_run}").json()
        if seen["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            break
        time.sleep(0.5)
    return seen
