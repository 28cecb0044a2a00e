"""Processes that belong together: started, watched, started again when they die, and stopped together."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cli.output import say
from nurture.errors import OutsideFailed

_GRACE_SECONDS = 30.0
_LOOK_EVERY_SECONDS = 0.5
# More deaths than this within so long: starting it once more would not help.
_MAX_DEATHS, _WITHIN_SECONDS = 5, 120.0


class Child:
    """One process with its log file; its children die with it."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, environment: dict[str, str], log: Path) -> None:
        self.name = name
        self.command = command
        self.folder = folder
        self.environment = environment
        self.log = log
        self.deaths: deque[float] = deque(maxlen=_MAX_DEATHS)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; what it prints goes to its log."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self.process.poll() if self.process else None

    def stop(self) -> None:
        """Ask it to end, wait a little, and then end it with all its children."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                say(f"{self.name} does not end by itself; it is killed")
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def last_words(self, lines: int = 12) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


class Household:
    """Children that run until one signal ends them all."""

    def __init__(self) -> None:
        self.children: list[Child] = []
        self.over = threading.Event()

    @contextmanager
    def open(self) -> Iterator[Household]:
        """Until the end of the block SIGINT and SIGTERM mean the end; whatever happens, no child is left behind."""
        before = {number: signal.signal(number, self._end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for child in reversed(self.children):
                child.stop()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, _number: int, _frame: object) -> None:
        self.over.set()

    def start(self, child: Child) -> None:
        """Start a child and keep it."""
        self.children.append(child)
        child.start()

    def wait_until(self, ready: Callable[[], bool], child: Child, seconds: float) -> bool:
        """Wait until a child is ready; False when we are told to end. Raises OutsideFailed when it cannot start."""
        until = time.monotonic() + seconds
        while not self.over.is_set():
            if child.code is not None:
                raise OutsideFailed(
                    f"{child.name} could not start (exit code {child.code}); the end of {child.log}:\n"
                    f"{child.last_words()}"
                )
            if ready():
                return True
            if time.monotonic() > until:
                raise OutsideFailed(f"{child.name} was not ready within {seconds:.0f} seconds; see {child.log}")
            self.over.wait(_LOOK_EVERY_SECONDS)
        return False

    def watch(self) -> None:
        """Start again whoever dies, until we are told to end; raises OutsideFailed when one keeps dying."""
        while not self.over.wait(_LOOK_EVERY_SECONDS):
            for child in self.children:
                if child.code is not None:
                    self._revive(child)

    def _revive(self, child: Child) -> None:
        child.deaths.append(time.monotonic())
        if len(child.deaths) == _MAX_DEATHS and child.deaths[-1] - child.deaths[0] < _WITHIN_SECONDS:
            raise OutsideFailed(
                f"{child.name} has died {_MAX_DEATHS} times within {_WITHIN_SECONDS:.0f} seconds; "
                f"the end of {child.log}:\n{child.last_words()}"
            )
        say(f"{child.name} has ended (exit code {child.code}) and is started again; see {child.log}")
        child.stop()
        # A little longer each time, so that what is broken is not hammered.
        if not self.over.wait(len(child.deaths)):
            child.start()
