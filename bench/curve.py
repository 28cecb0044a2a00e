"""How cost grows with the number of leads: the slope of a line through the logarithms of both.

Work on everything should grow as the leads do (near 1). What a fixed number of changed leads costs should not depend on
how many others there are (near 0).
"""

from __future__ import annotations

from math import log
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.business import SIZES, Business
from bench.cost import Cost, cost_of
from bench.measures import loading, scoring
from bench.measures.changes import rescore_changed
from bench.people import settle
from bench.stores import store

_CHANGED = 100


def draw(kind: str, sizes: list[str], files: Path, home: Path, console: Console) -> None:
    """Measure each size in a database of its own and print the costs with their slopes."""
    found: dict[str, list[tuple[int, Cost]]] = {}
    for size in sizes:
        business = Business(*SIZES[size])
        folder = home / f"{kind}-{size}"
        folder.mkdir()
        console.print(f"{kind}: {business.leads:,} leads")
        for work, cost in _costs(kind, business, files, folder).items():
            found.setdefault(work, []).append((business.leads, cost))
    _print(kind, found, console)


def _costs(kind: str, business: Business, files: Path, folder: Path) -> dict[str, Cost]:
    leads, events = business.write(files)
    with store(kind, folder) as made:
        cost_of(loading._import, made, leads, "leads", server=made.server)
        costs = {"load events": cost_of(loading._import, made, events, "events", server=made.server)}
        costs["rescore everybody"] = cost_of(scoring._rescore_everybody, made, server=made.server)
        settle(made)
        for work, every, seed in (
            (f"rescore {_CHANGED} changed leads", business.leads // _CHANGED, 1),
            ("rescore 1 % changed leads", 100, 2),
        ):
            changed = business.leads // every
            costs[work] = cost_of(rescore_changed, made, changed, every, seed, server=made.server)
        return costs


def _print(kind: str, found: dict[str, list[tuple[int, Cost]]], console: Console) -> None:
    table = Table(title=f"CPU seconds by number of leads: {kind}")
    table.add_column("work")
    for leads, _ in next(iter(found.values())):
        table.add_column(f"{leads:,}", justify="right")
    table.add_column("exponent", justify="right")
    for work, costs in found.items():
        table.add_row(work, *[f"{cost.cpu:.3g}" for _, cost in costs], f"{slope(costs):.2f}")
    console.print(table)


def slope(costs: list[tuple[int, Cost]]) -> float:
    """The exponent of the power of the number of leads that fits the costs best."""
    points = [(log(leads), log(max(cost.cpu, 1e-9))) for leads, cost in costs]
    middle_x, middle_y = (sum(each) / len(points) for each in zip(*points, strict=True))
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / sum((x - middle_x) ** 2 for x, _ in points)
