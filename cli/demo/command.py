"""`ripen demo`: a sample business from nothing, lived day by day, the last day under Prefect."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from cli.demo import summary
from cli.demo.figures import figures
from cli.demo.life import Life, LiveProgress, live
from cli.demo.prefect_day import PrefectDay
from cli.output import console, print_json, say
from cli.workspace import Json, home_of
from nurture.errors import BadInput
from tasks.report_page import write_report

REPORT = "report.html"
# With the months of imported history before them, these days are lived within a minute on two cores.
LEADS, DAYS = 5_000, 30
_LEAST_LEADS, _LEAST_DAYS, _MOST_DAYS = 20, 2, 366


def demo_command(
    *,
    leads: Annotated[int, Parameter(help="How many people the business knows in the end.")] = LEADS,
    days: Annotated[int, Parameter(help="How many days are lived, one daily sync each.")] = DAYS,
    seed: Annotated[int, Parameter(help="Another number, another business; the same one gives the same figures.")] = 7,
    home: Annotated[Path, Parameter(name="--home", help="The folder that becomes a workspace.")] = Path("demo"),
    prefect: Annotated[bool, Parameter(negative="--no-prefect", help="Run the last day as a Prefect flow run.")] = True,
    json: Json = False,
) -> int:
    """Make a sample business in a folder and live its days; mails lie there as .eml files, beside a report.

    Example: `ripen demo`, or `ripen demo --leads 500 --days 30 --home /tmp/sample --no-prefect`
    """
    if leads < _LEAST_LEADS or not _LEAST_DAYS <= days <= _MOST_DAYS:
        raise BadInput(f"a demo has {_LEAST_LEADS} leads or more, and {_LEAST_DAYS} to {_MOST_DAYS} days")
    return demo(home_of(home), leads, days, seed, json, prefect=prefect)


def demo(home: Path, leads: int, days: int, seed: int, json: bool, *, prefect: bool = True) -> int:
    """Live the demo and print what came of it."""
    started = time.monotonic()
    with _progress(days) as progress:
        life = _live(home, leads, days, seed, progress, prefect)
        progress("writing the report", days)
        report = write_report(life.context.database, home / REPORT, life.last_run, life.context.settings.project)
    found = figures(life, report)
    if json:
        print_json(found)
    else:
        summary.show(console(), life, found, home, time.monotonic() - started)
    life.context.database.dispose()
    return 0


def _live(home: Path, leads: int, days: int, seed: int, progress: LiveProgress, prefect: bool) -> Life:
    if not prefect:
        return live(home, leads, days, seed, progress)
    days_before: list[PrefectDay] = []

    def begin() -> None:
        days_before.append(PrefectDay(home))

    try:
        return live(home, leads, days, seed, progress, begin=begin, last_run=lambda now: days_before[0].run(now))
    finally:
        for each in days_before:
            each.close()


@contextmanager
def _progress(days: int) -> Iterator[LiveProgress]:
    """A bar on a terminal's stderr, else a line now and then."""
    if not sys.stderr.isatty():
        yield _Lines(days)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("demo", total=days)
        yield lambda what, day: bar.update(task, description=f"{what:<42}", completed=day)


class _Lines:
    """Progress as plain lines: every change of what is done, and every twentieth day."""

    def __init__(self, days: int) -> None:
        self.days = days
        self.said = ""

    def __call__(self, what: str, day: int) -> None:
        """Say it, unless it is only one day more."""
        line = f"day {day} of {self.days}: {what}" if day and day < self.days else what
        if not day or day % 20 == 0 or day >= self.days:
            if line != self.said:
                say(f"demo: {line}")
            self.said = line
