"""MJML bodies: what may stand where, what becomes of braces in them, and what is said of mistakes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from nurture.problems import errors_in
from nurture.rendering import Renderer, email_problems
from nurture.rendering.fields import EMAIL_FIELDS, ListOf, record
from tests.nurture.rendering.samples import ADDRESS, UNSUBSCRIBE, certain, email, full


def page(inner: str, head: str = "") -> str:
    """A page with these things in its only column."""
    return (
        f'<mjml lang="en"><mj-head>{head}</mj-head><mj-body><mj-section><mj-column>\n'
        f"{inner}\n</mj-column></mj-section></mj-body></mjml>"
    )


def rendered(mjml: str, context: dict[str, Any] | None = None, **more: Any) -> str:
    source = email(mjml=mjml, **more)
    assert errors_in(email_problems(source)) == []
    return Renderer([source]).render("hello", None, context or full()).html


def problems(mjml: str, **more: Any) -> list[tuple[int, str, str, str]]:
    found = errors_in(email_problems(email(mjml=mjml, **more)))
    assert all(each.file == "emails/hello/body.mjml" for each in found)
    return [(each.line, each.code, each.message, each.remedy) for each in found]


def test_mjml_becomes_html_once_and_values_are_filled_in_and_escaped():
    source = email(mjml=page("<mj-text>Hi {{ lead.company }}</mj-text>"))
    renderer = Renderer([source])
    html = renderer.render("hello", None, full()).html
    assert html.lower().startswith("<!doctype html>")
    assert "Hi Smede &amp; &lt;Sønner&gt;</div>" in html
    assert "mj-text" not in html
    assert "mj-column-per-100" in html
    assert "Hi other" in renderer.render("hello", None, certain() | {"lead": {"company": "other"}}).html


CONDITIONAL = page(
    "<mj-text>always</mj-text>"
    '{% if lead.country in ["DK", "SE"] %}<mj-text>north</mj-text><mj-button href="{{ links.website }}">Go</mj-button>'
    '{% elif lead.country == "DE" %}<mj-text>southward</mj-text>{% else %}<mj-text>elsewhere</mj-text>{% endif %}'
)


@pytest.mark.parametrize(
    ("country", "there"),
    [("DK", "north"), ("SE", "north"), ("DE", "southward"), ("FR", "elsewhere"), (None, "elsewhere")],
)
def test_a_condition_between_elements_takes_them_in_or_leaves_them_out_whole(country, there):
    html = rendered(CONDITIONAL, certain() | {"lead": {"country": country}})
    assert [word for word in ("always", "north", "southward", "elsewhere") if word in html] == ["always", there]
    assert html.count("<tr>") == html.count("</tr>")
    assert html.count("<td") == html.count("</td>")
    assert ('href="https://example.com"' in html) == (there == "north")


def test_a_condition_may_choose_whole_sections_and_stand_inside_words_and_attributes():
    mjml = (
        '<mjml lang="en"><mj-body>{% if lead.company %}<mj-section><mj-column><mj-text>A{% if lead.city %}, '
        '{{ lead.city }}{% endif %}</mj-text></mj-column></mj-section>{% else %}<mj-section><mj-column><mj-text align="'
        '{% if lead.name %}left{% else %}right{% endif %}">B</mj-text></mj-column></mj-section>{% endif %}'
        "</mj-body></mjml>"
    )
    with_company, without = rendered(mjml), rendered(mjml, certain())
    assert ("A, Århus</div>" in with_company, "B</div>" in with_company) == (True, False)
    assert ("A" in re.sub(r"<[^>]*>", "", without), "text-align:right" in without) == (False, True)
    for html in (with_company, without):
        assert html.count("<!--[if mso | IE]>") == html.count("<![endif]-->") - html.count("<!--<![endif]-->") - 2
        assert html.count("<table") == html.count("</table")


def test_a_loop_repeats_rows_of_a_table():
    mjml = page(
        "<mj-table>{% for each in offers %}<tr><td>{{ each.title | default('-') }}</td></tr>{% endfor %}</mj-table>"
    )
    source = email(mjml=mjml)
    fields = {**EMAIL_FIELDS, "offers": ListOf(record(("title",)))}
    offers = {"offers": [{"title": "One"}, {"title": "<Two>"}]}
    html = Renderer([source], fields).render("hello", None, certain() | offers).html
    assert "<tr><td>One</td></tr><tr><td>&lt;Two&gt;</td></tr>" in html


def test_layout_blocks_and_partials_are_put_together_before_mjml_sees_them():
    layouts = {"_layout.mjml": page('{% block body %}{% endblock %}{% include "_partials/foot.mjml" %}')}
    partials = {
        "_partials/foot.mjml": "<mj-text>{{ project.postal_address }}</mj-text>",
        "_partials/words.html": "<b>{{ project.name }}</b>",
    }
    words = '<mj-text>{% include "_partials/words.html" %}</mj-text>'
    body = f'{{% extends "_layout.mjml" %}}{{% block body %}}{words}{{% endblock %}}'
    html = rendered(body, layouts=layouts, partials=partials)
    assert html.index("<b>Example Works</b>") < html.index(ADDRESS[0])


def test_a_marketing_mail_in_mjml_shows_address_and_unsubscribe_link_in_both_parts():
    whole = page('<mj-text><a href="{{ links.unsubscribe }}">Unsubscribe</a><br>{{ project.postal_address }}</mj-text>')
    shown = Renderer([email("", mjml=whole, kind="marketing")]).render("hello", None, full())
    assert UNSUBSCRIBE in shown.text
    assert UNSUBSCRIBE.replace("&", "&amp;") in shown.html
    hidden = page(
        '<mj-raw><tr><td style="display:none"><a href="{{ links.unsubscribe }}">x</a></td></tr></mj-raw>'
        "<mj-text>{{ project.postal_address }}</mj-text>"
    )
    [(_, code, message, _)] = problems(
        hidden, kind="marketing", text="{{ links.unsubscribe }} {{ project.postal_address }}"
    )
    assert (code, message) == ("marketing-obligation", "a marketing e-mail needs its unsubscribe link in both parts")


@pytest.mark.parametrize(
    ("inner", "line", "code", "message", "remedy"),
    [
        ("<mj-txt>x</mj-txt>", 2, "mjml-tag", "there is no MJML tag <mj-txt>", "did you mean `mj-text`?"),
        (
            "<mj-text>x</mj-text>\n<mj-section></mj-section>",
            3,
            "mjml-nesting",
            "<mj-section> cannot stand directly in <mj-column>",
            "put it in <mj-body> or <mj-wrapper>",
        ),
        (
            "<p>x</p>",
            2,
            "mjml-nesting",
            "<p> is HTML and stands outside of any text",
            "put it in <mj-text>",
        ),
        ("\nwords", 3, "mjml-nesting", "words stand directly in <mj-column>", "put them in <mj-text>"),
        ("{{ lead.name }}", 2, "mjml-nesting", "words stand directly in <mj-column>", "put them in <mj-text>"),
        ("<mj-text>x", 3, "mjml-syntax", "</mj-column> closes nothing that is open here", "close <mj-text> first"),
        ("<mj-text><b>x</mj-text>", 2, "mjml-syntax", "</mj-text> closes nothing that is open here", "close <b> first"),
        ("<mj-text>a < b</mj-text>", 2, "mjml-syntax", "a bare `<` begins no tag", "write &lt;"),
        (
            '<mj-text colour="red">x</mj-text>',
            2,
            "mjml-attribute",
            "MJML has no attribute colour",
            "did you mean `color`?",
        ),
        (
            "<mj-text align=left>x</mj-text>",
            2,
            "mjml-syntax",
            "align needs quotes round its value",
            'write align="..."',
        ),
        (
            '<mj-include path="./header.mjml" />',
            2,
            "mjml-tag",
            "an e-mail cannot use <mj-include>",
            'write `{% include "_partials/name.mjml" %}`',
        ),
        (
            "<mj-text><mj-button>x</mj-button></mj-text>",
            2,
            "mjml-nesting",
            "<mj-button> cannot stand in <mj-text>, which holds HTML",
            "move it out",
        ),
    ],
)
def test_a_mistake_is_said_with_its_line_and_what_to_do(inner, line, code, message, remedy):
    assert (line, code, message, remedy) in problems(page(inner))


def test_a_page_without_mjml_in_it_is_no_page():
    assert [code for _, code, *_ in problems("Hello")] == ["mjml-nesting", "mjml-syntax"]


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ("{% if lead.name %}<mj-text>{% endif %}x</mj-text>", "html-condition"),
        ("{% if lead.name %}</mj-column><mj-column>{% endif %}<mj-text>x</mj-text>", "html-condition"),
        ('<mj-text {% if lead.name %}align="left"{% endif %}>x</mj-text>', "html-condition"),
        ('<mj-image src="https://example.com/a.png" alt="" width="{{ project.name }}" />', "mjml-lost"),
    ],
)
def test_braces_that_mjml_would_tear_apart_or_lose_are_refused(inner, code):
    assert {each for _, each, *_ in problems(page(inner))} >= {code}


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ("<mj-raw><script>x</script></mj-raw>", "html-active"),
        ("<mj-raw><scr{% if lead.name %}ipt>{% endif %}</mj-raw>", "html-condition"),
        ("<mj-text><p onclick='x'>x</p></mj-text>", "html-active"),
        ('<mj-button href="javascript:alert(1)">x</mj-button>', "html-active"),
        ('<mj-button href="java&#115;cript:alert(1)">x</mj-button>', "html-address"),
        ('<mj-button href="data:text/html,x">x</mj-button>', "html-address"),
        ('<mj-button href="java{% if lead.name %}script:x{% endif %}">x</mj-button>', "html-address"),
        ('<mj-button href="{{ lead.company }}">x</mj-button>', "html-address"),
        ('<mj-image alt="" src="{{ lead.company }}" />', "html-address"),
        ('<mj-text color="{{ lead.company }}">x</mj-text>', "html-attribute"),
        ('<mj-text css-class="{{ lead.company }}" padding="{{ lead.city }}">x</mj-text>', "html-attribute"),
        ('<mj-text><a href="{{ links.website }}" style="{{ lead.company }}">x</a></mj-text>', "html-attribute"),
        ("<mj-text><!-- {{ lead.company }} --></mj-text>", "html-attribute"),
        ("<mj-text><!-- {% if lead.name %} -->x<!-- {% endif %} --></mj-text>", "html-condition"),
        ("<mj-text>&#123;{ lead.name }}</mj-text><mj-text>{% raw %}{{ x }}{% endraw %}</mj-text>", "template-braces"),
        ("<mj-carousel></mj-carousel>", "mjml-tag"),
        ('<mj-raw><link href="https://example.com/x.css" rel="stylesheet"></mj-raw>', "html-active"),
    ],
)
def test_nothing_that_acts_gets_past_by_mjml(inner, code):
    assert code in {each for _, each, *_ in problems(page(inner))}


@pytest.mark.parametrize(
    ("head", "code"),
    [
        ("<mj-style>.a { color: {{ lead.company }} }</mj-style>", "html-attribute"),
        ("<mj-style>{% if lead.name %}.a { color: red }{% endif %}</mj-style>", "html-attribute"),
        ('<mj-style inline="inline">@import url(https://example.com/x.css);</mj-style>', "css-import"),
        ('<mj-font name="X" href="https://example.com/x.css" />', "mjml-tag"),
        ('<mj-include path="/etc/passwd" type="css" />', "mjml-tag"),
        ("<mj-attributes><mj-all color='{{ lead.company }}' /></mj-attributes>", "html-attribute"),
        ("<mj-style>.a { width: expression(alert(1)) }</mj-style>", "html-active"),
    ],
)
def test_nothing_that_acts_gets_past_by_the_head_of_an_mjml_page(head, code):
    assert code in {each for _, each, *_ in problems(page("<mj-text>x</mj-text>", head))}


def test_nothing_of_a_page_is_fetched_from_elsewhere():
    html = rendered(page("<mj-text>x</mj-text><mj-divider />"))
    assert "googleapis" not in html
    assert "@import" not in html
    assert "<link" not in html


def test_words_that_look_like_braces_after_compiling_never_become_a_statement():
    source = email(mjml=page("<mj-text>&#123;% if lead.name %&#125; &#123;&#123; lead.name &#125;&#125;</mj-text>"))
    html = Renderer([source]).render("hello", None, full()).html
    assert "Søren" not in html
    assert "&#123;" in html


def test_a_style_of_the_head_is_written_into_the_elements_and_media_queries_stay():
    head = (
        '<mj-style inline="inline">.q p { color: #123456; }</mj-style>'
        "<mj-style>@media (prefers-color-scheme: dark) { p { color: white !important; } }</mj-style>"
    )
    html = rendered(page('<mj-text css-class="q"><p>{{ project.name }}</p></mj-text>', head))
    assert '<p style="color: #123456;">Example Works</p>' in html
    assert "@media (prefers-color-scheme: dark)" in html


def test_the_preview_is_hidden_and_not_in_white_as_spammers_hide_words():
    html = rendered(page("<mj-text>Hi</mj-text>", "<mj-preview>What it is about</mj-preview>"))
    [style] = re.findall(r'<div style="([^"]*)">What it is about', html)
    assert "display:none" in style
    assert "color" not in style
