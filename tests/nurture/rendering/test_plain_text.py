"""The text of an e-mail that has none of its own: it reads as if somebody had typed it."""

from __future__ import annotations

from typing import Any

import pytest

from nurture.problems import errors_in
from nurture.rendering import Renderer, email_problems
from nurture.rendering.fields import EMAIL_FIELDS, ListOf, record
from tests.nurture.rendering.samples import certain, email, full


def text_of(body: str, context: dict[str, Any] | None = None, **more: Any) -> str:
    source = email("", **({"mjml": body} if "<mjml" in body else {"html": body}) | more)
    assert errors_in(email_problems(source)) == []
    return Renderer([source]).render("hello", None, context or full()).text


LETTER = """<!doctype html>
<html lang="en"><head><title>No title</title>
<style>.pre { display: none; } .address { white-space: pre-line; }</style></head>
<body>
<div class="pre">Hidden junk {{ project.name }} &zwnj;&nbsp;&zwnj;</div>
<p><img src="https://example.com/logo.png" alt="{{ project.name }}"></p>
<h1>Spring news</h1>
<p>Hi {{ lead.first_name | default("there") }},</p>
<p>There are   two reasons
to write&nbsp;&ndash; <em>caf&eacute;</em> and r&oslash;dgr&oslash;d.<br>
Read <a href="https://example.com/a?b=1&amp;c=2">our guide</a> first.</p>
<h2>What is new</h2>
<p>This.</p>
<ul><li>One <b>thing</b></li><li>Another:<ol><li>first</li><li>second</li></ol></li></ul>
<ol start="3"><li><p>Third</p><p>with more</p></li><li>Fourth</li></ol>
<p><a class="button" href="{{ links.website }}/dates">  See the dates  </a></p>
<hr>
<table><tr><th>Item</th><th>Price</th></tr><tr><td>Talk</td><td>{{ 100 | money("EUR") }}</td></tr></table>
<p>Write to <a href="mailto:anna@example.com">anna@example.com</a> or see <a href="https://example.com/">example.com</a>.</p>
<p><a href="{{ links.unsubscribe }}">Unsubscribe</a> | <a href="{{ links.preferences }}">Preferences</a></p>
<p class="address">{{ project.name }}
{{ project.postal_address }}</p>
</body></html>"""

READ = """Example Works

Spring news

Hi Søren,

There are two reasons to write – café and rødgrød.
Read our guide (https://example.com/a?b=1&c=2) first.

What is new
This.

- One thing
- Another:
  1. first
  2. second

3. Third
   with more
4. Fourth

See the dates: https://example.com/dates

----------------------------------------

Item | Price
Talk | 100.00\u00a0€

Write to anna@example.com or see https://example.com/.

Unsubscribe: https://example.com/u/0123456789abcdef?a=1&b=2
Preferences: https://example.com/p/0123456789abcdef

Example Works
Harbour Street 1
2100 Copenhagen
"""


def test_a_letter_in_html_reads_as_if_somebody_had_typed_it():
    assert text_of(LETTER) == READ


MJML = """<mjml lang="da">
<mj-head><mj-preview>Kun for indbakken</mj-preview></mj-head>
<mj-body><mj-section><mj-column>
<mj-image src="https://example.com/a.png" alt="" />
<mj-text><h1>Forår i Ærø</h1><p>Hej {{ lead.first_name }}</p></mj-text>
{% if lead.country in ["DK", "SE"] %}
<mj-text>Vi ses i <a href="https://example.com/kbh">København</a></mj-text>
{% else %}
<mj-text>See you</mj-text>
{% endif %}
<mj-button href="{{ links.website }}/dato">Vælg en dag</mj-button>
<mj-divider />
<mj-table><tr><th>Dag</th><th>Pris</th></tr><tr><td>mandag</td><td>100 kr.</td></tr></mj-table>
</mj-column></mj-section>
<mj-section><mj-column><mj-text>Til venstre</mj-text></mj-column>
<mj-column><mj-text>Til højre</mj-text></mj-column></mj-section>
<mj-section><mj-column><mj-text css-class="foot">
<a href="{{ links.unsubscribe }}">Afmeld</a><br />{{ project.postal_address }}
</mj-text></mj-column></mj-section>
</mj-body></mjml>"""

LÆST = """Forår i Ærø

Hej Søren

Vi ses i København (https://example.com/kbh)

Vælg en dag: https://example.com/dato

Dag | Pris
mandag | 100 kr.

Til venstre

Til højre

Afmeld (https://example.com/u/0123456789abcdef?a=1&b=2)
Harbour Street 1
2100 Copenhagen
"""


def test_a_letter_in_mjml_reads_as_if_somebody_had_typed_it():
    assert text_of(MJML, needs=["lead.first_name"]) == LÆST


@pytest.mark.parametrize(
    ("html", "with_all", "with_nothing"),
    [
        ("<p>Hi{% if lead.first_name %} {{ lead.first_name }}{% endif %}, you</p>", "Hi Søren, you", "Hi, you"),
        ("<p>A</p>{% if lead.city %}<p>B</p>{% endif %}<p>C</p>", "A\n\nB\n\nC", "A\n\nC"),
        ("<ul><li>A</li>{% if lead.city %}<li>B</li>{% endif %}<li>C</li></ul>", "- A\n- B\n- C", "- A\n- C"),
        ("<ol><li>A</li>{% if lead.city %}<li>B</li>{% endif %}<li>C</li></ol>", "- A\n- B\n- C", "- A\n- C"),
        ("<ul><li>{% if lead.city %}A{% else %}B{% endif %} c</li></ul>", "- A c", "- B c"),
        ("<p>{% if lead.city %}A{% endif %} b {% if lead.city %}c{% endif %} d</p>", "A b c d", "b d"),
        (
            "<p>{% if lead.city %}<a href='https://example.com/a'>A</a>{% endif %}</p><p>B</p>",
            "A: https://example.com/a\n\nB",
            "B",
        ),
        (
            "<p>A<br>{% if lead.city %}B<br>{% endif %}C</p>",
            "A\nB\nC",
            "A\nC",
        ),
        (
            "<p><a href='{% if lead.city %}https://example.com/a{% else %}{{ links.website }}{% endif %}'>A</a></p>",
            "A: https://example.com/a",
            "A: https://example.com",
        ),
        ("<p>A</p>{% if lead.city %}<p hidden>B</p>{% endif %}<p>C</p>", "A\n\nC", "A\n\nC"),
        ("<p>A</p><div style='max-height:0;overflow:hidden'>{% if lead.city %}x{% endif %}</div>", "A", "A"),
        ("<p>A {{ lead.company | default('<you>') | e }}</p>", "A Smede & <Sønner>", "A <you>"),
    ],
)
def test_a_condition_leaves_no_hole_behind(html, with_all, with_nothing):
    assert text_of(html) == f"{with_all}\n"
    assert text_of(html, certain()) == f"{with_nothing}\n"


def test_a_loop_says_each_item_on_its_line():
    items = "{% for each in offers %}<li>{{ each.title | default('-') }}</li>{% else %}<li>none</li>{% endfor %}"
    html = f"<ul>{items}</ul><p>x</p>"
    fields = {**EMAIL_FIELDS, "offers": ListOf(record(("title",)))}
    renderer = Renderer([email("", html=html)], fields)
    two = certain() | {"offers": [{"title": "One"}, {"title": "Two"}]}
    assert renderer.render("hello", None, two).text == "- One\n- Two\n\nx\n"
    assert renderer.render("hello", None, certain() | {"offers": []}).text == "- none\n\nx\n"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<a href='https://example.com/x'>https://example.com/x</a>", "https://example.com/x"),
        ("<p>Call <a href='tel:+4570102030'>us</a></p>", "Call us (+4570102030)"),
        ("<p>See <a href='https://example.com/x'><img alt='the plan' src='https://example.com/p.png'></a></p>",
         "See the plan (https://example.com/x)"),
        ("<p>a <a href='https://example.com/x'><img alt='' src='https://example.com/p.png'></a> b</p>", "a b"),
        ("<p><a href='https://example.com/a'>A</a> &middot; <a href='https://example.com/b'>B</a></p>",
         "A: https://example.com/a\nB: https://example.com/b"),
        ("<pre>a\n  b</pre>", "a\nb"),
        ("<p>a</p><!-- a comment -->", "a"),
        ("<div>a</div><div>b</div>", "a\nb"),
        ("<table role='presentation'><tr><td><p>a</p></td><td><p>b</p></td></tr></table>", "a\n\nb"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>", "a | b\nc | d"),
        (
            "<table><tr><td><h3>No. 7</h3></td><td>May</td></tr><tr><td><table><tr><th><p>Talk</p></th><th><p>10</p>"
            "</th></tr></table></td></tr></table>",
            "No. 7\n\nMay\n\nTalk | 10",
        ),
        ("<p>a&nbsp;&zwnj;&#847;</p><p> </p><p>b&shy;c</p>", "a\n\nbc"),
    ],
)  # fmt: skip
def test_each_kind_of_element_has_its_own_way(html, text):
    assert text_of(html) == f"{text}\n"


def test_values_with_signs_of_html_stay_as_they_are_and_nothing_is_escaped():
    shown = text_of("<p title='{{ lead.company }}'>{{ lead.company }} &amp; &lt;b&gt;</p>", needs=["lead.company"])
    assert shown == "Smede & <Sønner> & <b>\n"


def test_a_derived_text_owes_address_and_unsubscribe_link_like_a_written_one():
    html = "<p>{{ project.postal_address }}</p><p><a href='{{ links.unsubscribe }}'></a></p>"
    found = errors_in(email_problems(email("", html=html, kind="marketing")))
    assert [(each.code, each.message) for each in found] == [
        ("marketing-obligation", "a marketing e-mail needs its unsubscribe link in both parts")
    ]


def test_a_page_that_says_nothing_holds_its_leads_instead_of_sending_an_empty_text():
    source = email("", html="<p><img src='https://example.com/a.png' alt=''></p>")
    with pytest.raises(Exception, match="the text came out empty"):
        Renderer([source]).render("hello", None, certain())
