"""Every invariant that the database alone can check; each names what it found, how to mend it, and what a person does.

A check reads; a repair changes only what the stored facts decide beyond doubt, and never sends anything again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from db.audit import (
    audiences,
    consents,
    enrollments,
    erasures,
    messages,
    people,
    queues,
    sales_tasks,
    scores,
    sent,
    stages,
    steps,
)
from db.audit.check import Check, Done, Scene, look

CHECKS: tuple[Check, ...] = (
    *people.CHECKS,
    *erasures.CHECKS,
    *consents.CHECKS,
    *scores.CHECKS,
    *stages.CHECKS,
    *sales_tasks.CHECKS,
    *enrollments.CHECKS,
    *steps.CHECKS,
    *messages.CHECKS,
    *sent.CHECKS,
    *audiences.CHECKS,
    *queues.CHECKS,
)
_EXAMPLES = 5


def run_checks(
    connection: Connection, now: datetime, *, repair: bool, scene: Scene | None = None, checks: Iterable[Check] = CHECKS
) -> list[dict[str, Any]]:
    """The broken invariants with how many rows and the first few ids; with `repair`, what could be mended is.

    `repaired` counts the rows that the repairs changed; whether all is well then, another look says.
    """
    scene, checks = scene or look(connection, now), tuple(checks)
    # A repair may mend what a later check would find, so each then looks for itself.
    counts = {} if repair else _count_together(connection, scene, checks)
    found = []
    for check in checks:
        if counts.get(check.name) == 0:
            continue
        rows, examples = _look_at(connection, scene, check)
        if not rows:
            continue
        done = check.repair(connection, scene) if repair and check.repair is not None else []
        found.append(
            {
                "check": check.name,
                "says": check.says,
                "rows": rows,
                "examples": examples,
                "repairable": check.repair is not None,
                "repaired": sum(number for _, number in done),
                "mended": [{"what": what, "rows": number} for what, number in done if number],
                "remedy": check.remedy,
            }
        )
    return found


def _count_together(connection: Connection, scene: Scene, checks: Sequence[Check]) -> dict[str, int]:
    """How many rows break each check that an earlier look has made a statement of: one question for all of them."""
    counting = {each.name: scene.statements[each.name][0] for each in checks if each.name in scene.statements}
    if not counting:
        return {}
    together = " ".join(counting)
    if together not in scene.statements:
        scene.statements[together] = select(*(each.scalar_subquery() for each in counting.values())), None
    row = connection.execute(scene.statements[together][0], scene.values).one()
    return dict(zip(counting, row, strict=True))


def _look_at(connection: Connection, scene: Scene, check: Check) -> tuple[int, list[int]]:
    if check.name not in scene.statements:
        breaches = check.breaches(connection, scene)
        if breaches is None:
            return 0, []
        if isinstance(breaches, list):
            return len(breaches), sorted(breaches)[:_EXAMPLES]
        rows = breaches.subquery()
        examples = select(rows.c[0]).order_by(rows.c[0]).limit(_EXAMPLES)
        scene.statements[check.name] = select(func.count()).select_from(rows), examples
    counting, examples = scene.statements[check.name]
    count = int(connection.execute(counting, scene.values).scalar_one())
    return count, list(connection.execute(examples, scene.values).scalars()) if count else []


__all__ = ["CHECKS", "Check", "Done", "Scene", "look", "run_checks"]
