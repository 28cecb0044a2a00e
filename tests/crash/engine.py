"""A small business in which every step of a day has work, what it looks like when put in order, and runs that die."""

from __future__ import annotations

import os
import shutil
import signal
import traceback
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from db import tables
from nurture import failpoints
from tasks.context import Context
from tasks.day import run_flow
from tests.databases import Databases, SqliteDatabases
from tests.world import DOCUMENTS, World

# What a run does besides its work, what a worker leaves of itself, and what derives from an id.
_LEFT_OUT = {"runs", "definition_versions", "publications", "publication_items", "source_cursors", "transports"}
_UNSTABLE = {"key", "lease_until", "response", "provider_id", "render_seconds", "evidence", "crm_reference", "batch"}
_NUMBERED = {"enrollments", "messages", "sales_tasks", "stage_transitions", "events"}


def documents() -> dict[str, Any]:
    """Two sequences with a step of each kind, a derived type, an account, a fading score and recycling."""
    made = deepcopy(DOCUMENTS)
    made["events"]["events"]["page.pricing_visited"] = {"label": "Prices", "channel": "website", "direction": "inbound"}
    made["events"]["derived"] = {
        "page.pricing_visited": {"from": "page.viewed", "where": {"url": {"contains": "/pricing"}}}
    }
    made["scoring"]["rules"].append({"event": "page.pricing_visited", "points": 20, "decay": {"half_life": "30 days"}})
    made["lifecycle"]["recycle"] = {"on": ["sales.rejected"], "to": "mql", "cool_down": "2 days"}
    made["audiences"]["audiences"]["readers"]["when"] = {"stage": {"at_least": "mql"}}
    made["sequences/papers"]["steps"] = [
        {"id": "thanks", "email": "thanks"},
        {"id": "day", "wait": "1 day"},
        {
            "id": "asks",
            "branch": [
                {
                    "if": {"did": "email.clicked"},
                    "steps": [
                        {"id": "reader", "audience": {"add": "readers"}},
                        {"id": "known", "update": {"field": "industry", "to": "mills"}},
                    ],
                },
                {"else": True, "steps": [{"id": "call", "task": {"title": "Call"}}]},
            ],
        },
        {"id": "click", "wait": {"until": "email.clicked", "timeout": "2 days"}},
        {"id": "more", "email": "more"},
        {"id": "done", "exit": "read-it-all"},
    ]
    made["sequences/known"] = {
        **made["sequences/papers"],
        "sequence": "known",
        "title": "Known",
        "entry": {"when": {"field": "industry", "is": "mills"}, "reentry": {"after": "3 days"}},
        "goal": {"stage": {"at_least": "sql"}},
        "steps": [{"id": "hello", "email": "more"}, {"id": "rest", "wait": "1 day"}],
    }
    return made


def add_leads(world: World, day: int) -> None:
    """New people who read papers; one of them asks sales at once."""
    for number in range(3):
        name = f"d{day}n{number}"
        world.lead(name, ads=True, **({"company": f"Mill {day // 2}"} if number == 0 else {}))
        world.happens(name, "content.white_paper_downloaded")
        world.happens(name, "page.viewed", url="/pricing")
    world.lead(f"d{day}now")
    world.happens(f"d{day}now", "demo.requested")


def answers(world: World, day: int) -> None:
    """What those of the days before do: ask sales, click (one as a machine does), reply; and sales gives one back."""
    mails = {row["lead_id"]: row for row in reversed(world.rows("messages", status="accepted"))}
    before = {back: [f"d{day - back}n{number}" for number in range(3)] for back in range(1, 4) if day >= back}

    def clicks(name: str, after: timedelta) -> None:
        mail = mails.get(world.lead_id(name))
        if mail is not None:
            moment = mail["handed_over_at"] + after
            world.happens(name, "email.clicked", moment, message_key=mail["key"], url=f"/{after}")

    world.happens(before[1][0], "demo.requested")
    clicks(before[1][1], timedelta(hours=1))
    clicks(before[1][2], timedelta(seconds=1))
    if day >= 2:
        clicks(before[2][1], timedelta(days=1, hours=23))
        world.happens(before[2][2], "email.replied" if day % 2 == 0 else "page.viewed")
    if day >= 3:
        world.happens(before[3][0], "sales.rejected", reason="too_early")
        world.happens(f"d{day - 3}now", "sales.rejected", reason="too_early")


def live(world: World, days: int) -> None:
    """So many days, and then what the run under trial will find."""
    for day in range(days + 1):
        if day:
            # So long before the run that clicks have settled by then.
            world.now += timedelta(days=1, minutes=-2)
            answers(world, day)
            world.now += timedelta(minutes=2)
        add_leads(world, day)
        if day < days:
            world.run()


class Copies:
    """One database under one name, put back to how it was before each trial: its statements stay compiled."""

    def __init__(self, databases: Databases, url: str) -> None:
        self.databases, self.url = databases, url
        self.name = str(make_url(url).database)

    def keep(self) -> None:
        """Remember the database as it is; nobody may be connected."""
        if isinstance(self.databases, SqliteDatabases):
            shutil.copyfile(self.name, f"{self.name}-kept")
        else:
            self.databases.names.append(f"{self.name}_kept")
            self.databases.server.create(f"{self.name}_kept", self.name)

    def put_back(self, context: Context) -> None:
        """The database as it was kept."""
        context.database.dispose()
        if isinstance(self.databases, SqliteDatabases):
            for leftover in (f"{self.name}-wal", f"{self.name}-shm"):
                Path(leftover).unlink(missing_ok=True)
            shutil.copyfile(f"{self.name}-kept", self.name)
        else:
            self.databases.server.drop(self.name)
            self.databases.server.create(self.name, f"{self.name}_kept")


def state(world: World) -> dict[str, list[Any]]:
    """Every business table in an order and with names that do not depend on who numbered the rows."""
    rows = {name: world.rows(name) for name in tables.metadata.tables if name not in _LEFT_OUT}
    names = _names(rows)
    found = {}
    for table, content in rows.items():
        plain = [{key: _named(table, key, value, names) for key, value in row.items()} for row in content]
        kept = [{key: value for key, value in row.items() if not _left_out(table, key)} for row in plain]
        found[table] = sorted(sorted((key, str(value)) for key, value in row.items()) for row in kept)
    return found


def _left_out(table: str, column: str) -> bool:
    return column in _UNSTABLE or (column == "id" and table in _NUMBERED) or (table, column) == ("messages", "owner")


def _names(rows: dict[str, list[dict[str, Any]]]) -> dict[tuple[str, int], str]:
    names: dict[tuple[str, int], str] = {}
    for row in rows["events"]:
        names["event", row["id"]] = f"{row['source']}/{row['source_event_id']}"
    for row in rows["enrollments"]:
        names["enrollment", row["id"]] = f"{row['sequence']} of {row['lead_id']} since {row['entered_at']}"
    for row in rows["messages"]:
        names["message", row["id"]] = f"{row['step_id']} in {names['enrollment', row['enrollment_id']]}"
    for row in rows["stage_transitions"]:
        names["transition", row["id"]] = f"{row['lead_id']} {row['rule']} {row['effective_at']}"
    for row in rows["sales_tasks"]:
        names["task", row["id"]] = f"{row['subject_key']} {row['title']} {row['qualified_at']} {row['step_id']}"
    return names


def _named(table: str, column: str, value: Any, names: dict[tuple[str, int], str]) -> Any:
    if table == "events" and column == "properties":
        # The key derives from a number; the event's `message_id` says which message is meant.
        return sorted((key, value) for key, value in value.items() if key != "message_key")
    kind = column.removesuffix("_id")
    return names.get((kind, value), value) if column.endswith("_id") and isinstance(value, int) else value


def points(context: Context, flow: str, now: datetime) -> list[str]:
    """The points that an undisturbed run passes, in order; the run stands."""
    passed: list[str] = []
    failpoints.listen(passed.append)
    try:
        run_flow(context, flow, now)
    finally:
        failpoints.listen(None)
    return passed


def dies(context: Context, flow: str, now: datetime, die_at: int, wrong: Callable[[], None] | None = None) -> int:
    """Run a flow in a child that ends itself with SIGKILL at the n-th point; returns how it ended."""
    context.database.dispose()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    # From here on in the child, which never returns.
    passed = 0

    def listener(name: str) -> None:
        nonlocal passed
        passed += 1
        if passed == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        if wrong is not None:
            wrong()
        failpoints.listen(listener)
        run_flow(context, flow, now)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def differences(one: dict[str, list[Any]], other: dict[str, list[Any]]) -> list[str]:
    """The rows that stand in one state alone, by table."""
    found = []
    for table in one:
        missing = [row for row in one[table] if row not in other[table]]
        added = [row for row in other[table] if row not in one[table]]
        found += [f"- {table}: {dict(row)}" for row in missing] + [f"+ {table}: {dict(row)}" for row in added]
        if not missing and not added and len(one[table]) != len(other[table]):
            found.append(f"{table}: {len(one[table])} rows, and now {len(other[table])}")
    return found


def breaches(world: World) -> list[dict[str, Any]]:
    """What the audit finds."""
    from db import audit

    with world.database.write() as connection:
        return audit.run_checks(connection, world.now, repair=False)


__all__ = [
    "Copies",
    "add_leads",
    "answers",
    "breaches",
    "dies",
    "differences",
    "documents",
    "live",
    "points",
    "state",
]
