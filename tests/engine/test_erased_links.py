"""Where links lead is stored: an address that comes from one person's data goes with that person."""

from __future__ import annotations

from copy import deepcopy

from nurture.records import Identity, LeadRecord
from tasks.privacy.erase import erase_lead
from tests.engine.whole import clean
from tests.world import DOCUMENTS


def with_links():
    documents = deepcopy(DOCUMENTS)
    documents["events"]["fields"]["event_url"] = {"type": "text"}
    body = (
        '<p><a href="https://www.example.com/guide">Guide</a> <a href="{{ event.url }}?from=mail">Your seat</a> '
        '<a href="{{ project.url }}/go?to={{ event.url }}">By our site</a></p>'
        '<p>{{ project.postal_address }} <a href="{{ links.unsubscribe }}">Stop</a></p>'
    )
    for name in ("thanks", "more"):
        documents[f"emails/{name}"]["locales"]["en"]["html"] = body
    return documents


def goes_to(world, name, event):
    who = (Identity("email", f"{name}@example.com"),)
    world.lead(name)
    world.store([LeadRecord(who, {}, {"event_url": f"https://www.example.com/{event}"})])
    world.happens(name, "content.white_paper_downloaded")


def links(world):
    """What the stored addresses lead to in the end; each seat has two, its own and one by our site."""
    last = [row["url"].partition("?from=")[0].rpartition("/")[2] for row in world.rows("tracked_links")]
    assert {last.count(each) for each in last if each != "guide"} <= {2}
    return set(last)


def test_the_links_that_only_the_erased_had_go_with_them(new_world):
    world = new_world(with_links())
    for name, event in (("ada", "open-day"), ("bo", "open-day"), ("cy", "seat-of-cy"), ("dan", "seat-of-dan")):
        goes_to(world, name, event)
    world.run()
    assert links(world) == {"guide", "open-day", "seat-of-cy", "seat-of-dan"}
    erase_lead(world.context, "cy@example.com", world.now)
    erase_lead(world.context, "ada@example.com", world.now)
    assert links(world) == {"guide", "open-day", "seat-of-dan"}
    world.merge("bo", "dan")
    erase_lead(world.context, "bo@example.com", world.now)
    assert links(world) == {"guide", "open-day"}
    clean(world)


def test_an_address_that_went_with_somebody_is_given_anew_to_who_has_it_next(new_world):
    world = new_world(with_links())
    for name in ("ada", "bo"):
        goes_to(world, name, "seat")
        world.run()
        assert world.received(name) == ["thanks"]
        assert links(world) == {"guide", "seat"}
        if name == "ada":
            erase_lead(world.context, "ada@example.com", world.now)
            assert links(world) == {"guide"}
