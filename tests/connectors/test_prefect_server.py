"""What `ripen serve` asks of a Prefect server: whether it is there, and that an automation exists exactly once."""

from __future__ import annotations

import socket

import pytest

from connectors.prefect_server import PrefectServer, answers, port_is_free
from nurture.errors import OutsideFailed
from nurture.strict_yaml import load_yaml
from tasks.workspace import CHECKOUT


def test_an_automation_is_created_once(prefect_server):
    server = PrefectServer(prefect_server)
    text = (CHECKOUT / "flows" / "automations.yaml").read_text(encoding="utf-8")
    [automation] = load_yaml(text, "automations.yaml").data["automations"]
    assert server.is_healthy()
    assert [server.ensure_automation(automation) for _ in range(3)] == [True, False, False]
    with pytest.raises(OutsideFailed, match="refused /automations/: 422"):
        server.ensure_automation({**automation, "name": "another", "actions": [{"type": "no such action"}]})
    assert not server.has_pool("no-such-pool")
    server.close()


def test_a_rate_is_made_and_changed(prefect_server):
    server = PrefectServer(prefect_server)
    for per_second in (2.5, 4.0):
        server.ensure_rate("mails-of-a-test", per_second)
        limits = {each["name"]: each for each in server._ask("/v2/concurrency_limits/filter", {})}
        limit = limits["mails-of-a-test"]
        assert limit["slot_decay_per_second"] == per_second
    assert limit["limit"] == 4
    server.close()


def test_a_server_that_is_not_there_is_an_outside_failure():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert port_is_free("127.0.0.1", port)
    server = PrefectServer(f"http://127.0.0.1:{port}/api")
    assert not server.is_healthy()
    assert not answers("http://127.0.0.1:1/health")
    with pytest.raises(OutsideFailed, match="does not answer"):
        server.deployments()
    with pytest.raises(OutsideFailed, match="does not answer"):
        server.has_pool("ripen")
    server.close()
