"""Visitors with a real browser: looking changes nothing, pressing does, and a link leads where it should."""

from __future__ import annotations

import pytest

from tests.soak.door import elsewhere, link, opened, preferences, states
from tests.web.conftest import everything

pytestmark = pytest.mark.soak


@pytest.fixture
def goal():
    with elsewhere() as site:
        yield site


@pytest.fixture
def site(database_url, tmp_path, goal):
    with opened(database_url, tmp_path, f"{goal.url}/guide?a=1&amp;b=2") as made:
        yield made


@pytest.fixture
def tab(browser):
    with browser.visitor() as made:
        yield made


def test_looking_at_a_page_and_closing_it_changes_nothing(site, browser):
    before = everything(site)
    for url in (link(site, "u"), preferences(site), link(site, "confirm", "bo"), link(site, "v")):
        with browser.visitor() as tab:
            tab.go(url)
            tab.press("Tab")
    assert everything(site) == before


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_pressing_the_button_stops_the_mails(site, tab, by):
    tab.go(link(site, "u"))
    assert "No more e-mails?" in tab.text()
    with tab.loading():
        if by == "mouse":
            tab.click("button")
        else:
            tab.press("Tab")
            tab.press("Enter")
    assert "You are unsubscribed" in tab.text()
    assert states(site)["nurture"] == "withdrawn"
    assert [row["reason"] for row in site.world.rows("suppressions")] == ["unsubscribed"]
    site.world.days(5)
    assert site.world.received("ada") == ["thanks"]


def test_a_box_that_is_cleared_and_one_that_is_ticked_are_saved(site, tab):
    tab.go(preferences(site))
    tab.click('input[type=checkbox][value="ads"]')
    tab.click('label:has(input[value="letter"])')
    assert states(site) == {"nurture": "granted", "ads": "granted"}
    with tab.loading():
        tab.click("button")
    assert "Your choices are saved" in tab.text()
    assert states(site) == {"nurture": "granted", "ads": "withdrawn", "letter": "granted", "measuring": "granted"}
    checked = "[...document.querySelectorAll('input:checked')].map(e => e.value).sort()"
    assert tab.value(checked) == ["letter", "measuring", "nurture"]
    # Going back and saving again, as people do, is the last word.
    with tab.loading():
        tab.click("button")
    assert states(site)["ads"] == "withdrawn"
    assert tab.complaints() == []


def test_a_box_can_be_ticked_by_keyboard(site, tab):
    tab.go(preferences(site))
    for _ in range(10):
        tab.press("Tab")
        if tab.value("document.activeElement.value") == "ads":
            tab.press("Space")
        if tab.value("document.activeElement.tagName") == "BUTTON":
            break
    with tab.loading():
        tab.press("Enter")
    assert states(site)["ads"] == "withdrawn"


def test_pressing_yes_confirms(site, tab):
    tab.go(link(site, "confirm", "bo"))
    assert states(site, "bo") == {"letter": "pending"}
    with tab.loading():
        tab.click("button")
    tab.picture("page-confirmed-en-1280-light")
    assert "it is confirmed" in tab.text()
    assert states(site, "bo") == {"letter": "granted"}
    assert tab.complaints() == []


def test_a_link_of_the_mail_ends_at_its_goal_which_learns_nothing_of_the_way(site, tab, goal):
    tab.go(link(site, "v"))
    assert "Hello Ada" in tab.text()
    with tab.loading():
        tab.click("#guide")
    assert tab.value("location.href") == f"{goal.url}/guide?a=1&b=2"
    assert tab.value("document.referrer") == ""
    assert tab.text() == "You have arrived."
    [(path, headers)] = [each for each in goal.asked if "favicon" not in each[0]]
    assert path == "/guide?a=1&b=2"
    assert "referer" not in headers
    assert "cookie" not in headers
    [fact] = [row for row in site.world.rows("events") if row["type"] == "email.clicked"]
    assert fact["properties"]["url"] == f"{goal.url}/guide?a=1&b=2"
    assert "prefetch" not in fact["properties"]
    assert tab.keepsakes() == []


def test_what_a_browser_fetches_ahead_changes_nothing_and_a_link_says_so(site, tab, goal):
    ahead = [link(site, "u"), preferences(site), link(site, "confirm", "bo"), link(site, "v")]
    hints = "".join(f'<link rel="prefetch" href="{url}">' for url in ahead)
    goal.pages["/inbox"] = f'<!doctype html><link rel="icon" href="data:,">{hints}<p>A mailbox</p>'
    before = everything(site)
    tab.go(f"{goal.url}/inbox")
    tab.browser.until(lambda: set(ahead) <= set(tab.asked_for()), "fetch ahead")
    tab.browser.settle()
    assert everything(site) == before
    counted = link(site, "c")
    goal.pages["/another"] = (
        f'<!doctype html><link rel="icon" href="data:,"><link rel="prefetch" href="{counted}"><p>x</p>'
    )
    tab.go(f"{goal.url}/another")
    tab.browser.until(lambda: counted in tab.asked_for(), "fetch ahead")
    tab.browser.settle()
    [fact] = [row for row in site.world.rows("events") if row["type"] == "email.clicked"]
    assert fact["properties"]["prefetch"] is True
