"""The audit: every invariant is broken on purpose, found, and, where that is safe, mended so that the leads go on."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from db.audit import CHECKS
from db.audit import look as db_look
from tasks.audit import Examined, examine, judged_at
from tests.engine.breaches import BREACHES, ada
from tests.world import DOCUMENTS, World

DAY = timedelta(days=1)


@pytest.fixture
def lived(twin) -> World:
    """Ada waits in the sequence, Bo is with sales, Cleo allows nothing; a day has passed."""
    return twin(_lived)


def _lived(new_world) -> World:
    documents = deepcopy(DOCUMENTS)
    documents["scoring"]["fit"] = [{"id": "known", "when": {"field": "company", "is_set": True}, "points": 4}]
    documents["sequences/papers"]["steps"] = [
        {"id": "readers", "audience": {"add": "readers"}},
        {"id": "thanks", "email": "thanks"},
        {"id": "three-days", "wait": "3 days"},
        {"id": "click", "wait": {"until": "email.clicked", "timeout": "5 days"}},
        {"id": "more", "email": "more"},
    ]
    world = new_world(documents)
    world.lead("ada", ads=True, company="Example Ltd")
    world.lead("bo", ads=True, company="Example Ltd")
    world.lead("cleo", consent=False)
    for name in ("ada", "cleo"):
        world.happens(name, "content.white_paper_downloaded")
    world.happens("bo", "demo.requested")
    world.run()
    world.days(1, "daily-sync")
    return world


def names(found: list[dict[str, Any]]) -> set[str]:
    return {each["check"] for each in found}


def look(world: World, *, repair: bool = False) -> Examined:
    return examine(world.context, judged_at(world.context, world.now), repair=repair)


def test_every_check_is_broken_by_one_of_these_tests():
    assert [check.name for check in CHECKS if check.name not in {each.check for each in BREACHES}] == []


def test_no_check_joins_a_table_by_accident(lived):
    with lived.database.read() as connection:
        scene = db_look(connection, lived.now, platforms=["file"])
        queries = [check.breaches(connection, scene) for check in CHECKS]
    texts = [str(query.compile(lived.database.engine)) for query in queries if isinstance(query, sa.Select)]
    assert len(texts) > 30
    assert [text for text in texts if re.search(r"FROM \w+(?: AS \w+)?, \w", text)] == []


@pytest.mark.every_database
@pytest.mark.parametrize("breach", BREACHES, ids=lambda each: each.id)
def test_what_breaks_an_invariant_is_found_and_mended_where_that_is_safe(lived, breach):
    assert look(lived).breaches == []
    breach.broken_by(lived)
    found = look(lived)
    assert names(found.breaches) == {breach.check, *breach.also}
    told = next(each for each in found.breaches if each["check"] == breach.check)
    assert all(told[key] for key in ("rows", "examples", "remedy", "says"))
    assert told["repairable"] or breach.check in breach.left
    mended = look(lived, repair=True)
    assert names(mended.broken) == breach.left
    assert breach.left or next(each["mended"] for each in mended.breaches if each["check"] == breach.check)
    if breach.goes_on and not breach.left:
        goes_on(lived, breach.later)


def goes_on(world: World, later: set[str]) -> None:
    """Everybody comes to the end of the sequence, nobody twice to the same mail, and nothing else is broken."""
    for _ in range(3):
        world.now += 4 * DAY
        world.run()
    assert {row["status"] for row in world.rows("enrollments", **ada(world))} <= {"completed", "exited"}
    assert "completed" in {row["status"] for row in world.rows("enrollments", **ada(world))}
    assert len(world.outbox.messages) == len({mail.message_key for mail in world.outbox.messages})
    assert names(look(world).breaches) == later
