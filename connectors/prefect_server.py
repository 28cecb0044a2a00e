"""The little that `ripen serve` asks of a Prefect server on this machine, over its REST API."""

from __future__ import annotations

import math
import socket
from typing import Any

import httpx

from nurture.errors import OutsideFailed

_TIMEOUT = 30.0


def answers(url: str) -> bool:
    """Whether something at this address says that it is well."""
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # Connections that are closing do not count as somebody who listens.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


class PrefectServer:
    """A Prefect server by the address of its API."""

    def __init__(self, api_url: str) -> None:
        self.api_url = api_url
        self._client = httpx.Client(base_url=api_url, timeout=_TIMEOUT, trust_env=False)

    def is_healthy(self) -> bool:
        """Whether it has started."""
        return answers(f"{self.api_url}/health")

    def has_pool(self, name: str) -> bool:
        """Whether a worker has made this work pool known."""
        return bool(self._ask("/work_pools/filter", {"work_pools": {"name": {"any_": [name]}}}))

    def deployments(self) -> list[str]:
        """The names of all deployments."""
        return sorted(each["name"] for each in self._ask("/deployments/filter", {}))

    def ensure_automation(self, automation: dict[str, Any]) -> bool:
        """Create an automation unless one of this name exists; returns whether it was created."""
        known = {each["name"] for each in self._ask("/automations/filter", {})}
        if automation["name"] in known:
            return False
        self._ask("/automations/", automation)
        return True

    def ensure_rate(self, name: str, per_second: float) -> None:
        """Have a global concurrency limit that gives out so many slots a second; one of this name is changed to it."""
        most = max(1, math.ceil(per_second))
        limit = {"name": name, "active": True, "limit": most, "slot_decay_per_second": per_second}
        known = {each["name"] for each in self._ask("/v2/concurrency_limits/filter", {})}
        if name in known:
            self._ask(f"/v2/concurrency_limits/{name}", limit, "PATCH")
        else:
            self._ask("/v2/concurrency_limits/", limit)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _ask(self, path: str, body: dict[str, Any], method: str = "POST") -> Any:
        try:
            response = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise OutsideFailed(f"the Prefect server does not answer: {type(error).__name__}") from None
        if not response.is_success:
            raise OutsideFailed(f"the Prefect server refused {path}: {response.status_code} {response.text[:300]}")
        return response.json() if response.content else None
