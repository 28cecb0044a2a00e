"""A follow-up comes every ten minutes: it looks up what is due and walks through nothing that grows with the leads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from sqlalchemy import event

from tests.world import DOCUMENTS, World

# What it is about are locks, plans and several connections.
pytestmark = pytest.mark.every_database

GROW = {
    "accounts",
    "audience_members",
    "consent_states",
    "consents",
    "enrollments",
    "entry_marks",
    "events",
    "executed_steps",
    "identities",
    "leads",
    "messages",
    "sales_tasks",
    "score_contributions",
    "scores",
    "stage_transitions",
    "suppressions",
}
# Indexes of what waits for something that a follow-up has to see to.
WAITING = {"ix_enrollments_held", "ix_enrollments_message", "ix_messages_open", "ix_sales_tasks_crm"}
WALK = re.compile(r"^SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?")
ALIAS = re.compile(r"\b(\w+) AS (\w+)\b")


def walks(world: World, flow: str) -> Iterator[tuple[str, str]]:
    """Each table that a statement of the run walks from one end to the other, with the statement."""
    seen: list[tuple[str, Any]] = []

    def remember(connection: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        seen.append((statement, parameters))

    event.listen(world.database.engine, "before_cursor_execute", remember)
    world.run(flow)
    event.remove(world.database.engine, "before_cursor_execute", remember)
    with world.database.read() as connection:
        for statement, parameters in seen:
            if not statement.lstrip().startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
                continue
            given = parameters[0] if isinstance(parameters, list) else parameters
            aliases = {alias: table for table, alias in ALIAS.findall(statement)}
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given):
                found = WALK.match(row[3])
                if found and aliases.get(found[1], found[1]) in GROW and found[2] not in WAITING:
                    yield f"{aliases.get(found[1], found[1])} by {found[2]}", statement


# SQLite knows nothing of how many rows there are, so a few leads show what it would do with a million.
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_a_follow_up_walks_through_no_table_that_grows_with_the_leads(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["in_sales_hands"] = "pause"
    documents["lifecycle"]["contact"] = {"caps": [{"most": 2, "per": "7 days"}]}
    documents["scoring"]["rules"][0]["decay"] = {"half_life": "30 days"}
    world = new_world(documents)
    for name in ("ada", "bo", "cy"):
        world.lead(name, company="Acme")
        world.happens(name, "content.white_paper_downloaded")
    world.days(2)
    world.happens("ada", "email.clicked")
    world.lead("di")
    world.happens("di", "demo.requested")
    world.happens("bo", "email.replied")
    world.lead("ed")
    world.happens("ed", "content.white_paper_downloaded")
    assert list(walks(world, "follow-up")) == []
    assert len(world.received("ed")) == 1
