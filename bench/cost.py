"""What a piece of work costs: CPU seconds of all processes, wall seconds and peak memory, in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True)
class Cost:
    """What one piece of work took; `cpu` counts the worker and the database server, `peak` is the worker's in MiB."""

    cpu: float
    wall: float
    peak: float
    result: Any = None

    def part(self, share: float) -> Cost:
        """What so large a part of it costs."""
        return Cost(self.cpu * share, self.wall * share, self.peak, self.result)

    def each(self, times: int) -> Cost:
        """The cost of one of so many equal pieces."""
        return self.part(1 / times)


class Meter:
    """Measures what is done inside of it; set-up before it and checks after it cost nothing."""

    def __init__(self, server: int | None) -> None:
        self.server = server
        self.cpu = self.wall = 0.0

    def __enter__(self) -> Meter:
        self._cpu, self._wall = self._now(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wall += time.perf_counter() - self._wall
        self.cpu += self._now() - self._cpu

    def _now(self) -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime + server_cpu(self.server)


def server_cpu(pid: int | None) -> float:
    """CPU seconds of a database server so far, with all its processes, those that have ended too."""
    if pid is None:
        return 0.0
    ticks = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(entry.name) == pid:
            ticks += sum(int(each) for each in fields[11:15])
        elif int(fields[1]) == pid:
            ticks += sum(int(each) for each in fields[11:13])
    return ticks / _TICKS


def cost_of(work: Callable[..., Any], *arguments: Any, server: int | None = None) -> Cost:
    """Run `work(meter, *arguments)`, a function of a module, in a new process and return what it cost.

    Raises RuntimeError with the traceback of the process when the work fails.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_measured, args=(theirs, server, work, arguments))
    process.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        answer = "the process ended without an answer"
    process.join()
    if isinstance(answer, str):
        raise RuntimeError(answer)
    found: Cost = answer
    return found


def _measured(answer: Any, server: int | None, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    import traceback

    meter = Meter(server)
    try:
        result = work(meter, *arguments)
    except BaseException:
        answer.send(traceback.format_exc())
        return
    answer.send(Cost(meter.cpu, meter.wall, _peak(), result))


def _peak() -> float:
    """The most memory of this process, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    # Where the process began as a copy of its parent, this is at least what that had.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
