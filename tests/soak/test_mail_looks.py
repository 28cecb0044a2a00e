"""Every shipped e-mail in a real browser, wide and narrow, by day and by night."""

from __future__ import annotations

import re

import pytest

from tests.soak.letters import letter, names
from tests.soak.looks import box, pale

pytestmark = pytest.mark.soak
TRAP = 'a[tabindex="-1"]'
SHAPES = [(width, dark) for width in (600, 360) for dark in (False, True)]


@pytest.fixture
def tab(browser):
    with browser.visitor() as made:
        yield made


@pytest.mark.parametrize("name", names())
def test_a_letter_fits_can_be_read_and_hides_what_it_hides(tab, name):
    html = letter(name).html
    # What it is when every picture is blocked, as many mail programs begin: nothing of it may ask anybody.
    tab.call("Network.setBlockedURLs", urls=["*"])
    tab.show(html)
    for width, dark in SHAPES:
        tab.shaped(width, 900, dark=dark)
        tab.picture(f"mail-{name}-{width}-{'dark' if dark else 'light'}")
        assert tab.overflow() <= 0, f"{width} wide, it scrolls sideways"
        assert pale(tab) == []
        assert box(tab, TRAP) == [0, 0]
    # WCAG 2.2, 1.4.10: a window of 1280 pixels at 400 %.
    tab.shaped(1280, 900, zoom=4)
    assert tab.overflow() <= 0, "at 400 % it scrolls sideways"


@pytest.mark.parametrize("name", names())
def test_a_letter_tells_a_screen_reader_what_it_shows_and_no_more(tab, name):
    html = letter(name).html
    tab.call("Network.setBlockedURLs", urls=["*"])
    tab.show(html)
    told = tab.accessible()
    links = [each["name"] for each in told if each["role"] == "link"]
    shown = tab.value("[...document.links].filter(e => e.checkVisibility()).map(e => e.innerText.trim())")
    assert sorted(links) == sorted(shown)
    assert all(links)
    assert all(tab.value("[...document.images].map(e => e.hasAttribute('alt'))"))
    assert [each["role"] for each in told if each["role"] in ("image", "img", "table", "LayoutTable")] == []
    preheader = re.search(r'<div[^>]*style="display: ?none[^>]*>([^<]+)', html)
    assert preheader
    words = preheader[1].strip()
    assert words not in tab.text()
    assert words not in " ".join(each["name"] for each in told)
    assert tab.complaints() == []


def test_what_is_meant_to_be_seen_would_be_found_pale_if_it_were(tab):
    tab.show('<p style="color:#999">pale</p><p style="color:#666;opacity:0">unseen</p><p>dark</p>')
    assert [each["text"] for each in pale(tab)] == ["pale"]
