"""Rendering one e-mail for one lead."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from nurture.definitions.emails import EmailParts, EmailSource
from nurture.errors import BrokenEmail, DefinitionError, MissingField, RenderRefused
from nurture.rendering import Renderer
from tests.nurture.rendering.samples import certain, email, full


def text_of(template: str, **lead: Any) -> str:
    rendered = Renderer([email(template)]).render("hello", None, certain() | {"lead": lead})
    return rendered.text.strip()


def test_values_are_escaped_in_html_and_left_alone_in_text():
    source = email("{{ lead.company }}", html="<p>{{ lead.company }}</p>", subject="{{ lead.company }}")
    rendered = Renderer([source]).render("hello", "en", full())
    assert rendered.subject == "Smede & <Sønner>"
    assert rendered.text == "Smede & <Sønner>\n"
    assert rendered.html == "<p>Smede &amp; &lt;Sønner&gt;</p>"


@pytest.mark.parametrize("blank", [None, "", "  ", "\n"])
def test_a_lead_without_a_needed_field_is_held_with_the_field_and_the_remedy_in_words(blank):
    with pytest.raises(MissingField, match=r"lead\.company") as held:
        text_of("Hi {{ lead.company }}", company=blank)
    assert held.value.email == "hello"
    assert held.value.expression == "lead.company"
    assert 'default("...")' in str(held.value)


def test_a_default_fills_a_missing_field_wherever_it_stands_among_the_filters():
    assert text_of("{{ lead.first_name | default('there') }}") == "there"
    assert text_of("{{ lead.first_name | title | default('there') }}") == "there"
    assert text_of("{{ lead.first_name | title | default('there') }}", first_name="anna mcBride") == "Anna McBride"
    assert text_of("{{ lead.company or account.name or 'you' }}") == "you"


def test_a_condition_on_a_missing_field_is_false_and_holds_nobody():
    template = "{% if lead.country == 'DK' %}DK{% elif lead.country != 'SE' %}not SE{% else %}unknown{% endif %}"
    assert text_of(template) == "unknown"
    assert text_of(template, country="DK") == "DK"
    assert text_of("{% if lead.country %}x{% endif %}-{{ 'y' if lead.country is defined else 'n' }}") == "-n"


def test_a_field_under_needs_holds_a_lead_without_it_although_the_template_has_a_default():
    source = email("{{ lead.company | default('you') }}", needs=["lead.company"])
    with pytest.raises(MissingField, match=r"lead\.company"):
        Renderer([source]).render("hello", None, certain())


class Record:
    """Stands for a row of a database: it has attributes, and code behind them."""

    name = "Anna"

    def dispose(self) -> str:
        """What a template must never reach."""
        return "gone"


@dataclass
class Person:
    name: str


@pytest.mark.parametrize(
    "value",
    [Record(), Person("Anna"), Markup("<b>Anna</b>"), Decimal(1), object, {"a"}, b"Anna", lambda: "Anna", {1: "a"}],
    ids=lambda value: getattr(value, "__name__", None) or type(value).__name__,
)
@pytest.mark.parametrize("place", ["lead", "lead.name", "lead.unknown", "unknown", "unknown.deep"])
def test_anything_but_plain_data_is_refused_at_the_door(value, place):
    context: Any = value
    for name in reversed(place.split(".")):
        context = {name: context}
    with pytest.raises(TypeError, match=r"template context|plain data"):
        Renderer([email()]).render("hello", None, certain() | context)


def test_dates_numbers_and_truth_are_plain_data():
    day, moment = date(2026, 3, 5), datetime(2026, 3, 5, 9, 30, tzinfo=UTC)
    assert text_of("{{ lead.name | date }}", name=day) == "5 March 2026"
    assert text_of("{{ lead.name | date('datetime') }}", name=moment) == "5 March 2026, 09:30"
    assert text_of("{{ lead.name | number(1) }}", name=1234567.25) == "1,234,567.2"


def test_dates_and_numbers_follow_the_language_of_the_mail():
    parts = EmailParts(
        subject="x", text="{{ event.starts_at | date('long') }} / {{ lead.name | number(2) }}", html="<p>x</p>"
    )
    source = EmailSource(name="x", topic="t", kind="transactional", locales={"en": parts, "da": parts})
    context = certain() | {"event": {"starts_at": "2026-03-05"}, "lead": {"name": 1234.5}}
    renderer = Renderer([source])
    assert renderer.render("x", "en", context).text == "Thursday, 5 March 2026 / 1,234.50\n"
    assert renderer.render("x", "da", context).text == "torsdag den 5. marts 2026 / 1.234,50\n"


@pytest.mark.parametrize(
    ("wanted", "got"),
    [("da", "da"), ("da-DK", "da"), ("DA_dk", "da"), ("da-Latn-DK", "da"), ("dan", "en"), ("fr", "en"), (None, "en")],
)
def test_a_lead_gets_the_nearest_language_that_the_mail_has(wanted, got):
    english, danish = (EmailParts(subject=word, text=word, html=word) for word in ("Hello", "Hej på dig"))
    source = EmailSource(name="x", topic="t", kind="transactional", locales={"en": english, "da": danish})
    assert Renderer([source]).render("x", wanted, certain()).locale == got


@pytest.mark.parametrize("name", ["https://evil.test/win", "Win at www.evil.test", "HTTP://evil.test"])
def test_a_name_with_a_link_in_it_counts_as_missing_so_that_forms_cannot_mail_strangers(name):
    assert text_of("Hi {{ lead.first_name | default('there') }}", first_name=name) == "Hi there"


def test_a_link_that_is_not_http_counts_as_missing():
    source = email("x", html='<a href="{{ event.url | default(links.website) }}">x</a>')
    context = certain() | {"event": {"url": "javascript:alert(1)"}}
    assert Renderer([source]).render("hello", None, context).html == '<a href="https://example.com">x</a>'


def test_control_characters_and_reversed_writing_in_a_name_become_blanks():
    assert text_of("{{ lead.name }}", name="An\x00na\u202e \r\n\x1b[31mB\ud800erg") == "An na [31mB erg"


@pytest.mark.parametrize("part", ["subject", "preheader", "text", "html"])
@pytest.mark.parametrize("braces", ["{{ x }}", "{% x %}"])
def test_no_braces_ever_leave(part, braces):
    source = email(**{part: "{{ lead.company }}"})  # type: ignore[arg-type]
    with pytest.raises(RenderRefused, match=part):
        Renderer([source]).render("hello", None, certain() | {"lead": {"company": braces}})


@pytest.mark.parametrize("part", ["subject", "text", "html"])
def test_an_empty_part_is_held(part):
    source = email(**{part: "{% if lead.company %}x{% endif %}"})  # type: ignore[arg-type]
    with pytest.raises(RenderRefused, match=f"the {part} came out empty"):
        Renderer([source]).render("hello", None, certain())


def test_a_mail_larger_than_a_megabyte_is_held():
    source = email("{{ project.name }}")
    with pytest.raises(RenderRefused, match="larger than"):
        Renderer([source]).render("hello", None, certain() | {"project": {"name": "ø" * 600_000}})


def test_the_subject_is_one_line():
    source = email(subject="News from {{ project.name }}\n")
    context = certain() | {"project": {"name": "Example\nWorks\u2028"}}
    assert Renderer([source]).render("hello", None, context).subject == "News from Example Works"


def test_a_comparison_that_makes_no_sense_holds_the_lead_and_tells_nothing_about_him():
    with pytest.raises(RenderRefused) as held:
        text_of("{% if lead.name < 3 %}x{% endif %}y", name="Anna Berg")
    assert "Anna" not in str(held.value)
    assert held.value.__cause__ is None


def test_a_broken_mail_is_refused_for_everybody_and_the_others_still_go():
    renderer = Renderer([email("{{ lead.nme }}", name="broken"), email("Hi", name="whole")])
    with pytest.raises(BrokenEmail, match="did you mean `name`") as broken:
        renderer.render("broken", None, full())
    assert [problem.file for problem in broken.value.problems] == ["emails/broken/text.txt"]
    assert renderer.render("whole", None, full()).text == "Hi\n"
    assert [problem.code for problem in renderer.problems()] == ["unknown-field"]


def test_an_unknown_mail_is_named_with_the_nearest_one():
    with pytest.raises(DefinitionError, match="did you mean `hello`"):
        Renderer([email()]).render("helo", None, certain())


def test_rendering_changes_nothing_in_the_context():
    context = full()
    Renderer([email("{{ lead.name }}")]).render("hello", None, context)
    assert context == full()


PERSONAL = Renderer(
    [
        email(
            "Hi {{ lead.name | default('there') }}",
            subject="{{ lead.name | default('you') }} at {{ lead.company | default('work') }}",
            html='<p title="{{ lead.company | default("-") }}">{{ lead.name | default("you") }}</p>',
        )
    ]
)


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_a_lead_is_called_the_mail_is_sound_or_held(name, company):
    try:
        rendered = PERSONAL.render("hello", None, certain() | {"lead": {"name": name, "company": company}})
    except RenderRefused:
        assert "{" in name + company
        return
    assert rendered.subject.splitlines() == [rendered.subject]
    assert not any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in rendered.subject)
    assert rendered.html.count("<") == rendered.html.count(">") == 2
    assert rendered.html.count('"') == 2
    rendered.text.encode()
