"""Mapping files: what they may say, how their errors are named, and what a row becomes."""

from __future__ import annotations

from datetime import UTC, datetime
from textwrap import dedent
from typing import Any

import pytest

from nurture.definitions.mappings import Mapping, mapping_from_text, unknown_types
from nurture.definitions.usual_columns import usual_columns, usual_mapping
from nurture.errors import BadInput
from nurture.records import EventRecord, Identity, LeadRecord, Refused
from nurture.row_mapping import RowMapper, apply_mapping
from tests.intake import NOW, TEMPLATES, catalogue

BASE = """
source: crm
missing: ["Select"]
time_zone: Europe/Copenhagen
identities:
  email: Mail
  external: {crm: Id}
"""


def mapping(text: str = "", base: str = BASE) -> Mapping:
    return mapping_from_text(base + dedent(text), "crm.yaml")


def read(text: str, row: dict[str, Any], *, kind: str = "events", line: int = 2) -> list[Any]:
    return apply_mapping(mapping(text), {"Mail": "bo@example.com", "Id": "7", **row}, NOW, line, kind)


def refused(text: str, row: dict[str, Any], **more: Any) -> tuple[str, str]:
    (found,) = read(text, row, **more)
    assert isinstance(found, Refused)
    return found.reason, found.message


# --- The file ---------------------------------------------------------------------------------------------------------


def test_every_shipped_mapping_can_be_read_and_names_known_types() -> None:
    files = sorted((TEMPLATES / "mappings").glob("*.yaml"))

    assert len(files) >= 8
    for file in files:
        found = mapping_from_text(file.read_text(encoding="utf-8"), file.name)
        assert unknown_types(found, catalogue()) == [], file.name
        assert not found.is_only_dialect


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("lead:\n  felds: {}\n", 8, "`felds`"),
        ("lead:\n  fields: {emial: Mail}\n", 8, "`emial` is no profile field"),
        ("events:\n  - type: page.viewed\n    occured_at: Date\n", 9, "did you mean `occurred_at`?"),
        ("events:\n  - type: page.viewed\n    occurred_at: import_now\n", 8, "`occurred_at: import_now` needs `id`"),
        ("lead:\n  consents:\n    - {status: granted}\n", 9, "give either `topic` or `channel`"),
        ("delimiter: '~~'\n", 7, "a delimiter is one character"),
        ("time_zone: Mars/Olympus\n", 7, "not a time zone"),
    ],
)
def test_an_error_names_file_line_and_what_is_wrong(text: str, line: int, says: str) -> None:
    base = BASE.replace("time_zone: Europe/Copenhagen\n", "") + "\n" if text.startswith("time_zone") else BASE
    with pytest.raises(BadInput) as caught:
        mapping_from_text(base.lstrip("\n") + text, "crm.yaml")
    assert says in str(caught.value)
    assert str(caught.value).startswith("crm.yaml:")
    assert abs(int(str(caught.value).split(":")[1]) - line) <= 1


def test_unknown_types_and_topics_are_named_with_the_nearest_one() -> None:
    found = mapping(
        """
        lead: {consents: [{topic: newsleter, status: granted}]}
        events:
          - {type: demo.requestd, occurred_at: Date}
          - {type: {column: Kind, table: {a: page.view}}, occurred_at: Date}
        """
    )

    assert unknown_types(found, catalogue()) == [
        "`demo.requestd` is no event type of events.yaml (did you mean `demo.requested`?)",
        "`page.view` is no event type of events.yaml (did you mean `page.viewed`?)",
        "`newsleter` is no topic of events.yaml (did you mean `newsletter`?)",
    ]


# --- Leads ------------------------------------------------------------------------------------------------------------


def test_a_row_becomes_a_lead() -> None:
    (lead,) = read(
        """
        lead:
          fields: {country: Land, company: Firm, source: {column: From, table: {G: google}, otherwise: keep}}
          attributes: {employees: {column: Size, type: number}, vip: {column: Vip, type: boolean}, seen: Seen}
          created_at: Since
          updated_at: {column: Changed, format: "%d.%m.%Y"}
        """,
        {
            "Land": "Danmark",
            "Firm": " Ørsted  A/S ",
            "From": "G",
            "Size": "1200",
            "Vip": "yes",
            "Seen": "Select",
            "Since": "2026-03-01 13:00",
            "Changed": "02.03.2026",
        },
        kind="leads",
    )

    assert isinstance(lead, LeadRecord)
    assert lead.identities == (Identity("email", "bo@example.com"), Identity("external:crm", "7"))
    assert lead.fields == {"email": "bo@example.com", "country": "DK", "company": "Ørsted A/S", "source": "google"}
    assert lead.attributes == {"employees": 1200, "vip": True}
    assert lead.created_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert lead.as_of == datetime(2026, 3, 1, 23, tzinfo=UTC)


def test_a_phone_number_is_read_with_the_country_of_its_row() -> None:
    text = "phone_country: SE\nidentities: {phone: Tel}\nlead: {fields: {country: Land}}\n"
    found = mapping_from_text(text, "crm.yaml")

    for country, number in (("Danmark", "+4512345678"), ("", "+4612345678")):
        (lead,) = apply_mapping(found, {"Tel": "12345678", "Land": country}, NOW, 2)
        assert isinstance(lead, LeadRecord)
        assert lead.identities == (Identity("phone", number),)


def test_one_cell_may_hold_several_ids() -> None:
    text = 'identities: {external: {crm: [Id, {column: Merged, split: ";", optional: true}]}}\n'
    (lead,) = apply_mapping(mapping_from_text(text, "crm.yaml"), {"Id": "1", "Merged": "2; 3;"}, NOW, 2)

    assert isinstance(lead, LeadRecord)
    assert [each.value for each in lead.identities] == ["1", "2", "3"]


def test_a_row_about_nobody_is_refused() -> None:
    assert refused("", {"Mail": " ", "Id": "Select"}, kind="leads") == (
        "no-identifier",
        "no e-mail address, phone number or other identifier: nobody can be recognised",
    )


def test_a_bad_address_is_refused_though_there_is_another_identifier() -> None:
    assert refused("", {"Mail": "bo@example"}, kind="leads")[0] == "bad-email"


def test_a_time_zone_that_nobody_knows_is_refused() -> None:
    text = "lead: {fields: {time_zone: Zone}}\n"

    assert read(text, {"Zone": "Europe/Copenhagen"}, kind="leads")[0].fields["time_zone"] == "Europe/Copenhagen"
    assert refused(text, {"Zone": "Copenhagen"}, kind="leads") == (
        "bad-value",
        "`Copenhagen` is not a time zone; write it like `Europe/Copenhagen`",
    )


def test_consents_come_with_basis_source_and_condition() -> None:
    text = """
        lead:
          consents:
            - {topic: newsletter, status: {column: News, table: {"1": granted, "0": withdrawn}}, source: form 12}
            - {channel: email, status: withdrawn, basis: none, when: {Stop: "Yes"}}
        """
    (both,) = read(text, {"News": "1", "Stop": "Yes"}, kind="leads")
    (none,) = read(text, {"News": "", "Stop": "No"}, kind="leads")

    assert [(each.topic, each.channel, each.status, each.basis, each.source) for each in both.consents] == [
        ("newsletter", None, "granted", "consent", "form 12"),
        (None, "email", "withdrawn", "none", "crm"),
    ]
    assert none.consents == ()


def test_columns_that_nobody_named_become_attributes_when_asked() -> None:
    (lead,) = read("other_columns: attributes\n", {"What matters most": "Price", "Empty": "", "Page": 3}, kind="leads")

    assert lead.attributes == {"what_matters_most": "Price", "page": 3}


# --- Events -----------------------------------------------------------------------------------------------------------

CLICK = "events: [{type: email.clicked, id: Event, occurred_at: Date, properties: {url: Link}}]\n"


def test_a_row_becomes_an_event() -> None:
    (event,) = read(CLICK, {"Event": "e1", "Date": "2026-03-01 13:00", "Link": "https://example.com"})

    assert isinstance(event, EventRecord)
    assert (event.source, event.source_event_id, event.type) == ("crm", "e1", "email.clicked")
    assert event.occurred_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert (event.properties, event.contact) == ({"url": "https://example.com"}, {"email": "bo@example.com"})


def test_a_table_gives_the_type_and_an_unknown_word_is_refused_unless_the_mapping_says_otherwise() -> None:
    text = "events: [{type: {column: Kind, table: {OPEN: email.opened}%s}, id: Event, occurred_at: Date}]\n"
    row = {"Event": "e1", "Date": "2026-03-01"}

    assert read(text % "", {**row, "Kind": "OPEN"})[0].type == "email.opened"
    assert read(text % "", {**row, "Kind": ""}) == []
    assert refused(text % "", {**row, "Kind": "SENT"}) == (
        "unmapped-value",
        "the mapping's table for `Kind` does not name `SENT`; add it there, or write `otherwise: skip`",
    )
    assert read(text % ", otherwise: skip", {**row, "Kind": "SENT"}) == []
    assert read(text % ", otherwise: keep", {**row, "Kind": "email.sent"})[0].type == "email.sent"


def test_a_count_gives_so_many_events_whose_ids_stay_when_it_grows() -> None:
    text = "events: [{type: page.viewed, id: [Id], occurred_at: import_now, count: Visits}]\n"

    assert [each.source_event_id for each in read(text, {"Visits": "2"})] == ["7:page.viewed:1", "7:page.viewed:2"]
    assert [each.source_event_id for each in read(text, {"Visits": "3"})][:2] == ["7:page.viewed:1", "7:page.viewed:2"]
    assert read(text, {"Visits": "0"}) == read(text, {"Visits": ""}) == []
    assert refused(text, {"Visits": "1000000"}) == ("bad-value", "a count of events lies between 0 and 1000")


def test_an_event_without_an_id_is_known_by_its_content() -> None:
    text = "events: [{type: page.viewed, occurred_at: Date, properties: {url: Link}}]\n"
    row = {"Date": "2026-03-01", "Link": "/a"}
    one, again, other = (read(text, each)[0] for each in (row, row, {**row, "Link": "/b"}))

    assert one.source_event_id == again.source_event_id
    assert one.source_event_id != other.source_event_id


def test_conditions_say_which_rows_count_and_which_are_machines() -> None:
    text = (
        "events: [{type: email.opened, id: Event, occurred_at: import_now, "
        "when: {Size: {at_least: 10}}, machine: {Bot: true}}]\n"
    )

    assert read(text, {"Event": "1", "Size": "9"}) == []
    assert read(text, {"Event": "1", "Size": "10", "Bot": "FALSE"})[0].machine is False
    assert read(text, {"Event": "1", "Size": "10.5", "Bot": "TRUE"})[0].machine is True


def test_the_year_goes_up_when_the_month_goes_back() -> None:
    text = """
        events:
          - type: phone.called
            id: Event
            occurred_at: {date: {day: Day, month: Month, start_year: 2008, rollover: true}}
        """
    mapper = RowMapper(mapping(text), "events")
    found: list[Any] = []
    for number, (day, month) in enumerate([("5", "may"), ("1", "Nov"), ("30", "2"), ("28", "feb"), ("3", "jan")]):
        row = {"Id": "7", "Event": str(number), "Day": day, "Month": month}
        found += mapper.read(row, NOW, number + 2)

    assert [each.occurred_at.date().isoformat() for each in found if isinstance(each, EventRecord)] == [
        "2008-05-04",  # midnight in Copenhagen is the evening before in UTC
        "2008-10-31",
        "2009-02-27",
        "2010-01-02",
    ]
    assert isinstance(found[2], Refused)
    assert found[2].message == "day, month and year make no date"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"Event": "1", "Date": "", "Link": "/"}, "no-date"),
        ({"Event": "1", "Date": "soon", "Link": "/"}, "bad-instant"),
        ({"Event": "x" * 201, "Date": "2026-03-01"}, "too-long"),
        ({"Event": "1", "Date": "2026-03-01", "Link": "a\x00b"}, "control-character"),
        ({"Event": "1", "Date": "2026-03-01", "Link": "\ud800"}, "control-character"),
        ({"Event": "1", "Date": "2026-03-01", "Link": float("nan")}, "bad-value"),
        ({"Event": "1", "Date": "2026-03-01", "Link": [[[[[[[[[["deep"]]]]]]]]]]}, "too-deep"),
        ({"Event": "1", "Date": "2026-03-01", "Link": "x" * 5_000}, "too-long"),
    ],
)
def test_a_row_that_cannot_be_used_says_why_in_one_word(row: dict[str, Any], reason: str) -> None:
    assert refused(CLICK, row)[0] == reason


# --- Without a mapping ------------------------------------------------------------------------------------------------


def usual(kind: str, row: dict[str, Any]) -> list[Any]:
    return apply_mapping(usual_mapping(kind, row, catalogue()), row, NOW, 2, kind)


def test_leads_by_their_usual_columns() -> None:
    (lead,) = usual(
        "leads",
        {
            "email": "bo@example.com",
            "external_id": "7",
            "company": "Acme",
            "employees": "12",
            "attributes.colour": "red",
            "consent.newsletter": "yes",
            "consent_source": "fair 2026",
            "consent_at": "2026-03-01",
        },
    )

    assert lead.identities == (Identity("email", "bo@example.com"), Identity("external:import", "7"))
    assert lead.attributes == {"employees": 12, "colour": "red"}
    (consent,) = lead.consents
    assert (consent.topic, consent.status, consent.source) == ("newsletter", "granted", "fair 2026")
    assert consent.occurred_at == datetime(2026, 3, 1, tzinfo=UTC)


def test_events_by_their_usual_columns_also_bring_the_lead() -> None:
    row = {
        "source": "website",
        "source_event_id": "1",
        "email": "bo@example.com",
        "type": "page.viewed",
        "occurred_at": "2026-03-01T12:00:00Z",
        "name": "Bo",
        "machine": "true",
        "properties": '{"url": "/a"}',
        "properties.referrer": "google",
    }
    lead, event = usual("events", row)

    assert lead.fields["name"] == "Bo"
    assert (event.source, event.machine) == ("website", True)
    assert event.properties == {"url": "/a", "referrer": "google"}


@pytest.mark.parametrize(("properties", "says"), [("{", "is not JSON"), ("[1]", "is not a JSON object")])
def test_properties_have_to_be_an_object(properties: str, says: str) -> None:
    row = {"email": "bo@example.com", "type": "page.viewed", "occurred_at": "2026-03-01", "properties": properties}
    (found,) = usual("events", row)

    assert isinstance(found, Refused)
    assert says in found.message


def test_the_columns_of_the_manual_are_all_known() -> None:
    assert set(usual_columns("leads", catalogue())) >= {"email", "name", "phone", "company", "country", "source"}
    assert set(usual_columns("events", catalogue())) >= {"source", "source_event_id", "email", "type", "occurred_at"}


# --- The manual -------------------------------------------------------------------------------------------------------


def test_the_example_of_the_manual_can_be_used() -> None:
    manual = (TEMPLATES.parent / "docs" / "mappings.md").read_text(encoding="utf-8")
    example = mapping_from_text(manual.partition("```yaml\n")[2].partition("```")[0], "mappings.md")
    row = {
        "E-mail": "bo@example.com",
        "Phone": "12345678",
        "Id": "7",
        "Country": "n/a",
        "Size": "12",
        "Newsletter": "1",
        "Signed up": "2026-02-01",
        "Created": "2026-01-01",
        "Changed": "2026-03-01",
        "Action": "CLICK",
        "Action id": "e1",
        "When": "01/03/2026 13:00",
        "Link": "https://example.com",
        "Bot": "no",
        "Test": "no",
    }

    lead, click = apply_mapping(example, row, NOW, 2)

    assert unknown_types(example, catalogue()) == []
    assert isinstance(lead, LeadRecord)
    assert Identity("phone", "+4512345678") in lead.identities
    assert isinstance(click, EventRecord)
    assert (click.type, click.occurred_at) == ("email.clicked", datetime(2026, 3, 1, 12, tzinfo=UTC))
