"""Processes that belong together, with real ones: whoever dies is started again, and at the end nobody is left."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.processes import Child, Household
from nurture.errors import OutsideFailed

# Says its number, and that of a process of its own, and then waits.
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def household() -> Iterator[Household]:
    with Household().open() as made:
        yield made


def child(folder: Path, program: str, name: str = "The helper") -> Child:
    return Child(name, (sys.executable, "-c", program), folder, dict(os.environ), folder / "helper.log")


def said(one: Child) -> list[list[int]]:
    """The numbers that it has printed, line by line."""
    return [[int(word) for word in line.split()] for line in one.log.read_text().splitlines()]


def wait_for(what, seconds=20.0):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    # One that has ended and that nobody has waited for is dead.
    return not Path(f"/proc/{number}/stat").exists() or " Z " not in Path(f"/proc/{number}/stat").read_text()


def test_whoever_dies_is_started_again_and_at_the_end_nobody_is_left(tmp_path, capsys):
    household = Household()
    with household.open():
        helper = child(tmp_path, PARENT)
        household.start(helper)
        watching = threading.Thread(target=household.watch)
        watching.start()
        wait_for(lambda: helper.log.exists() and len(said(helper)) == 1)
        os.kill(said(helper)[0][0], signal.SIGKILL)
        wait_for(lambda: len(said(helper)) == 2)
        household.over.set()
        watching.join()
    assert "The helper has ended (exit code -9) and is started again" in capsys.readouterr().err
    wait_for(lambda: not any(is_alive(number) for line in said(helper) for number in line))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_watch_and_the_handlers_are_put_back(tmp_path, number):
    before = signal.getsignal(number)
    household = Household()
    with household.open():
        household.start(child(tmp_path, PARENT))
        threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
        household.watch()
    assert signal.getsignal(number) == before


def test_one_that_cannot_start_is_named_with_its_last_words(tmp_path, household):
    helper = child(tmp_path, "print('no such setting'); raise SystemExit(4)", "The worker")
    household.start(helper)
    with pytest.raises(OutsideFailed, match=r"The worker could not start \(exit code 4\).*\nno such setting"):
        household.wait_until(lambda: False, helper, 20)


def test_one_that_is_never_ready_is_named(tmp_path, household):
    helper = child(tmp_path, PARENT)
    household.start(helper)
    with pytest.raises(OutsideFailed, match="was not ready within 0 seconds"):
        household.wait_until(lambda: False, helper, 0)


def test_told_to_end_while_waiting_is_no_error(tmp_path, household):
    helper = child(tmp_path, PARENT)
    household.start(helper)
    household.over.set()
    assert household.wait_until(lambda: False, helper, 20) is False


def test_one_that_keeps_dying_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("cli.processes._LOOK_EVERY_SECONDS", 0.01)
    household = Household()
    with household.open():
        helper = child(tmp_path, "raise SystemExit(1)")
        helper.deaths.extend([time.monotonic()] * 4)
        household.start(helper)
        with pytest.raises(OutsideFailed, match="has died 5 times"):
            household.watch()
