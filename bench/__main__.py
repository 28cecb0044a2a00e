"""`make bench`: what Ripen costs as a ratio to a floor measured in the same run; never a timed test."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from bench import curve, table
from bench.business import SIZES, Business
from bench.measures import MEASURES
from bench.stores import KINDS, store


def main() -> None:
    """Measure one size on the databases that were asked for, and print a table for each."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--size", choices=list(SIZES), default="small")
    parser.add_argument("--database", choices=[*KINDS, "both"], default="both")
    parser.add_argument("--only", nargs="*", choices=list(MEASURES), help="what the others leave behind is made anyway")
    parser.add_argument("--folder", type=Path, help="where the business lies as files, to be used again")
    parser.add_argument("--no-keep", action="store_true", help="do not store the ratios for the next comparison")
    parser.add_argument(
        "--curve", action="store_true", help="how cost grows from 10,000 leads to 100,000, or a million"
    )
    arguments = parser.parse_args()
    console = Console(width=None if Console().is_terminal else 200)
    business = Business(*SIZES[arguments.size])
    with tempfile.TemporaryDirectory(prefix="ripen-bench-") as temporary:
        files = arguments.folder or Path(temporary)
        files.mkdir(parents=True, exist_ok=True)
        kinds = KINDS if arguments.database == "both" else [arguments.database]
        if arguments.curve:
            sizes = list(SIZES) if arguments.size == "full" else list(SIZES)[:-1]
            for kind in kinds:
                curve.draw(kind, sizes, files, Path(temporary), console)
            return
        console.print(f"{business.leads:,} leads, {business.events:,} events; making them")
        business.write(files)
        for kind in kinds:
            home = Path(temporary) / kind
            home.mkdir()
            rows = _measure(kind, home, files, business, arguments.only or list(MEASURES), console)
            table.show(rows, kind, arguments.size, console)
            if not arguments.no_keep:
                table.keep(rows, kind, arguments.size)


def _measure(
    kind: str, home: Path, files: Path, business: Business, wanted: list[str], console: Console
) -> list[table.Row]:
    rows: list[table.Row] = []
    with store(kind, home) as made:
        for name, measure in MEASURES.items():
            console.print(f"{kind}: {name}")
            if name in wanted:
                for row in measure.measure(made, business, files):
                    # Said at once: at full size the table comes after an hour.
                    console.print(f"  {row.work}: {row.ripen.cpu:.3g} s, {row.ratio:.3g} times the floor; {row.note}")
                    rows.append(row)
            elif hasattr(measure, "prepare"):
                measure.prepare(made, business, files)
    return rows


if __name__ == "__main__":
    main()
