"""Anonymous activity finds its lead: it counts when it happened, and enrolls nobody by itself."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from db import audit
from nurture.records import EventRecord, Identity, LeadRecord
from tests.world import DOCUMENTS

MINUTE = timedelta(minutes=1)
PAPER = "content.white_paper_downloaded"


def seen(world, id_, kind, *, email=None, cookie="browser-1", at=None):
    """An event of a browser, perhaps with an address."""
    who = (Identity("email", f"{email}@example.com"),) if email else ()
    who += (Identity("anonymous", cookie),) if cookie else ()
    contact = {"email": f"{email}@example.com"} if email else {}
    return EventRecord("web", id_, kind, at or world.now, who, {}, contact)


def may_mail(world, name):
    world.lead(name)
    world.run("follow-up")
    world.now += MINUTE


def entered(world):
    return [row["sequence"] for row in world.rows("enrollments")]


@pytest.mark.parametrize("together", [True, False])
def test_inherited_activity_counts_when_it_happened_but_enrolls_nobody(world, together):
    may_mail(world, "ada")
    paper = seen(world, "1", PAPER)
    later = world.now if together else world.now + 5 * MINUTE
    if together:
        world.store([paper, seen(world, "2", "page.viewed", email="ada")])
    else:
        world.store([paper])
        assert world.rows("events", lead_id=world.lead_id("ada")) == []
        world.now = later
        world.store([seen(world, "2", "page.viewed", email="ada")])
    world.run("follow-up")
    assert world.score("ada")["total"] == 11
    (move,) = world.rows("stage_transitions")
    assert (move["to_stage"], move["effective_at"]) == ("mql", paper.occurred_at)
    world.happens("ada", "page.viewed")
    world.days(2)
    assert entered(world) == []
    with world.database.read() as connection:
        assert audit.run_checks(connection, world.now, repair=False) == []


@pytest.mark.parametrize("together", [True, False])
def test_the_event_that_says_who_it_was_may_enroll(world, together):
    may_mail(world, "ada")
    first = [seen(world, "1", "page.viewed")]
    second = [seen(world, "2", PAPER, email="ada")]
    if together:
        world.store(first + second)
    else:
        world.store(first)
        world.now += 5 * MINUTE
        world.store(second)
    world.run("follow-up")
    assert entered(world) == ["papers"]
    assert world.score("ada")["total"] == 11


def test_what_a_browser_does_after_it_is_known_is_news(world):
    may_mail(world, "ada")
    world.store([seen(world, "1", "page.viewed", email="ada")])
    world.now += MINUTE
    world.store([seen(world, "2", PAPER)])
    world.run("follow-up")
    assert entered(world) == ["papers"]


def test_an_inherited_event_and_news_may_enroll_together(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["entry"] = {"when": {"all": [{"did": PAPER}, {"did": "video.watched"}]}}
    world = new_world(documents)
    may_mail(world, "ada")
    world.store([seen(world, "1", PAPER)])
    world.now += MINUTE
    world.store([seen(world, "2", "video.watched", email="ada")])
    world.run("follow-up")
    assert entered(world) == ["papers"]


def test_an_inherited_event_that_completes_what_was_known_before_enrolls_nobody(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["entry"] = {"when": {"all": [{"did": PAPER}, {"did": "video.watched"}]}}
    world = new_world(documents)
    may_mail(world, "ada")
    world.happens("ada", "video.watched")
    world.run("follow-up")
    world.now += MINUTE
    world.store([seen(world, "1", PAPER)])
    world.now += MINUTE
    world.store([seen(world, "2", "page.viewed", email="ada")])
    world.run("follow-up")
    assert entered(world) == []


@pytest.mark.parametrize(("kind", "enrolled"), [("page.viewed", []), ("webinar.attended", ["papers"])])
def test_a_stage_that_inherited_events_brought_enrolls_nobody(new_world, kind, enrolled):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["entry"] = {"when": {"stage": "mql"}}
    world = new_world(documents)
    may_mail(world, "ada")
    # Either the paper that was read before made the lead an MQL, or the webinar of today.
    world.store([seen(world, "1", PAPER if kind == "page.viewed" else "page.viewed")])
    world.now += MINUTE
    world.store([seen(world, "2", kind, email="ada")])
    world.run("follow-up")
    assert world.stage("ada") == "mql"
    assert entered(world) == enrolled


def test_a_derived_event_of_inherited_ones_enrolls_nobody(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["events"]["derived"] = {"visit.long": {"from": "page.viewed", "at_least": 3, "visit_gap": "1 h"}}
    documents["sequences/papers"]["entry"] = {"when": {"did": "visit.long"}}
    world = new_world(documents)
    may_mail(world, "ada")
    world.store([seen(world, str(number), "page.viewed", at=world.now - number * MINUTE) for number in range(3)])
    world.now += MINUTE
    world.store([seen(world, "9", "video.watched", email="ada")])
    world.run("follow-up")
    assert len(world.rows("events", type="visit.long")) == 1
    assert entered(world) == []


def test_inherited_interest_opens_a_task_when_it_makes_an_sql(world):
    """Only enrollments wait for what comes after: sales hears of everybody who is ready."""
    may_mail(world, "ada")
    world.store([seen(world, "1", "demo.requested")])
    world.now += MINUTE
    world.store([seen(world, "2", "page.viewed", email="ada")])
    world.run("follow-up")
    assert [row["status"] for row in world.rows("sales_tasks")] == ["open"]


def test_imported_history_enrolls_nobody_because_the_lead_itself_is_new(world):
    world.store(
        [LeadRecord((Identity("email", "ada@example.com"),), {"email": "ada@example.com"})],
    )
    world.happens("ada", PAPER, world.now - timedelta(days=90), silent=True)
    world.happens("ada", "page.viewed")
    world.run()
    assert (world.stage("ada"), entered(world)) == ("mql", [])
    world.happens("ada", PAPER)
    world.days(1)
    assert entered(world) == [], "it held before: no edge"
