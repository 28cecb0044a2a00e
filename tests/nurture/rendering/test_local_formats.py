"""Dates, times and numbers in the manner of the mail's language, and clocks in the reader's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from nurture.definitions.catalogue import ProfileField
from nurture.errors import RenderRefused
from nurture.problems import errors_in, warnings_in
from nurture.rendering import Renderer, email_problems, with_profile_fields
from tests.nurture.rendering.samples import certain, email

MOMENT = "2026-07-05T07:30:00+00:00"
TYPES = {
    "renewal": ProfileField(type="date"),
    "employees": ProfileField(type="number"),
    "share": ProfileField(type="number"),
    "member": ProfileField(type="boolean"),
    "note": ProfileField(),
}
FIELDS = with_profile_fields(TYPES)


def shown(template: str, language: str = "en", zone: str | None = None, **lead: Any) -> str:
    source = email(template, locales={language: email(template).locales["en"]}, default_locale=language)
    context = certain() | {"event": {"starts_at": MOMENT}, "lead": lead}
    return Renderer([source], FIELDS).render("hello", None, context, time_zone=zone).text.strip().replace("\u202f", " ")


@pytest.mark.parametrize(
    ("template", "english", "danish", "american", "german"),
    [
        ("event.starts_at | date", "5 July 2026", "5. juli 2026", "July 5, 2026", "5. Juli 2026"),
        (
            "event.starts_at | date('long')",
            "Sunday, 5 July 2026",
            "søndag den 5. juli 2026",
            "Sunday, July 5, 2026",
            "Sonntag, 5. Juli 2026",
        ),
        ("event.starts_at | date('numeric')", "05/07/2026", "05.07.2026", "7/5/26", "05.07.26"),
        ("event.starts_at | date('iso')", "2026-07-05", "2026-07-05", "2026-07-05", "2026-07-05"),
        ("event.starts_at | time", "09:30", "09.30", "9:30 AM", "09:30"),
        ("event.starts_at | time('zone')", "09:30 CEST", "09.30 CEST", None, "09:30 MESZ"),
        (
            "event.starts_at | datetime",
            "5 July 2026, 09:30",
            "5. juli 2026 09.30",
            "July 5, 2026, 9:30 AM",
            "5. Juli 2026, 09:30",
        ),
        ("1234.5 | number", "1,234", "1.234", "1,234", "1.234"),
        ("1234.5 | number(2)", "1,234.50", "1.234,50", "1,234.50", "1.234,50"),
        ("0.255 | percent", "26%", "26\u00a0%", "26%", "26\u00a0%"),
        ("0.255 | percent(1)", "25.5%", "25,5\u00a0%", "25.5%", "25,5\u00a0%"),
        ("1234.5 | money('EUR')", "1,234.50\u00a0€", "1.234,50\u00a0€", "€1,234.50", "1.234,50\u00a0€"),
        ("1234.5 | money('DKK', 0)", "1,234\u00a0DKK", "1.234\u00a0kr.", None, None),
        ("1000 | money('JPY')", None, None, "¥1,000", None),
    ],
)
def test_each_language_has_its_manner(template, english, danish, american, german):
    expected = {"en": english, "da": danish, "en-US": american, "de": german}
    for language, text in expected.items():
        written = f"{{% if event.starts_at %}}{{{{ {template} }}}}{{% endif %}}"
        assert text in (None, shown(written, language, "Europe/Copenhagen"))


def test_a_clock_is_read_in_the_zone_of_the_reader_and_else_in_the_one_that_the_time_carries():
    template = "{% if event.starts_at %}{{ event.starts_at | datetime }}{% endif %}"
    assert shown(template, zone="America/New_York") == "5 July 2026, 03:30"
    assert shown(template, zone="Pacific/Auckland") == "5 July 2026, 19:30"
    assert shown(template) == "5 July 2026, 07:30"
    assert shown(template, zone="Mars/Olympus") == "5 July 2026, 07:30"


def test_the_same_instant_in_two_zones_is_two_texts():
    first = "{{ lead.note | time }} {{ lead.renewal | time }}"
    moment = datetime(2026, 7, 5, 7, 30, tzinfo=UTC)
    assert shown(first, note=moment, renewal="2026-07-05T09:30:00+02:00") == "07:30 09:30"


def test_the_subject_speaks_the_language_too():
    parts = email("x", subject="{{ event.starts_at | date | default('soon') }}").locales["en"]
    source = email("x", locales={"da": parts}, default_locale="da")
    context = certain() | {"event": {"starts_at": MOMENT}}
    assert Renderer([source]).render("hello", None, context).subject == "5. juli 2026"


@pytest.mark.parametrize(
    ("template", "value", "text"),
    [
        ("{{ lead.employees | number }}", 1250, "1,250"),
        ("{{ lead.employees | number }}", "1250", "1,250"),
        ("{{ lead.employees }}", "50.0", "50"),
        ("{% if lead.employees >= 50 %}many{% else %}few{% endif %}", "50", "many"),
        ("{% if lead.employees >= 50 %}many{% else %}few{% endif %}", None, "few"),
        ("{{ lead.employees | number | default('some') }}", None, "some"),
        ("{% if lead.member %}member{% else %}guest{% endif %}", "false", "guest"),
        ("{% if lead.member %}member{% else %}guest{% endif %}", True, "member"),
        ("{{ lead.renewal | date }}", "2026-03-05", "5 March 2026"),
        ("{{ lead.renewal | date }}", date(2026, 3, 5), "5 March 2026"),
        ("{% if lead.renewal < '2026-06-01' %}soon{% else %}later{% endif %}", "2026-03-05", "soon"),
    ],
)
def test_a_declared_field_is_what_its_type_says(template, value, text):
    name = next(each for each in TYPES if f"lead.{each}" in template)
    assert shown(template, **{name: value}) == text


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ lead.renewal | date }}", "in the spring"),
        ("{{ lead.renewal | date }}", "2026-13-45"),
        ("{{ lead.renewal | date }}", 7),
        ("{{ lead.renewal | time }}", "2026-03-05"),
        ("{{ lead.employees | number }}", "about fifty"),
        ("{{ lead.employees | number }}", float("nan")),
        ("{{ lead.employees | number }}", True),
        ("{{ lead.employees | money('EUR') }}", "1e300"),
        ("{{ lead.employees | percent }}", "٣"),
        ("{% if lead.employees > 3 %}x{% endif %}", "about fifty"),
    ],
)
def test_a_value_that_is_none_of_its_type_holds_this_lead_and_does_not_tell_it(template, value):
    name = next(each for each in TYPES if f"lead.{each}" in template)
    with pytest.raises(RenderRefused) as held:
        shown(f"x {template}", **{name: value})
    assert str(value) not in str(held.value)
    assert "hello" in str(held.value)


def codes(template: str) -> list[tuple[str, str]]:
    return [(each.code, each.remedy) for each in errors_in(email_problems(email(template), FIELDS))]


@pytest.mark.parametrize(
    ("template", "remedy"),
    [
        ("{{ project.name | date('huge') }}", 'write `| date("long")`'),
        ("{{ project.name | date(lead.note) }}", 'write `| date("long")`'),
        ("{{ project.name | money }}", 'write `| money("EUR")`'),
        ("{{ project.name | money('XXXX') }}", 'write `| money("EUR")`'),
        ("{{ project.name | money(2) }}", 'write `| money("EUR")`'),
        ("{{ project.name | money('EUR', currency='DKK') }}", 'write `| money("EUR")`'),
        ("{{ project.name | money('EUR', 99) }}", 'write `| money("EUR")`'),
        ("{{ project.name | percent('x') }}", "write `| percent(1)`"),
        ("{{ project.name | time('long') }}", 'write `| time("zone")`'),
    ],
)
def test_arguments_are_written_out_and_known(template, remedy):
    assert codes(template) == [("filter-argument", remedy)]


def test_a_field_of_the_project_is_known_by_its_declared_name_alone():
    assert codes("{{ lead.renewel | date }}") == [("unknown-field", "did you mean `renewal`?")]
    assert codes("{{ lead.renewal | date }}{{ lead.note }}{{ lead.employees }}") == []
    [wrong] = errors_in(email_problems(email("{{ lead.renewal | date }}")))
    assert (wrong.code, wrong.message) == ("unknown-field", "`lead` has no field `renewal`")


def test_a_date_or_yes_and_no_that_would_show_as_it_is_stored_is_remarked():
    text = "{% if lead.member %}{{ lead.member }}{% endif %}{% if lead.renewal %}{{ lead.renewal }}{% endif %}"
    found = warnings_in(email_problems(email(text), FIELDS))
    assert [(each.code, each.remedy) for each in found] == [
        ("field-format", "write `{% if lead.member %}...{% endif %}`"),
        ("field-format", "write `{{ lead.renewal | date }}`"),
    ]


def test_a_condition_on_declared_fields_works_in_every_part():
    choice = (
        '{% if lead.country in ["DK", "SE"] and lead.employees >= 50 %}large{% elif lead.member %}member'
        "{% else %}other{% endif %}"
    )
    source = email(choice, subject=choice, preheader=choice, html=f"<p>{choice}</p>")
    derived = email("", name="derived", html=f"<p>{choice}</p>")
    column = f"<mj-column><mj-text>{choice}</mj-text></mj-column>"
    mjml = f'<mjml lang="en"><mj-body><mj-section>{column}</mj-section></mj-body></mjml>'
    compiled = email("", name="mjml", mjml=mjml)
    assert [each for every in (source, derived, compiled) for each in email_problems(every, FIELDS)] == []
    renderer = Renderer([source, derived, compiled], FIELDS)
    for lead, word in (
        ({"country": "SE", "employees": 50}, "large"),
        ({"country": "FR", "employees": 50, "member": True}, "member"),
        ({}, "other"),
    ):
        mail = renderer.render("hello", None, certain() | {"lead": lead})
        assert (mail.subject, mail.preheader, mail.text, mail.html) == (word, word, f"{word}\n", f"<p>{word}</p>")
        assert renderer.render("derived", None, certain() | {"lead": lead}).text == f"{word}\n"
        assert renderer.render("mjml", None, certain() | {"lead": lead}).text == f"{word}\n"
