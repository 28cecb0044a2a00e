"""Every page of the door in a real browser: it fits, can be read, has names for all it offers, and asks nobody else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from cli.main import run
from tests.databases import SqliteDatabases
from tests.journeys.life import TEMPLATES
from tests.soak.checker import findings
from tests.soak.door import link, old_confirmation, opened, preferences
from tests.soak.looks import pale
from tests.web.conftest import Site, everything

pytestmark = [pytest.mark.soak, pytest.mark.xdist_group("pages")]
SHAPES = [(width, dark) for width in (1280, 360) for dark in (False, True)]


def base(site: Site) -> str:
    """Where the door is."""
    return site.world.context.settings.web.base_url


# By name: how to get there, and what to press then.
PAGES = {
    "front": (base, ""),
    "report": (lambda site: f"{base(site)}/report", ""),
    "e-mails": (lambda site: f"{base(site)}/preview", ""),
    "e-mail": (lambda site: f"{base(site)}/preview/wp-thanks?lead=ada@example.com", ""),
    "unsubscribe": (lambda site: f"{base(site)}/u/abc", ""),
    "unsubscribed": (lambda site: f"{base(site)}/u/abc", "button"),
    "preferences": (preferences, ""),
    "preferences-of-nobody": (lambda site: f"{base(site)}/p/abc", ""),
    "confirm": (lambda site: f"{base(site)}/confirm/abc", ""),
    "not-confirmed": (old_confirmation, "button"),
    "mail": (lambda site: link(site, "v"), ""),
}
TAKES_BUTTON = ("unsubscribe", "preferences", "confirm")
SPEAKS_DANISH = ("unsubscribe", "unsubscribed", "preferences", "preferences-of-nobody", "confirm", "not-confirmed")
VISITS = [(name, "en") for name in PAGES] + [(name, "da") for name in SPEAKS_DANISH]


@pytest.fixture(scope="module")
def site(sqlite_folder, tmp_path_factory) -> Iterator[Site]:
    """One door for all of them, which none of them may change; its report is that of a demo."""
    home = tmp_path_factory.mktemp("home")
    demo = tmp_path_factory.mktemp("demo") / "business"
    assert run(["demo", "--home", str(demo), "--leads", "200", "--days", "10", "--no-prefect", "--json"]) == 0
    with opened(SqliteDatabases(sqlite_folder).migrated(), home, "https://www.example.com/guide") as made:
        shutil.copy(demo / "report.html", made.door.report)
        shutil.copytree(TEMPLATES, made.door.settings.templates, dirs_exist_ok=True)
        before = everything(made)
        yield made
        assert everything(made) == before


@pytest.fixture
def visit(site, browser):
    """Go to a page as a new visitor with a language."""
    open_tabs = []

    def go(name, language="en"):
        visitor = browser.visitor(language=language)
        tab = visitor.__enter__()
        open_tabs.append(visitor)
        where, press = PAGES[name]
        tab.go(where(site))
        if press:
            with tab.loading():
                tab.click(press)
        return tab

    yield go
    for each in open_tabs:
        each.__exit__(None, None, None)


@pytest.mark.parametrize(("name", "language"), VISITS)
def test_a_page_fits_every_window_and_can_be_read_by_day_and_by_night(visit, name, language):
    tab = visit(name, language)
    tab.value("document.querySelectorAll('details').forEach(each => each.open = true)")
    for width, dark in SHAPES:
        tab.shaped(width, dark=dark)
        tab.picture(f"page-{name}-{language}-{width}-{'dark' if dark else 'light'}")
        assert tab.overflow() <= 0, f"{width} wide, it scrolls sideways"
        assert pale(tab) == []
    for zoom in (2, 4):
        tab.shaped(1280, zoom=zoom)
        assert tab.overflow() <= 0, f"at {zoom * 100} % it scrolls sideways"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_nobody_else_remembers_nothing_and_complains_of_nothing(visit, site, name):
    tab = visit(name)
    tab.browser.settle()
    assert tab.asked_for()
    assert [url for url in tab.asked_for() if not url.startswith((f"{base(site)}/", "data:"))] == []
    assert tab.keepsakes() == []
    # The browser itself notes the answer 404 of a link that is none.
    expected = 1 if name == "preferences-of-nobody" or name == "not-confirmed" else 0
    assert len(tab.complaints()) == expected, tab.complaints()


@pytest.mark.parametrize(("name", "language"), VISITS)
def test_a_screen_reader_hears_what_each_page_is_and_offers(visit, name, language):
    tab = visit(name, language)
    told = tab.accessible()
    offered = [each for each in told if each["role"] in ("button", "link", "checkbox", "image", "group")]
    assert [each for each in offered if not each["name"] and each["role"] != "group"] == []
    assert tab.value("document.title.trim()")
    assert tab.value("document.documentElement.lang") == language
    assert len([each for each in told if each["role"] == "heading"]) >= 1
    assert tab.value("document.querySelectorAll('h1').length") == 1
    if name in TAKES_BUTTON:
        assert [each["role"] for each in offered if each["role"] == "button"] == ["button"]


@pytest.mark.parametrize("name", TAKES_BUTTON)
def test_the_button_can_be_reached_by_keyboard_and_shows_it(visit, name):
    tab = visit(name)
    for _ in range(20):
        tab.press("Tab")
        style = "getComputedStyle(document.activeElement)"
        assert tab.value(f"{style}.outlineStyle") == "solid"
        assert float(tab.value(f"parseFloat({style}.outlineWidth)")) >= 2
        if tab.value("document.activeElement.tagName") == "BUTTON":
            return
    pytest.fail("twenty times Tab does not lead to the button")


def test_every_page_is_valid_html(visit, site):
    pages = {f"{name}-{language}": visit(name, language) for name, language in VISITS}
    source = "'<!doctype html>' + document.documentElement.outerHTML"
    assert findings({name: tab.value(source) for name, tab in pages.items()}) == []
