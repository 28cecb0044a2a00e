"""Several workers side by side, each with its own session; the first trouble of one is the trouble of all."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Event

from tasks.context import Compiled, Run
from tasks.delivery.allowance import Allowance
from tasks.delivery.worker import Worker


def work(run: Run, compiled: Compiled, allowance: Allowance, counts: Counter[str]) -> bool:
    """Send what is ready with as many workers as settings and transport allow; False when something stopped them.

    When this thread is told to end, the workers finish the act in hand, give back what they have claimed, and end.
    """
    stop = Event()
    abilities = run.context.email.abilities
    workers = [Worker(run, compiled, allowance, stop)]
    if abilities.connections == 1 or workers[0].on_probation:
        # What stays on this machine needs no company, and who was refused shows first, alone, that it works again.
        try:
            return workers[0].work()
        finally:
            counts.update(workers[0].counts)
    number = min(run.context.settings.email.connections, abilities.connections)
    workers += [Worker(run, compiled, allowance, stop) for _ in range(number - 1)]
    with ThreadPoolExecutor(number, "sending") as pool:
        try:
            futures = [pool.submit(copy_context().run, worker.work) for worker in workers]
            results = [future.result() for future in futures]
            return all(results)
        finally:
            stop.set()
            for worker in workers:
                counts.update(worker.counts)
