"""The workspace that the demo lives in: the shipped templates, a watched inbox with its mapping, and the known base."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from cli.demo.answers import ASKED_SALES, settled
from cli.demo.business import Arrival, Business, Happening
from cli.demo.people import Person
from nurture.errors import BadInput
from tasks.workspace import RIPEN_TOML, init_workspace

MARK = ".ripen-demo"
_INBOX = '[[sources]]\nkind = "folder"\nname = "inbox"\npath = "inbox"\n'
# A sample may lose its last moments in a power cut; four months of days need not wait for the disk.
_DEMO_DATABASE = 'database_url = "sqlite:///ripen.db?synchronous=normal"\nprofile = "b2b"'
_DEMO_SOURCES = f"""\
# Forms, lists and calls say who somebody is: read by templates/mappings/forms.yaml.
[[sources]]
kind = "folder"
name = "forms"
path = "forms"
mapping = "forms"
settle_seconds = 0   # the demo writes whole files

# Visits, answers to mails and what sales says: the columns have their usual names, so no mapping is needed.
{_INBOX}settle_seconds = 0
"""

MAPPING = """\
# One line a form, a list entry or a call: what happened, and what was said about the person.

source: forms
other_columns: refuse

identities:
  email: {column: email, optional: true}
  phone: {column: phone, optional: true}
  anonymous: {column: visitor, optional: true}

lead:
  fields:
    first_name: first_name
    last_name: last_name
    company: company
    job_title: job_title
    country: country
    city: city
    language: language
    time_zone: time_zone
    source: lead_source
    source_detail: lead_source_detail
  attributes:
    industry: industry
    employees: {column: employees, type: number}
    interest_topic: interest_topic
  updated_at: occurred_at
  consents:
    - {topic: nurture, when: {nurture: "yes"}, occurred_at: occurred_at, source: {column: lead_source_detail}}
    - {topic: events, when: {nurture: "yes"}, occurred_at: occurred_at, source: {column: lead_source_detail}}
    - {topic: newsletter, when: {newsletter: "yes"}, occurred_at: occurred_at, source: {column: lead_source_detail}}
    - {topic: ads, when: {ads: "yes"}, occurred_at: occurred_at, source: {column: lead_source_detail}}

events:
  - type: {column: type}
    when: {type: {is_set: true}}
    id: event_id
    source: {column: system}
    occurred_at: occurred_at
    more_properties: properties
"""

FORM_COLUMNS = (
    "event_id",
    "system",
    "type",
    "occurred_at",
    "email",
    "phone",
    "visitor",
    "first_name",
    "last_name",
    "company",
    "job_title",
    "country",
    "city",
    "language",
    "time_zone",
    "lead_source",
    "lead_source_detail",
    "industry",
    "employees",
    "interest_topic",
    "nurture",
    "newsletter",
    "ads",
    "properties",
)
_LEAD_COLUMNS = (
    "email",
    "phone",
    "first_name",
    "last_name",
    "company",
    "job_title",
    "country",
    "city",
    "language",
    "time_zone",
    "source",
    "source_detail",
    "created_at",
    "industry",
    "employees",
    "interest_topic",
    "consent.nurture",
    "consent.events",
    "consent.newsletter",
    "consent.ads",
    "consent_basis",
    "consent_source",
    "consent_at",
)
_EVENT_COLUMNS = ("source", "source_event_id", "email", "anonymous_id", "type", "occurred_at", "properties")
_INBOX_COLUMNS = (*_EVENT_COLUMNS, "machine")


def make_workspace(home: Path) -> None:
    """Lay out the demo's workspace; one that a demo made before is made anew, any other folder is left alone."""
    if (home / MARK).exists():
        shutil.rmtree(home)
    elif home.exists() and any(home.iterdir()):
        raise BadInput(f"{home} is not empty, and no demo made it; choose another folder with --home")
    init_workspace(home)
    (home / MARK).write_text("Made by `ripen demo`, which may delete this folder and make it anew.\n")
    settings = RIPEN_TOML.replace(_INBOX, _DEMO_SOURCES).replace('profile = "b2b"', _DEMO_DATABASE)
    if _DEMO_SOURCES not in settings:
        raise BadInput("the settings of a new workspace no longer name the inbox; the demo cannot set it up")
    (home / "ripen.toml").write_text(settings)
    (home / "templates" / "mappings").mkdir(parents=True, exist_ok=True)
    (home / "templates" / "mappings" / "forms.yaml").write_text(MAPPING)
    (home / "forms").mkdir(exist_ok=True)


def write_base(business: Business, folder: Path) -> tuple[Path, Path, list[Happening]]:
    """The people known before the first day and their history, as the files of an old system.

    Returns both files, and what these people go on to do from the first day on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    leads, events = folder / "known-leads.csv", folder / "known-events.csv"
    history: list[Happening] = []
    later: list[Happening] = []
    people = []
    for number in range(1, business.known_before + 1):
        _, arrival = business.arrival(number)
        people.append(_lead_row(business.person(number), arrival, business.arrived_at(number).isoformat()))
        for each in _told(business, number):
            (history if each.at < business.opens else later).append(each)
    _write_csv(leads, _LEAD_COLUMNS, people)
    history.sort(key=lambda each: (each.at, each.id))
    _write_csv(events, _EVENT_COLUMNS, (_event_row(each) for each in history))
    return leads, events, later


def _told(business: Business, number: int) -> Iterator[Happening]:
    """The life of somebody who is known already: sales has dealt with what was asked before the first day."""
    for each in business.own_life(number):
        if each.type:
            yield replace(each, says=None)
        if each.type in ASKED_SALES and each.at < business.opens:
            yield from settled(business, each.who, each)


def _profile(who: Person) -> dict[str, Any]:
    """What a person types into a form."""
    company = who.company
    return {
        "first_name": who.first_name,
        "last_name": who.last_name,
        "job_title": who.job_title,
        "city": who.city,
        "country": who.country.code,
        "language": who.country.language,
        "time_zone": who.country.time_zone or "",
        "company": company.name if company else "",
        "industry": company.industry if company else "",
        "employees": company.employees if company else "",
        "interest_topic": who.topic,
    }


def _lead_row(who: Person, arrival: Arrival, created_at: str) -> dict[str, Any]:
    granted = {
        "consent.nurture": arrival.nurture,
        "consent.events": arrival.nurture,
        "consent.newsletter": arrival.newsletter,
        "consent.ads": arrival.ads,
    }
    return {
        **_profile(who),
        "email": who.email,
        "phone": who.phone or "",
        "source": arrival.source,
        "source_detail": arrival.detail,
        "created_at": created_at,
        **{topic: "granted" if yes else "" for topic, yes in granted.items()},
        "consent_basis": "consent",
        "consent_source": arrival.detail,
        "consent_at": created_at,
    }


def _event_row(each: Happening) -> dict[str, Any]:
    return {
        "source": each.system,
        "source_event_id": each.id,
        "email": "" if each.anonymous else each.who.email,
        "anonymous_id": each.who.visitor if each.system == "website" else "",
        "type": each.type,
        "occurred_at": each.at.isoformat(),
        "properties": _json(each.properties),
    }


def form_row(each: Happening) -> dict[str, Any]:
    """One form, list entry or call as a line; a list entry without an event says only who there is."""
    said = each.says
    assert said is not None
    return {
        **_profile(each.who),
        "event_id": each.id,
        "system": each.system,
        "type": each.type,
        "occurred_at": each.at.isoformat(),
        "email": each.who.email,
        "phone": each.who.phone or "",
        "visitor": each.who.visitor if each.system == "website" else "",
        "lead_source": said.source,
        "lead_source_detail": said.detail,
        "nurture": _yes(said.nurture),
        "newsletter": _yes(said.newsletter),
        "ads": _yes(said.ads),
        "properties": _json(each.properties),
    }


def inbox_row(each: Happening) -> dict[str, Any]:
    """One fact as a line of the inbox."""
    return {**_event_row(each), "machine": "true" if each.machine else ""}


def write_facts(
    home: Path, name: str, happenings: Iterable[Happening], broken: Iterable[Mapping[str, Any]] = ()
) -> int:
    """Put facts into the folders that are watched, each file whole or not at all; returns the number of lines."""
    forms, facts = [], []
    for each in happenings:
        (forms.append(form_row(each)) if each.says else facts.append(inbox_row(each)))
    facts += [dict(each) for each in broken]
    for folder, columns, rows in (("forms", FORM_COLUMNS, forms), ("inbox", _INBOX_COLUMNS, facts)):
        if rows:
            half = home / folder / f"{name}.part"
            _write_csv(half, columns, rows)
            half.rename(half.with_suffix(".csv"))
    return len(forms) + len(facts)


def _write_csv(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(columns), restval="")
        writer.writeheader()
        writer.writerows(rows)


def _json(properties: Mapping[str, Any]) -> str:
    return orjson.dumps(properties).decode() if properties else ""


def _yes(given: bool) -> str:
    return "yes" if given else ""
