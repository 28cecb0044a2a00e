"""Real exports through the shipped mappings: every row is used, skipped for a stated reason, or refused with one."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from connectors.events.files import open_records
from nurture.records import EventRecord, LeadRecord
from nurture.row_mapping import RowMapper
from tasks.import_file import ImportReport, import_file
from tasks.mappers import load_mapping
from tests.intake import NOW, SECRET, TEMPLATES, Store, catalogue

MARKETO = {
    "email_delivered": ("email.delivered", 100),
    "open_email": ("email.opened", 100),
    "click_email": ("email.clicked", 100),
    "unsubscribe_email": ("email.unsubscribed", 100),
    "send_email": (None, 0),
    "change_data_value": (None, 0),
    "merge_leads": (None, 0),
    "delete_lead": (None, 0),
}


@pytest.fixture(scope="session")
def exports(shared_data: Path) -> Path:
    """The folder of lead data."""
    return shared_data / "leads"


def run(stored: Store, path: Path, kind: str, mapping: str) -> ImportReport:
    """Import an export with a shipped mapping."""
    return import_file(
        stored.database,
        path,
        kind,  # type: ignore[arg-type]
        load_mapping(mapping, TEMPLATES),
        now=NOW,
        catalogue=catalogue(),
        secret=SECRET,
        mapping_name=mapping,
    )


def types(stored: Store) -> Counter[str]:
    return Counter(stored.rows("events", "type"))


def test_x_education(stored: Store, exports: Path) -> None:
    path = exports / "x_education" / "Leads.dev60.csv"
    report = run(stored, path, "leads", "x_education")

    assert (report.rows, report.created, report.refused, report.skipped) == (5549, 5549, 0, 0)
    found = types(stored)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert found["page.viewed"] == sum(int(row["TotalVisits"] or 0) for row in rows)
    assert (found["deal.won"], found["content.catalogue_browsed"], found["content.ebook_downloaded"]) == (
        2117,
        2938,
        1723,
    )
    assert found["form.contact_submitted"] == 55
    assert set(stored.rows("events", "occurred_at")) == {NOW}, "a snapshot has no dates"
    assert "Select" not in {value for row in stored.rows("leads", "attributes") for value in row.values()}
    stops = {"Unsubscribed", "Email Marked Spam"}
    stopped = [
        row
        for row in rows
        if row["Do Not Email"] == "Yes" or stops & {row["Last Activity"], row["Last Notable Activity"]}
    ]
    assert len(set(stored.rows("consent_states", "lead_id", status="withdrawn"))) == len(stopped)
    assert stored.rows("leads", "country")[1] == "IN"

    before = stored.rows("leads"), types(stored), len(stored.rows("consents"))
    again = run(stored, path, "leads", "x_education")
    assert (again.created, again.updated, again.duplicates) == (0, 0, 5549)
    assert (stored.rows("leads"), types(stored), len(stored.rows("consents"))) == before


def test_a_later_snapshot_of_x_education_adds_only_what_is_new(stored: Store, exports: Path, tmp_path: Path) -> None:
    with (exports / "x_education" / "Leads.dev60.csv").open(encoding="utf-8") as file:
        lines = list(islice(file, 200))
    first, later = tmp_path / "monday.csv", tmp_path / "tuesday.csv"
    first.write_text("".join(lines[:100]), encoding="utf-8")
    later.write_text("".join(lines), encoding="utf-8")
    run(stored, first, "leads", "x_education")
    events = len(stored.rows("events"))

    report = run(stored, later, "leads", "x_education")

    assert (report.created, report.updated, report.duplicates) == (100, 0, 99)
    assert report.counts["events_created"] == len(stored.rows("events")) - events
    assert report.counts["duplicates"] >= events


def test_every_call_of_the_bank_has_its_year(exports: Path) -> None:
    mapper = RowMapper(load_mapping("bank_marketing", TEMPLATES), "leads")
    years: Counter[int] = Counter()
    bought = 0
    last = None
    with open_records(exports / "bank_marketing" / "bank-full.csv") as file:
        assert file.check() == 45_211
        for row in file.rows():
            lead, call, *purchase = mapper.read(row.values, NOW, row.line)  # type: ignore[union-attr]
            assert isinstance(lead, LeadRecord)
            assert isinstance(call, EventRecord)
            assert last is None or (call.occurred_at.year, call.occurred_at.month) >= (last.year, last.month - 1)
            last = call.occurred_at
            years[call.occurred_at.year] += 1
            bought += len(purchase)

    assert set(years) == {2008, 2009, 2010}
    assert (last.year, last.month) == (2010, 11)  # type: ignore[union-attr]
    assert bought == 5_289


def test_bank_marketing(stored: Store, exports: Path, tmp_path: Path) -> None:
    part = tmp_path / "bank-part.csv"
    with (exports / "bank_marketing" / "bank-full.csv").open(encoding="utf-8") as file:
        part.write_text("".join(islice(file, 3_001)), encoding="utf-8")
    report = run(stored, part, "leads", "bank_marketing")

    assert (report.rows, report.created, report.refused) == (3000, 3000, 0)
    assert types(stored)["telemarketing.called"] == 3000
    (first,) = stored.rows("leads", "attributes", id=1)
    assert (first["age"], first["job"], first["balance"], first["in_default"]) == (58, "management", 2143, False)
    assert "outcome_of_earlier_campaign" not in first, "unknown is no value"
    assert stored.rows("events", "properties", id=1) == [{"seconds": 261}]


def test_hubspot(stored: Store, exports: Path) -> None:
    folder = exports / "fivetran_seeds" / "dbt_hubspot"

    contacts = run(stored, folder / "contact_data.csv", "leads", "hubspot_contacts")
    assert (contacts.rows, contacts.created, contacts.refused) == (22, 19, 0), "one contact has taken in three others"
    emails = run(stored, folder / "email_event_data.csv", "events", "hubspot_email_events")
    assert (emails.rows, emails.created, emails.skipped, emails.refused) == (100, 93, 7, 0)
    assert Counter(stored.rows("events", "type", "machine")) == {
        ("email.opened", False): 90,
        ("email.delivered", False): 3,
    }
    forms = run(stored, folder / "contact_form_submission_data.csv", "events", "hubspot_form_submissions")
    assert (forms.rows, forms.created, forms.refused) == (5, 5, 0)
    assert run(stored, folder / "engagement_contact_data.csv", "events", "hubspot_engagements").created == 1


def test_marketo(stored: Store, exports: Path) -> None:
    folder = exports / "fivetran_seeds" / "dbt_marketo"

    leads = run(stored, folder / "marketo_lead_data.csv", "leads", "marketo_leads")
    assert (leads.rows, leads.created, leads.refused) == (100, 100, 0)
    for name, (kind, count) in MARKETO.items():
        path = folder / f"marketo_activity_{name}_data.csv"
        report = run(stored, path, "events", "marketo_activities")
        assert (report.created, report.refused, report.created + report.skipped) == (count, 0, report.rows), name
        if kind:
            assert types(stored)[kind] == count
    assert len({row["lead_id"] for row in stored.rows("consent_states", status="withdrawn")}) == 98
