"""`make bench`: what Ripen costs as a ratio to a floor measured in the same run; never a timed test."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.workload import SIZES, Workload


def main() -> None:
    """Measure one size on SQLite and print one table."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    arguments = parser.parse_args()
    leads, events = SIZES[arguments.size]
    console = Console()
    with tempfile.TemporaryDirectory(prefix="ripen-bench-") as folder:
        workload = Workload(Path(folder), leads, events)
        console.print(f"{leads:,} leads, {events:,} events, SQLite; CPU seconds of this process")
        rows = workload.measure()
        workload.close()
    table = Table(title="Ripen against the floor")
    for column in ("work", "Ripen", "floor", "ratio", "what the floor is"):
        table.add_column(column, justify="left" if column in ("work", "what the floor is") else "right")
    for row in rows:
        table.add_row(row.work, f"{row.ripen:.2f}", f"{row.floor:.2f}", f"{row.ratio:.1f}", row.what)
    console.print(table)


if __name__ == "__main__":
    main()
