"""Dead letters: those whose time has come, and those whose cause has been mended."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nurture.definitions.catalogue import Catalogue
from nurture.definitions.mappings import Mapping, mapping_from_text
from nurture.errors import BadInput
from tasks.import_file import import_file
from tasks.letters import release_due, replay, waiting_letters
from tests.intake import NOW, SECRET, Store, catalogue, event

DAY = timedelta(days=1)
CRM = """
source: crm
identities: {external: {crm: Id}}
events: [{type: {column: Kind, table: {%s}}, id: Event, occurred_at: Date}]
"""


def again(stored: Store, ids: list[int] | None = None, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"now": NOW, "catalogue": catalogue(), "secret": SECRET, "mapping_of": lambda name: None}
    return replay(stored.database, ids, **{**given, **more})


def imported(stored: Store, folder: Path, content: str, mapping: str | None = None, **more: Any) -> None:
    path = folder / "events.csv"
    path.write_text(content)
    found = mapping_from_text(mapping, "crm.yaml") if mapping else None
    import_file(stored.database, path, "events", found, now=NOW, catalogue=catalogue(), secret=SECRET, **more)


def test_an_event_from_the_future_comes_in_with_the_run_that_reaches_its_time(stored: Store) -> None:
    stored.put(event("1", "demo.requested", "bo@example.com", at=NOW + DAY, properties={"url": "/demo"}), silent=True)

    assert release_due(stored.database, now=NOW + DAY - timedelta(seconds=1), catalogue=catalogue(), secret=SECRET) == {
        "released": 0,
        "events_created": 0,
    }
    found = release_due(stored.database, now=NOW + DAY, catalogue=catalogue(), secret=SECRET)

    assert found == {"released": 1, "events_created": 1}
    assert stored.rows("events", "occurred_at", "received_at", "silent", "properties") == [
        (NOW + DAY, NOW + DAY, True, {"url": "/demo"})
    ]
    assert stored.rows("dead_letters", "status", "settled_at") == [("replayed", NOW + DAY)]
    assert release_due(stored.database, now=NOW + DAY, catalogue=catalogue(), secret=SECRET)["released"] == 0


def test_a_letter_comes_in_once_the_catalogue_knows_its_type(stored: Store, tmp_path: Path) -> None:
    imported(
        stored,
        tmp_path,
        "source,source_event_id,email,type,occurred_at\nweb,1,bo@example.com,tour.booked,2026-03-01\n",
    )
    (letter,) = waiting_letters(stored.database)
    assert (letter["place"], letter["reason"]) == ("events.csv:2", "unknown-event-type")

    assert again(stored) == {"replayed": [], "refused": [letter["id"]], "events_created": 0}
    wider = catalogue().model_dump(by_alias=True)
    wider["events"]["tour.booked"] = {"label": "Tour booked", "channel": "website", "direction": "inbound"}
    done = again(stored, [letter["id"]], catalogue=Catalogue.model_validate(wider))

    assert done == {"replayed": [letter["id"]], "refused": [], "events_created": 1}
    assert stored.rows("events", "type", "source", "silent") == [("tour.booked", "web", True)]
    assert waiting_letters(stored.database) == []


def test_a_letter_is_read_with_the_mapping_as_it_is_today(stored: Store, tmp_path: Path) -> None:
    imported(
        stored,
        tmp_path,
        "Id,Kind,Event,Date\n7,CALL,e1,2026-03-01\n7,VISIT,e2,2026-03-01\n",
        CRM % "CALL: phone.called",
        mapping_name="crm",
    )
    assert stored.rows("events", "source_event_id") == ["e1"]
    mended: Mapping = mapping_from_text(CRM % "CALL: phone.called, VISIT: page.viewed", "crm.yaml")

    assert again(stored)["refused"] == [1], "its mapping is gone"
    assert waiting_letters(stored.database)[0]["message"].startswith("its mapping crm is gone")
    assert again(stored, mapping_of=lambda name: mended if name == "crm" else None)["replayed"] == [1]
    assert stored.rows("events", "source_event_id", "lead_id") == [("e1", 1), ("e2", 1)]


def test_a_letter_that_is_replayed_keeps_the_year_that_its_neighbours_gave_it(stored: Store, tmp_path: Path) -> None:
    text = (
        "source: calls\nidentities: {external: {calls: Id}}\nevents:\n  - type: {column: Kind, table: {%s}}\n"
        "    id: Event\n    occurred_at: {date: {day: Day, month: Month, start_year: 2008, rollover: true}}\n"
    )
    rows = "Id,Kind,Event,Day,Month\n1,A,e1,1,may\n2,A,e2,1,feb\n3,B,e3,2,feb\n4,A,e4,1,jan\n"
    imported(stored, tmp_path, rows, text % "A: phone.called", mapping_name="calls")
    mended = mapping_from_text(text % "A: phone.called, B: phone.called", "calls.yaml")

    again(stored, mapping_of=lambda name: mended)

    years = {row["source_event_id"]: row["occurred_at"].year for row in stored.rows("events")}
    assert years == {"e1": 2008, "e2": 2009, "e3": 2009, "e4": 2010}


def test_what_could_not_be_read_at_all_stays_a_letter(stored: Store, tmp_path: Path) -> None:
    imported(stored, tmp_path, "email,type,occurred_at\nbo@example.com,page.viewed,2026-03-01,,\n")
    (letter,) = waiting_letters(stored.database)

    assert again(stored)["refused"] == [letter["id"]]
    assert waiting_letters(stored.database)[0]["message"] == "the row has 5 fields, the header has 3"


def test_an_unknown_id_is_named(stored: Store) -> None:
    with pytest.raises(BadInput, match="no letter with the id 99 is waiting"):
        again(stored, [99])


def test_an_event_of_our_own_making_can_be_replayed_too(stored: Store) -> None:
    stored.put(event("1", "tour.booked", "bo@example.com"), event("2", "tour.booked", "bo@example.com"))
    assert len(waiting_letters(stored.database)) == 2
    wider = catalogue().model_dump(by_alias=True)
    wider["events"]["tour.booked"] = {"label": "Tour booked", "channel": "website", "direction": "inbound"}

    assert again(stored, catalogue=Catalogue.model_validate(wider))["events_created"] == 2


def test_many_letters_are_replayed_in_batches(stored: Store) -> None:
    stored.put_all([event(str(n), "no.such_type", f"p{n}@example.com") for n in range(1_100)])

    assert len(again(stored)["refused"]) == 1_100
