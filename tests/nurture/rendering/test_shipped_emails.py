"""Every shipped e-mail, in each of its languages, for leads of whom everything or nothing is known."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from inscriptis import get_text

from nurture.definitions.emails import EmailSource
from nurture.rendering import MailPlan, Renderer, build_mime, email_problems, verify_mime
from nurture.rendering.inlining import inline_css
from tests.nurture.rendering.samples import ADDRESS, UNSUBSCRIBE, certain, full, shipped

SHIPPED = shipped()
RENDERER = Renderer(SHIPPED.values())
EVERY = [(name, locale) for name, source in SHIPPED.items() for locale in source.locales]
LEADS = {"full": full(), "minimal": certain()}
VOID = {"meta", "br", "img", "hr"}


@dataclass
class Page(HTMLParser):
    """What a reader of the HTML sees: texts, links and unclosed tags."""

    links: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)


def page(source: str) -> Page:
    read = Page()
    read.feed(source)
    read.close()
    return read


def test_the_three_sequences_have_their_mails_and_all_of_them_speak_danish():
    assert set(SHIPPED) == {
        *("wp-thanks", "wp-case-study", "wp-problem-guide", "wp-spec-sheet", "wp-webinar-invite"),
        *("wp-consultation-offer", "wp-check-in"),
        *("webinar-thanks", "webinar-recording", "webinar-questions", "webinar-consultation"),
        *("quiet-hello", "quiet-best-of", "quiet-goodbye"),
        "confirm-subscription",
    }
    assert {name: list(source.locales) for name, source in SHIPPED.items()} == {name: ["en", "da"] for name in SHIPPED}
    assert all(parts.preheader for source in SHIPPED.values() for parts in source.locales.values())
    assert (
        {name for name, source in SHIPPED.items() if source.locales["da"].mjml}
        == {name for name, source in SHIPPED.items() if source.locales["en"].mjml}
        == {"wp-consultation-offer", "wp-webinar-invite"}
    )


def test_one_shipped_mail_asks_for_a_confirmation():
    assert [name for name, source in SHIPPED.items() if source.asks_to_confirm] == ["confirm-subscription"]
    assert SHIPPED["confirm-subscription"].kind == "transactional"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_mail_has_no_problems_not_even_warnings(name):
    assert email_problems(SHIPPED[name]) == []


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize(("name", "locale"), EVERY)
def test_a_shipped_mail_renders_with_address_and_unsubscribe_link_in_both_parts(name, locale, lead):
    rendered = RENDERER.render(name, locale, LEADS[lead])
    read = page(rendered.html)
    assert rendered.locale == locale
    assert read.open == []
    assert UNSUBSCRIBE in read.links
    assert UNSUBSCRIBE in rendered.text
    for line in ADDRESS:
        assert line in rendered.text
        assert line in "".join(read.texts)
    assert rendered.preheader in "".join(read.texts)
    assert all(link.startswith("https://example.com") for link in read.links)
    assert len(rendered.html.encode()) < 102_000
    assert 0 < len(rendered.subject) <= 90


@pytest.mark.parametrize(("name", "locale"), EVERY)
def test_text_and_html_of_a_shipped_mail_say_the_same(name, locale):
    rendered = RENDERER.render(name, locale, full())
    body = rendered.text.partition("\n\n")[0]
    assert body in html.unescape(rendered.html)
    shown = {link for link in page(rendered.html).links if link != "https://example.com"}
    assert {link for link in shown if link not in rendered.text} == set()


@pytest.mark.parametrize("name", SHIPPED)
def test_the_danish_mail_has_danish_words_all_the_way_to_its_footer(name):
    rendered = RENDERER.render(name, "da", certain())
    assert "Hej," in rendered.text
    for word in ("Afmeld", "Venlig hilsen", "Du får denne mail"):
        assert word in rendered.text
        assert word in rendered.html
    for word in ("Unsubscribe", "Kind regards", "You get this"):
        assert word not in rendered.text + rendered.html
    assert '<html lang="da"' in rendered.html


def html_as_written(name: str, locale: str) -> EmailSource:
    """The e-mail with its styles only where they were written, so that nothing is inlined."""
    source = SHIPPED[name]
    layouts = {
        each: text.replace("<style>", "<!--styles").replace("</style>", "-->") for each, text in source.layouts.items()
    }
    return source.model_copy(update={"layouts": layouts})


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize(("name", "locale"), [each for each in EVERY if SHIPPED[each[0]].locales[each[1]].html])
def test_styles_inlined_before_rendering_are_those_that_inlining_afterwards_would_write(name, locale, lead):
    plain = Renderer([html_as_written(name, locale)]).render(name, locale, LEADS[lead]).html
    afterwards = inline_css(plain.replace("<!--styles", "<style>").replace("-->", "</style>"))
    assert RENDERER.render(name, locale, LEADS[lead]).html.strip() == afterwards.strip()


@pytest.mark.parametrize(("name", "locale"), EVERY)
def test_the_page_is_one_that_tracking_can_work_on(name, locale):
    page = RENDERER.render(name, locale, full()).html
    assert len(re.findall(r"<body\b[^>]*>", page)) == len(re.findall("</body>", page)) == 1
    assert len(re.findall(r'<a [^>]*?href="https://[^"]+"', page)) == page.count("<a ")
    assert page.index("<body") < page.index("<a ") < page.index("</body>")


@pytest.mark.parametrize(("name", "locale"), EVERY)
def test_a_text_derived_from_a_shipped_mail_says_what_the_written_one_says(name, locale):
    source = SHIPPED[name]
    parts = source.locales[locale]
    alone = source.model_copy(update={"locales": {"en": parts.model_copy(update={"text": ""})}})
    derived = Renderer([alone]).render(name, "en", full())
    assert email_problems(alone) == []
    for link in set(page(derived.html).links):
        assert link in derived.text
    for line in (*ADDRESS, UNSUBSCRIBE, "Hej Søren," if locale == "da" else "Hi Søren,"):
        assert line in derived.text
    assert parts.preheader.strip() not in derived.text
    assert not re.search(r"</?[a-z]|&\w+;|\n\n\n|[ \t]\n|\S  \S", derived.text)
    # Another reader of HTML finds no word in the page that the text does not have.
    words = {word for word in re.findall(r"\w+", get_text(derived.html)) if word not in parts.preheader}
    assert words - set(re.findall(r"\w+", derived.text)) == set()


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize(("name", "locale"), EVERY)
def test_a_shipped_mail_becomes_a_message_that_reads_back_as_planned(name, locale, lead):
    rendered = RENDERER.render(name, locale, LEADS[lead])
    plan = MailPlan(
        message_id="<abc@mail.example.com>",
        message_key="abc",
        from_name="Anna Berg",
        from_address="anna@example.com",
        to_name="Søren Ærø",
        to_address="soren@example.test",
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        date=datetime(2026, 3, 5, 9, 30, tzinfo=UTC),
        list_unsubscribe_url=UNSUBSCRIBE,
    )
    verify_mime(plan, build_mime(plan))
