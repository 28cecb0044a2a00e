"""Styles of hand-made HTML, written into the elements before any recipient is known."""

from __future__ import annotations

import pytest

from nurture.problems import errors_in, warnings_in
from nurture.rendering import Renderer, email_problems
from nurture.rendering.fields import EMAIL_FIELDS, ListOf, record
from nurture.rendering.inlining import inline_css
from tests.nurture.rendering.samples import certain, email, full

STYLE = "<style>p { color: #111111; } .b { font-weight: bold; } @media print { p { color: black !important; } }</style>"


def rendered(html: str, context: dict[str, object] | None = None) -> str:
    source = email(html=html)
    assert errors_in(email_problems(source)) == []
    return Renderer([source]).render("hello", None, context or full()).html


def codes(html: str) -> list[str]:
    return [each.code for each in errors_in(email_problems(email(html=html)))]


def test_styles_move_into_the_elements_and_stay_for_media_queries():
    html = rendered(f"{STYLE}<p class='b'>{{{{ lead.company }}}}</p>")
    assert '<p class="b" style="color: #111111;font-weight: bold;">Smede &amp; &lt;Sønner&gt;</p>' in html
    assert "@media print" in html


def test_a_page_without_styles_is_left_as_it_was_written():
    assert rendered("<p>Caf&eacute;<br/>{{ project.name }}</p>") == "<p>Caf&eacute;<br/>Example Works</p>"


PIECES = (
    f"<!doctype html><html lang='en'><head><title>{{{{ email.subject }}}}</title>{STYLE}</head><body>"
    "{% if lead.company %}<p class='b'>A {{ lead.company }}</p>{% elif lead.city %}<p>B</p>{% else %}"
    "<ul><li>C</li></ul>{% endif %}<table><tr><td>1</td></tr>{% if lead.city %}<tr><td class='b'>2</td></tr>{% endif %}"
    "</table><!--[if mso]><p>{{ project.name }}</p><![endif]-->"
    '<a href="{{ links.website }}/a?b=1&amp;c=d" title="&quot;{{ project.name }}{% if lead.name %}!{% endif %}">x</a>'
    "</body></html>"
)


@pytest.mark.parametrize("context", [full(), certain(), certain() | {"lead": {"city": "<b>"}}])
def test_inlining_before_rendering_gives_what_inlining_afterwards_gives(context):
    # What has no styles is not inlined: so the page is rendered bare, and gets its styles afterwards.
    bare = rendered(PIECES.replace("<style>", "<!--").replace("</style>", "-->"), context)
    assert rendered(PIECES, context) == inline_css(bare.replace("<!--p {", "<style>p {").replace("}-->", "}</style>"))


def test_a_condition_round_the_rows_of_a_table_stays_round_them():
    rows = "<table>{% for each in offers %}<tr><td>{{ each.title | default('-') }}</td></tr>{% endfor %}</table>"
    source = email(html=f"{STYLE}{rows}<table>{{% if lead.name %}}<tr><td>x</td></tr>{{% endif %}}</table>")
    fields = {**EMAIL_FIELDS, "offers": ListOf(record(("title",)))}
    renderer = Renderer([source], fields)
    html = renderer.render("hello", None, certain() | {"offers": [{"title": "One"}, {}]}).html
    assert "<table><tbody><tr><td>One</td></tr><tr><td>-</td></tr></tbody></table>" in html
    assert "<table><tbody></tbody></table>" in html


def test_a_style_sheet_elsewhere_is_never_loaded_and_never_let_through():
    assert codes('<link rel="stylesheet" href="https://example.com/x.css"><p>x</p>') == ["html-active"]
    assert codes("<style>@import 'file:///etc/passwd'; p { color: red; }</style><p>x</p>") == ["css-import"]
    assert codes("<style>/* @import is not for us */ p { color: red; }</style><p>x</p>") == []


@pytest.mark.parametrize(
    ("html", "code"),
    [
        ("<style>p { color: {{ lead.company }}; }</style><p>x</p>", "html-attribute"),
        ("<style>{% if lead.name %}p { color: red; }{% endif %}</style><p>x</p>", "html-attribute"),
        ("<style>p { behavior: url(x.htc); }</style><p>x</p>", "html-active"),
        ("<style>p { background: url('java\\73 cript:x'); }</style><p>x</p>", "html-active"),
        ('<p style="width: expression(alert(1))">x</p>', "html-active"),
        ("<!--[if mso]><style>p { behavior: url(x.htc); }</style><![endif]--><p>x</p>", "html-active"),
        ("<!--[if mso]><p style='width: expression(x)'>x</p><![endif]-->", "html-active"),
        ("<!--[if mso]><a href='{{ lead.company }}'>x</a><![endif]--><p>x</p>", "html-address"),
        ("<!--[if mso]>{% if lead.name %}<![endif]--><p>x</p><!--[if mso]>{% endif %}<![endif]-->", "html-condition"),
        ("<style>p { content: '</style><script>x</script>'; }</style><p>x</p>", "html-active"),
        ("<p>a</p>{% if lead.name %}<div>{% else %}<div class='b'>{% endif %}x</div>", "html-condition"),
        ("<p>a{% if lead.name %}</p><p>{% endif %}b</p>", "html-condition"),
        ("<p {% if lead.name %}class='b'{% endif %}>x</p>", "html-condition"),
        ("<!-- {% if lead.name %} --><p>x</p><!-- {% endif %} -->", "html-condition"),
        ('<p title="{% if lead.name %}">x</p><p title="{% endif %}">y</p>', "html-condition"),
        ("<scr{% if lead.name %}ipt>x{% endif %}</script>", "html-condition"),
        ("{% if lead.name %}<!--[if mso]><table><![endif]-->{% endif %}<p>x</p>", "html-condition"),
        (STYLE + "<table><tr><td>x</td></tr>{{ project.name }}</table>", "html-structure"),
        (STYLE + "<table>{% if lead.name %}words{% endif %}<tr><td>x</td></tr></table>", "html-structure"),
    ],
)
def test_what_inlining_could_change_in_meaning_is_refused(html, code):
    assert code in codes(html)


def test_a_rule_that_its_element_would_beat_is_said_with_its_line():
    html = (
        "<style>\np { color: red; }\n@media print {\n  p { margin: 0 !important; color: black; }\n}\n</style><p>x</p>"
    )
    [found] = warnings_in(email_problems(email(html=html)))
    assert (found.line, found.code, found.message) == (
        4,
        "css-media",
        "`color: black` loses against the same style in the element",
    )
    assert found.remedy.startswith("add `!important`")


def test_a_class_in_braces_is_remarked_because_its_styles_cannot_be_inlined():
    html = STYLE + "<p class='{% if lead.name %}b{% endif %}'>x</p>"
    assert [each.code for each in email_problems(email(html=html))] == ["css-class"]
    assert '<p class="b" style="color: #111111;">x</p>' in rendered(html)


def test_text_that_looks_like_a_stand_in_stays_text():
    html = f"{STYLE}<p>qz0k00001x qz1k00000x <!--qz0k00000x--> {{{{ project.name }}}}</p>"
    assert "qz0k00001x qz1k00000x <!--qz0k00000x--> Example Works</p>" in rendered(html)


def test_words_that_look_like_braces_after_inlining_never_become_a_statement():
    source = email(html=f"{STYLE}<p>&#123;{{{{ project.name }}}}&#125; &#123;% if lead.name %&#125;</p>")
    problems = errors_in(email_problems(source))
    assert [each.code for each in problems] == ["template-braces"]
