"""The demo's last day under Prefect: a process of its own, which gets ready while the other days are lived."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from nurture.errors import OutsideFailed
from tasks.prefect_home import FOLDER, prefect_environment
from tasks.workspace import CHECKOUT


class PrefectDay:
    """A process with Prefect loaded and its server up, that runs one daily sync when it is told the instant."""

    def __init__(self, home: Path) -> None:
        (home / FOLDER).mkdir(parents=True, exist_ok=True)
        self.log = home / FOLDER / "demo.log"
        self.state: dict[str, Any] = {}
        self._log = self.log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flows.standby"],
            cwd=CHECKOUT,
            env=prefect_environment(home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def run(self, now: datetime) -> None:
        """The daily sync as of `now`; raises OutsideFailed when Prefect cannot start or the run does not complete."""
        self._answer()
        assert self._process.stdin is not None
        self._process.stdin.write(now.isoformat() + "\n")
        self._process.stdin.flush()
        self.state = self._answer()
        if self.state.get("state") != "COMPLETED":
            raise OutsideFailed(f"the last day's Prefect flow run ended as {self.state.get('name')}; see {self.log}")

    def _answer(self) -> dict[str, Any]:
        """The next line of JSON; whatever else libraries print is passed over."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return dict(orjson.loads(line))
        raise OutsideFailed(f"Prefect could not start; see {self.log}, or leave it out: ripen demo --no-prefect")

    def close(self) -> None:
        """Let the process end, and its server with it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
