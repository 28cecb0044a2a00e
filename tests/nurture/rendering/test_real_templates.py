"""Templates that others have published and used for years: they are inlined as their authors inlined them."""

from __future__ import annotations

import re

import pytest

from nurture.problems import errors_in
from nurture.rendering import Renderer, email_problems
from nurture.rendering.markup import Token, tokens
from tests.nurture.rendering.samples import TEMPLATES, email, full

DATA = TEMPLATES.parent.parent / "shared" / "data" / "email_templates"
POSTMARK = [
    *("comment-notification", "dunning", "example", "invoice", "password-reset", "password-reset-help", "receipt"),
    *("trial-expired", "trial-expiring", "user-invitation", "welcome"),
]
MUSTACHE = re.compile(r"\{\{([#/]?)\s*(?:each\s*)?[\w.]*\s*\}\}")
ADDRESS = re.compile(r'href="\{\{\w+\}\}"')


def read(*path: str) -> str:
    file = DATA.joinpath(*path)
    if not file.is_file():
        pytest.skip(f"the data set is not there: {file.name} of email_templates")
    return file.read_text(encoding="utf-8")


def in_our_words(html: str) -> str:
    """The same page with our variables: addresses are our links, sections hold, all others are the lead's company.

    It loads its font from another server, which no page of ours does.
    """
    html = re.sub(r"@import url\([^)]*\);", "", html).replace("mailto:{{support_email}}", "mailto:help@example.com")
    html = html.replace("&#123;&#123; something }}", "braces")  # it explains braces, which no mail of ours may show
    html = ADDRESS.sub('href="LINK"', html)
    sections = {"#": "{% if lead.company %}", "/": "{% endif %}"}
    html = MUSTACHE.sub(lambda found: sections.get(found[1], "{{ lead.company }}"), html)
    return html.replace('"LINK"', '"{{ links.website }}"')


def rendered(html: str) -> tuple[str, str]:
    source = email("", html=html, needs=["lead.company"])
    assert errors_in(email_problems(source)) == []
    shown = Renderer([source]).render("hello", None, full())
    return shown.html, shown.text


def styles(html: str, name: str, css_class: str | None = None) -> list[dict[str, str]]:
    """The styles of every such element, property by property, the last of each winning."""

    def wanted(token: Token) -> bool:
        return (
            token.kind == "start"
            and token.name == name
            and (not css_class or css_class in (token.get("class") or "").split())
        )

    return [
        {
            key.strip().lower(): " ".join(value.replace("!important", "").split()).lower()
            for key, _, value in (part.partition(":") for part in (token.get("style") or "").split(";"))
            if value
        }
        for token in tokens(html)
        if wanted(token)
    ]


def test_the_template_of_leemunroe_is_inlined_as_its_author_did_it():
    ours, text = rendered(read("leemunroe", "email.html"))
    theirs = read("leemunroe", "email-inlined.html")
    for element in (("body",), ("table", "body"), ("td", "container"), ("div", "content"), ("table", "main"),
                    ("td", "wrapper"), ("p",), ("table", "btn-primary"), ("a",), ("div", "footer")):  # fmt: skip
        mine, their = styles(ours, *element), styles(theirs, *element)
        assert len(mine) == len(their) > 0
        for index, each in enumerate(their):
            same = {key for key, value in each.items() if mine[index].get(key) == value}
            assert same == set(each), (element, index)
    assert "@media" in ours
    assert ours.count("<td") == theirs.count("<td")
    assert "Call To Action: http://htmlemail.io" in text


@pytest.mark.parametrize("name", POSTMARK)
def test_a_template_of_postmark_is_inlined_and_reads_well_as_text(name):
    source = read("postmark", "templates", "basic", name, "content.html")
    converted = in_our_words(source)
    ours, text = rendered(converted)
    named = converted.count("{{ lead.company }}")
    assert ours.count("Smede &amp; &lt;Sønner&gt;") == named
    hidden = re.findall(r'<span class="preheader">(.*?)</span>', converted)
    assert text.count("Smede & <Sønner>") == named - sum(each.count("{{ lead.company }}") for each in hidden)
    theirs = read("postmark", "templates-inlined", "basic", name, "content.html")
    for element in (("h1",), ("p",), ("a", "button"), ("td", "content-cell")):
        mine, their = styles(ours, *element), styles(theirs, *element)
        assert len(mine) == len(their)
        for one, other in zip(mine, their, strict=True):
            for key in ("font-size", "line-height", "color", "padding", "background-color"):
                assert one.get(key) == other.get(key), (element, key)
    assert not re.search(r"</?[a-z]+>|\n\n\n|\{\{", text)
