"""The operator's pages about e-mails: on this machine only, for a lead when one is named, and nothing is stored."""

from __future__ import annotations

import shutil

import pytest

from tests.journeys.life import TEMPLATES

PATHS = ("/preview", "/preview/wp-thanks", "/preview/wp-thanks?lead=ada@example.com")


@pytest.fixture
def shown(untouched):
    """The shared site with the shipped templates as its working tree; looking changes nothing in its database."""
    folder = untouched.door.settings.templates
    if not folder.is_dir():
        shutil.copytree(TEMPLATES, folder)
    return untouched


def test_the_front_page_leads_to_the_list_and_the_list_to_each_e_mail(shown):
    assert '<a href="/preview">' in shown.browser.get("/").text
    page = shown.browser.get("/preview")
    assert page.status_code == 200
    assert '<a href="/preview/wp-thanks">' in page.text
    assert shown.browser.get("/preview/wp-thanks").text.count("<iframe") == 8


@pytest.mark.parametrize("path", PATHS)
def test_a_page_allows_itself_styles_and_a_form_to_this_door_and_nothing_else(shown, path):
    policy = shown.browser.get(path).headers["content-security-policy"]
    assert policy == (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )


def test_a_lead_and_a_language_can_be_chosen(shown):
    page = shown.browser.get("/preview/wp-thanks", params={"lead": "ada@example.com", "locale": "da"}).text
    assert "Hej Ada" in page
    assert 'value="ada@example.com"' in page
    assert "This lead would not get it now" in page or "This lead may get it now" in page
    assert page.index("Din guide") < page.index("Your guide")


def test_what_is_asked_for_stays_text(shown):
    hostile = '"><img src=x onerror=alert(1)>'
    for answer in (
        shown.browser.get("/preview/wp-thanks", params={"lead": hostile}),
        shown.browser.get("/preview/" + hostile.replace("/", "")),
        shown.browser.get("/preview/wp-thanks", params={"locale": hostile}),
    ):
        assert answer.headers["content-type"].startswith("text/plain") or "<img" not in answer.text


def test_unknown_names_are_said_to_be_unknown(shown):
    answer = shown.browser.get("/preview/wp-thank")
    assert (answer.status_code, "did you mean `wp-thanks`" in answer.text) == (404, True)
    assert shown.browser.get("/preview/wp-thanks?lead=nobody@example.com").status_code == 404


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "asked",
    [{"host": "mails.example.com"}, {"host": "127.0.0.1.example.com"}, {"x-forwarded-for": "203.0.113.9"}],
    ids=["by a public name", "by a rebound name", "through a proxy"],
)
def test_they_are_not_shown_to_the_world(shown, path, asked):
    answer = shown.browser.get(path, headers=asked)
    assert (answer.status_code, answer.text) == (404, "Nothing to see here.")
