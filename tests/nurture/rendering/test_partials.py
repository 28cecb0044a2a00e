"""Shared pieces of e-mails: included by their written name, one level deep, judged like the e-mail itself."""

from __future__ import annotations

from typing import Any

import pytest

from nurture.problems import errors_in
from nurture.rendering import Renderer, email_problems
from nurture.rendering.pieces import MAX_FLAT
from tests.nurture.rendering.samples import certain, email, full

PARTIALS = {
    "_partials/offer.html": '<p>{% if lead.country in ["DK", "SE"] %}North{% else %}South{% endif %}: '
    "{{ project.name }}</p>",
    "_partials/offer.txt": "{{ lead.company | default('you') }}\n",
}


def problems(
    html: str = "<p>x</p>", partials: dict[str, str] | None = None, **more: Any
) -> list[tuple[str, int, str, str]]:
    found = errors_in(email_problems(email(html=html, partials=PARTIALS if partials is None else partials, **more)))
    return [(each.file, each.line, each.code, each.message) for each in found]


def test_a_partial_is_filled_in_where_it_is_included_in_every_part():
    source = email(
        'Hi {% include "_partials/offer.txt" %}',
        html='<div>{% include "_partials/offer.html" %}</div>',
        subject='For {% include "_partials/offer.txt" %}',
        preheader='{% include "_partials/offer.txt" %}',
        partials=PARTIALS,
    )
    assert email_problems(source) == []
    shown = Renderer([source]).render("hello", None, full())
    assert shown.html == "<div><p>North: Example Works</p></div>"
    assert (shown.text, shown.subject) == ("Hi Smede & <Sønner>\n", "For Smede & <Sønner>")
    assert shown.preheader == "Smede & <Sønner>"
    assert Renderer([source]).render("hello", None, certain()).html == "<div><p>South: Example Works</p></div>"


@pytest.mark.parametrize(
    "include",
    [
        "{% include lead.name %}",
        "{% include 'offer' ~ '.html' %}",
        "{% include ['_partials/offer.html', 'x'] %}",
        "{% include '_partials/offer.html' ignore missing %}",
        "{% include '_partials/offer.html' without context %}",
        "{% include '_partials/../_partials/offer.html' %}",
        "{% include './_partials/offer.html' %}",
        "{% include '/etc/passwd' %}",
        "{% include '_layout.html' %}",
        "{% include 'hello/body.html' %}",
        "{% include '_partials/offer.txt' %}",
        "{% include '_partials/ofer.html' %}",
        "{% import '_partials/offer.html' as offer %}",
        "{% from '_partials/offer.html' import x %}",
    ],
)
def test_anything_but_a_known_partial_by_its_name_is_refused(include):
    [(file, line, code, _)] = problems(f"<p>x</p>\n{include}")
    assert (file, line) == ("emails/hello/body.html", 2)
    assert code in ("template-include", "template-macro")


def test_a_misspelled_partial_is_said_with_the_nearest_one():
    [found] = errors_in(email_problems(email(html="{% include '_partials/ofer.html' %}", partials=PARTIALS)))
    assert found.message == "there is no partial '_partials/ofer.html' for here"
    assert found.remedy == "did you mean `_partials/offer.html`?"


def test_without_partials_nothing_can_be_included():
    assert [code for *_, code, _ in problems("{% include '_partials/offer.html' %}", {})] == ["template-include"]


@pytest.mark.parametrize("other", ["_partials/a.html", "_partials/b.html"])
def test_a_partial_includes_no_other_and_never_itself(other):
    partials = {
        "_partials/a.html": f"x {{% include '{other}' %}}",
        "_partials/b.html": "{% include '_partials/a.html' %}",
    }
    found = problems("{% include '_partials/a.html' %}", partials)
    assert found == [("emails/_partials/a.html", 1, "template-include", "a partial cannot include another one")]


@pytest.mark.parametrize(
    ("partial", "code"),
    [
        ("{{ lead.nme }}", "unknown-field"),
        ("{{ lead.name.__class__ }}", "unknown-field"),
        ("{{ lead.name | safe }}", "unknown-filter"),
        ("<script>x</script>", "html-active"),
        ("<b onclick='x'>x</b>", "html-active"),
        ("{% set x = 1 %}", "template-set"),
        ("{% extends '_layout.html' %}", "template-layout"),
        ("{% block body %}x{% endblock %}", "template-block"),
        ("{% if lead.name %}", "template-syntax"),
        ("<a href='javas&#99;ript:x'>x</a>", "html-address"),
    ],
)
def test_a_partial_is_judged_like_the_e_mail_with_its_own_file_and_line(partial, code):
    layouts = {"_layout.html": "{% block body %}{% endblock %}"}
    found = problems("{% include '_partials/a.html' %}", {"_partials/a.html": f"\n{partial}"}, layouts=layouts)
    assert [(file, line, each) for file, line, each, _ in found] == [("emails/_partials/a.html", 2, code)]


@pytest.mark.parametrize(
    ("html", "partial", "code"),
    [
        ("<a href=\"{% include '_partials/a.html' %}\">x</a>", "{{ lead.name }}", "html-address"),
        ("<p style=\"{% include '_partials/a.html' %}\">x</p>", "{{ lead.name }}", "html-attribute"),
        ("<a href=\"java{% include '_partials/a.html' %}\">x</a>", "script:alert(1)", "html-address"),
        ("<{% include '_partials/a.html' %}>x", "script", "html-active"),
        ("<style>p { {% include '_partials/a.html' %} }</style>", "color: {{ lead.name }}", "html-attribute"),
        ("<p {% include '_partials/a.html' %}>x</p>", "{{ lead.name }}", "html-attribute"),
    ],
)
def test_a_partial_in_a_dangerous_place_is_refused_although_each_file_alone_is_sound(html, partial, code):
    assert code in [each for *_, each, _ in problems(html, {"_partials/a.html": partial})]


def test_a_partial_that_no_e_mail_uses_breaks_none():
    assert problems("<p>x</p>", {"_partials/a.html": "{{ lead.nme }}"}) == []


def test_many_large_partials_are_refused_as_a_whole():
    partial = {"_partials/a.html": "x" * 90_000}
    many = "{% include '_partials/a.html' %}" * (MAX_FLAT // 90_000 + 1)
    assert [code for *_, code, _ in problems(many, partial)] == ["template-size"]


def test_a_partial_outside_of_every_block_is_said():
    layouts = {"_layout.html": "{% block body %}{% endblock %}"}
    html = '{% extends "_layout.html" %}{% include "_partials/offer.html" %}{% block body %}<p>x</p>{% endblock %}'
    assert [code for *_, code, _ in problems(html, layouts=layouts)] == ["template-outside-block"]


def test_partials_serve_a_layout_and_its_obligations():
    layouts = {"_layout.html": '{% block body %}{% endblock %}{% include "_partials/foot.html" %}'}
    foot = '<a href="{{ links.unsubscribe }}">Unsubscribe</a> {{ project.postal_address }}'
    html = '{% extends "_layout.html" %}{% block body %}<p>x</p>{% endblock %}'
    text = "{{ links.unsubscribe }} {{ project.postal_address }}"
    whole = email(text, html=html, kind="marketing", layouts=layouts, partials={"_partials/foot.html": foot})
    assert email_problems(whole) == []
