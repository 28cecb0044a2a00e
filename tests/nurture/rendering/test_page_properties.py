"""Whatever is put together: refused with a place and a remedy, or compiled to the same page as rendering would give."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nurture.errors import BrokenEmail, MissingField, RenderRefused
from nurture.problems import errors_in
from nurture.rendering import Renderer, email_problems
from nurture.rendering.inlining import inline_css
from nurture.rendering.markup import VOID, tokens
from tests.nurture.rendering.samples import certain, email, full

STYLE = "<style>p, li { color: #111111; } b { font-weight: bold; } td { padding: 3px; }</style>"
MJML_PAGE = (
    "<mjml lang='en'><mj-body><mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section></mj-body></mjml>"
)
HTML = [
    "<p>", "</p>", "<b>", "</b>", "<ul>", "</ul>", "<li>", "</li>", "<table>", "</table>", "<tr>", "</tr>", "<td>",
    "</td>", "<br>", "words ", "{{ project.name }}", "{{ lead.company | default('-') }}",
    '<a href="{{ links.website }}/a">', "</a>",
    "{% if lead.company %}", "{% elif lead.city %}", "{% else %}", "{% endif %}", "<!-- note -->", "<!--[if mso]>",
    "<![endif]-->", '<img alt="{{ project.name }}" src="https://example.com/a.png">', "&amp;", "&#123;", "<", ">", '"',
]  # fmt: skip
MJML = [
    "<mj-section>", "</mj-section>", "<mj-column>", "</mj-column>", "<mj-text>", "</mj-text>", "<mj-raw>", "</mj-raw>",
    '<mj-button href="{{ links.website }}">', "</mj-button>", "<mj-table>", "</mj-table>", "<mj-divider />", *HTML[:24],
]  # fmt: skip
WHOLE = st.recursive(
    st.sampled_from(
        ["words ", "{{ project.name }}", "<br>", "&lt;", "<b>bold</b>", '<a href="https://example.com">x</a>']
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map("".join),
        inner.map(lambda each: f"{{% if lead.company %}}{each}{{% else %}}{each}!{{% endif %}}"),
        inner.map(lambda each: f"{{% if lead.city %}}<div>{each}</div>{{% endif %}}"),
        inner.map(lambda each: f"<ul><li>{each}</li>{{% if lead.name %}}<li>{each}</li>{{% endif %}}</ul>"),
        inner.map(lambda each: f"<table>{{% if lead.name %}}<tr><td>{each}</td></tr>{{% endif %}}</table>"),
    ),
    max_leaves=8,
)


def balanced(page: str) -> bool:
    stack: list[str] = []
    for token in tokens(page):
        if token.kind == "start" and token.name not in VOID and not token.closed:
            stack.append(token.name)
        elif token.kind == "end" and (not stack or stack.pop() != token.name):
            return False
    return not stack


@given(st.lists(st.sampled_from(HTML), max_size=14).map("".join), st.booleans())
def test_whatever_html_is_put_together_inlining_before_is_inlining_afterwards_or_it_is_refused(html, known):
    styled, bare = email("", html=f"{STYLE}<div>{html}</div>"), email("", html=f"<div>{html}</div>")
    problems = errors_in(email_problems(styled))
    assert all(each.line >= 1 and each.message and each.remedy for each in problems)
    if problems:
        return
    context = full() if known else certain()
    try:
        before = Renderer([styled]).render("hello", None, context).html
    except RenderRefused:
        return  # an empty text, or braces that entities spell
    afterwards = inline_css(f"{STYLE}{Renderer([bare]).render('hello', None, context).html}")
    # Entities may be spelled in two ways, and a table that stays empty has its body or has none.
    spelled = [
        re.sub(r"<tbody></tbody>|\s", "", each).replace("&lt;", "<").replace("&gt;", ">")
        for each in (before, afterwards)
    ]
    assert spelled[0] == spelled[1]


@given(WHOLE, st.booleans())
def test_whole_elements_in_conditions_are_never_refused_and_always_well_formed(html, known):
    mjml = MJML_PAGE.format(f"x{html}")
    context = full() if known else certain()
    for source in (email("", html=f"{STYLE}<div>x{html}</div>"), email("", mjml=mjml)):
        assert errors_in(email_problems(source)) == []
        mail = Renderer([source]).render("hello", None, context)
        assert balanced(mail.html)
        assert not re.search(r"qz\d|\n\n\n|[ \t]\n", mail.text)
        assert "qz0k" not in mail.html


@given(st.lists(st.sampled_from(MJML), max_size=16).map("".join), st.booleans())
def test_whatever_mjml_is_put_together_the_answer_is_problems_or_a_well_formed_page(mjml, known):
    source = email("", mjml=f'<mjml lang="en"><mj-body>{mjml}</mj-body></mjml>')
    problems = errors_in(email_problems(source))
    assert all(each.line >= 1 and each.message and each.remedy for each in problems)
    try:
        mail = Renderer([source]).render("hello", None, full() if known else certain())
    except BrokenEmail:
        assert problems
    except (MissingField, RenderRefused):
        assert not problems
    else:
        assert balanced(mail.html)
        assert "qz0k" not in mail.html + mail.text


@pytest.mark.parametrize("depth", [90, 200, 20_000])
@pytest.mark.parametrize("close", ["</b>", ""])
def test_elements_in_elements_in_elements_are_refused_before_a_compiler_sees_them(depth, close):
    deep = "<b>" * depth + "x" + close * depth
    page = MJML_PAGE.format(deep)
    for source in (email("", html=f"{STYLE}{deep}"), email("", html=deep), email("", mjml=page)):
        found = {each.code for each in errors_in(email_problems(source))}
        if depth > 100:
            assert found
            assert found <= {"html-structure", "template-size"}
        elif close or source.locales["en"].html:
            assert found == set()
