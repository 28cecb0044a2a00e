"""Measure Ripen and its peers side by side; the peers are installed into an environment of their own, and forgotten."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from bench.sink import sink

_HERE = Path(__file__).parent
_CHECKOUT = _HERE.parent.parent
_DRIP = "django-drip-campaigns==1.16.2"


def main() -> None:
    """Run each in a process of its own and print CPU milliseconds a mail and an event."""
    parser = argparse.ArgumentParser(prog="bench.peers", description=__doc__)
    parser.add_argument("--contacts", type=int, default=10_000)
    parser.add_argument("--task-runs", type=int, default=150, help="of Prefect, one a lead and mail; at most 200")
    arguments = parser.parse_args()
    console = Console(width=None if Console().is_terminal else 160)
    table = Table(title=f"{arguments.contacts:,} contacts, ten events and two mails each; CPU milliseconds")
    for column in ("what", "a mail", "an event", "mails", "note"):
        table.add_column(column, justify="left" if column in ("what", "note") else "right")
    with tempfile.TemporaryDirectory(prefix="ripen-peers-") as folder, sink() as port:
        for what, command in _commands(Path(folder), arguments.contacts, arguments.task_runs, console).items():
            console.print(what)
            found = _answer(command, Path(folder), port)
            cells = [f"{found[name]:.3f}" if name in found else "" for name in ("mail_ms", "event_ms")]
            table.add_row(what, *cells, f"{found['mails']:,}", str(found["note"]))
    console.print(table)


def _commands(folder: Path, contacts: int, task_runs: int, console: Console) -> dict[str, list[str]]:
    console.print(f"installing {_DRIP}")
    environment = folder / "environment"
    venv.create(environment, with_pip=True)
    python = str(environment / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", _DRIP], check=True)  # noqa: S603
    return {
        "Ripen": [sys.executable, "-m", "bench.peers.ripen", str(contacts)],
        "django-drip-campaigns 1.16.2": [python, str(_HERE / "django_drip.py"), str(contacts)],
        "Prefect, a task run a lead": [sys.executable, "-m", "bench.peers.prefect_alone", str(task_runs)],
    }


def _answer(command: list[str], folder: Path, port: int) -> dict[str, float | int | str]:
    """The last line that it prints, as JSON."""
    surroundings = {**os.environ, "PYTHONPATH": str(_CHECKOUT), "BENCH_FOLDER": str(folder), "BENCH_PORT": str(port)}
    done = subprocess.run(command, check=True, capture_output=True, env=surroundings, cwd=_CHECKOUT)  # noqa: S603
    found: dict[str, float | int | str] = orjson.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
