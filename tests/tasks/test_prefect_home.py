"""Prefect as a workspace has it: a home of its own there, nothing sent anywhere; what the operator has set stands."""

from __future__ import annotations

from pathlib import Path

from tasks.prefect_home import prefect_environment

HOME = Path("/somewhere/business")


def test_a_workspace_has_its_own_prefect_that_tells_nobody(monkeypatch):
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    found = prefect_environment(HOME)
    assert found["PREFECT_HOME"] == "/somewhere/business/.prefect"
    assert found["RIPEN_HOME"] == "/somewhere/business"
    assert found["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert found["DO_NOT_TRACK"] == "1"
    assert "PREFECT_API_URL" not in found


def test_what_the_operator_has_set_stands(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example.com/api")
    monkeypatch.setenv("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "60")
    monkeypatch.setenv("RIPEN_HOME", "/elsewhere")
    found = prefect_environment(HOME)
    assert found["PREFECT_API_URL"] == "https://prefect.example.com/api"
    assert found["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "60"
    assert found["RIPEN_HOME"] == "/somewhere/business"


def test_a_server_that_is_started_here_is_the_one_that_is_used(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example.com/api")
    monkeypatch.setenv("PREFECT_HOME", "/elsewhere")
    found = prefect_environment(HOME, "http://127.0.0.1:4200/api")
    assert found["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
    assert found["PREFECT_HOME"] == "/somewhere/business/.prefect"
