"""One row a piece of work, printed as one table; the ratios of the last run lie beside it, to see what moved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from bench.cost import Cost

RATIOS = Path(__file__).parent / "ratios.json"
# Smaller differences are noise on shared machines.
_MOVED = 1.25


@dataclass(frozen=True)
class Row:
    """One piece of work beside its floor; `target` is the highest ratio that is good enough, where there is one."""

    work: str
    size: str
    ripen: Cost
    floor: Cost
    what: str
    target: float | None = None
    # What one piece of it costs, where that says more than the whole.
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times the floor, in CPU seconds."""
        return self.ripen.cpu / self.floor.cpu if self.floor.cpu else float("inf")

    @property
    def met(self) -> bool:
        """Whether the target is met; without one it is."""
        return self.target is None or self.ratio <= self.target


def show(rows: list[Row], kind: str, size: str, console: Console) -> None:
    """Print the table of one database, with what has moved since the last run."""
    before = _stored().get(f"{kind}/{size}", {})
    table = Table(title=f"Ripen against the floor: {kind}, {size}; CPU seconds of all processes, wall seconds beside")
    for column in ("work", "size", "Ripen", "wall", "floor", "ratio", "target", "last", "MiB", "floor is", "note"):
        table.add_column(column, justify="left" if column in ("work", "floor is", "note") else "right")
    for row in rows:
        last = before.get(row.work)
        table.add_row(
            row.work,
            row.size,
            f"{row.ripen.cpu:.3g}",
            f"{row.ripen.wall:.3g}",
            f"{row.floor.cpu:.3g}",
            f"{row.ratio:.2f}",
            "" if row.target is None else f"{'' if row.met else 'missed: '}{row.target:g}",
            "" if last is None else f"{last:.2f}{_moved(last, row.ratio)}",
            f"{row.ripen.peak:.0f}",
            row.what,
            row.note,
        )
    console.print(table)


def _moved(before: float, now: float) -> str:
    if now > before * _MOVED:
        return " (dearer)"
    return " (cheaper)" if now * _MOVED < before else ""


def keep(rows: list[Row], kind: str, size: str) -> None:
    """Store the ratios, for the next run to compare with."""
    stored = _stored()
    mine = {**stored.get(f"{kind}/{size}", {}), **{row.work: round(row.ratio, 3) for row in rows}}
    stored[f"{kind}/{size}"] = dict(sorted(mine.items()))
    RATIOS.write_bytes(
        orjson.dumps(stored, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    )


def _stored() -> dict[str, dict[str, float]]:
    return orjson.loads(RATIOS.read_bytes()) if RATIOS.exists() else {}
