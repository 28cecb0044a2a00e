"""Preferences and confirmations: looking changes nothing, the button does, and nobody learns who we know."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import timedelta

import pytest

from nurture.tokens import CONFIRM, PREFERENCES, UNSUBSCRIBE, sign
from tests.engine.subscriptions import business
from tests.web.conftest import everything, send_first_mail, served
from tests.world import SECRET, World


def link(site, name="ada", purpose=PREFERENCES):
    key = site.world.rows("messages", lead_id=site.world.lead_id(name))[0]["key"]
    return f"/p/{sign(SECRET.encode(), purpose, key)}"


def states(site, name="ada"):
    return {row["topic"]: row["status"] for row in site.world.rows("consent_states", lead_id=site.world.lead_id(name))}


def boxes(page):
    found = re.findall(r'name="wanted" value="([^"]+)"( checked)?', page.text)
    return {name: bool(checked) for name, checked in found}


@pytest.fixture
def shop(twin):
    with served(twin(_first_mail_is_sent)) as site:
        yield site


def _first_mail_is_sent(new_world):
    return send_first_mail(new_world(business()))


def test_the_page_shows_what_the_reader_gets_and_what_a_yes_agrees_to(shop):
    page = shop.browser.get(link(shop))
    assert page.status_code == 200
    assert boxes(page) == {"nurture": True, "letter": False, "ads": True, "measuring": True}
    assert "Yes, send me the letter." in page.text
    assert "ada" not in page.text.lower().replace("adapt", "")


def test_the_link_in_the_mail_is_that_of_the_page(shop):
    raw = shop.world.outbox.messages[0].raw.decode().replace("=\r\n", "").replace("=3D", "=")
    assert "/u/" in raw
    assert shop.browser.get(link(shop, purpose=UNSUBSCRIBE)).status_code == 200


def test_what_is_switched_off_stops_from_the_answer_on_and_what_is_switched_on_is_granted(shop):
    asked = {"shown": ["nurture", "letter", "ads", "measuring"], "wanted": ["letter", "measuring"]}
    page = shop.browser.post(link(shop), data=asked)
    assert page.status_code == 200
    assert "Your choices are saved" in page.text
    assert boxes(page) == {"nurture": False, "letter": True, "ads": False, "measuring": True}
    assert states(shop) == {"nurture": "withdrawn", "ads": "withdrawn", "letter": "granted", "measuring": "granted"}
    [fact] = [row for row in shop.world.rows("events") if row["type"] == "email.preferences_set"]
    assert fact["lead_id"] == shop.world.lead_id("ada")
    granted = [row for row in shop.world.rows("consents") if row["topic"] == "letter"][-1]
    assert granted["wording"].endswith("Yes, send me the letter.")
    shop.world.days(5)
    assert shop.world.received("ada") == ["thanks"]


def test_saving_twice_is_one_fact_and_what_was_not_shown_stays(shop):
    for _ in range(3):
        shop.browser.post(link(shop), data={"shown": ["ads"]})
    facts = [row for row in shop.world.rows("events") if row["type"] == "email.preferences_set"]
    assert len(facts) == 1
    assert states(shop) == {"nurture": "granted", "ads": "withdrawn"}


@pytest.mark.parametrize("body", [{}, {"data": {"wanted": "nurture"}}, {"content": b"\xff"}, {"json": {"shown": 1}}])
def test_a_post_that_chooses_nothing_changes_nothing(shop, body):
    before = everything(shop)
    assert shop.browser.post(link(shop), **body).status_code == 400
    assert everything(shop) == before


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_a_thousand_times_changes_nothing(shop, method):
    before = everything(shop)
    confirm = f"/confirm/{sign(SECRET.encode(), CONFIRM, 'a' * 40 + ' letter')}"
    for _ in range(250):
        for path in (link(shop), link(shop, purpose=UNSUBSCRIBE), confirm, "/p/unknown"):
            assert shop.browser.request(method, path).status_code in (200, 404)
    assert everything(shop) == before


@pytest.mark.parametrize("purpose", [CONFIRM, "click"])
def test_a_token_of_another_purpose_or_of_nobody_gets_the_same_page_as_an_unknown_one(shop, purpose):
    pages = {shop.browser.get(each).text for each in (link(shop, purpose=purpose), "/p/x", "/p/" + "A" * 90)}
    assert len(pages) == 1
    assert shop.browser.post(link(shop, purpose=purpose), data={"shown": ["nurture"]}).status_code == 404
    assert states(shop)["nurture"] == "granted"


def confirm_link(site):
    raw = site.world.outbox.messages[-1].raw.decode().replace("=\r\n", "").replace("=3D", "=")
    return re.search(r"/confirm/[\w.-]+", raw)[0]


@pytest.fixture
def asked(twin):
    """Bo has signed up for the letter and got the mail that asks."""
    with served(twin(_asked)) as site:
        yield site


def _asked(new_world):
    world = new_world(business())
    world.lead("bo", consent=False)
    world.store_consent("bo", "letter", "pending")
    world.run("follow-up")
    return world


def test_the_button_of_a_confirmation_grants_what_was_pending(asked):
    path = confirm_link(asked)
    page = asked.browser.get(path)
    assert '<input type="hidden" name="confirm" value="yes">' in page.text
    assert states(asked, "bo") == {"letter": "pending"}
    asked.world.now += timedelta(minutes=3)
    answer = asked.browser.post(path, data={"confirm": "yes"})
    assert (answer.status_code, "it is confirmed" in answer.text) == (200, True)
    assert states(asked, "bo") == {"letter": "granted"}
    assert asked.browser.post(path, data={"confirm": "yes"}).status_code == 200


def test_a_confirmation_without_the_button_s_word_changes_nothing(asked):
    assert asked.browser.post(confirm_link(asked)).status_code == 400
    assert states(asked, "bo") == {"letter": "pending"}


def test_a_confirmation_that_is_too_late_or_forged_says_what_to_do(asked):
    path = confirm_link(asked)
    assert asked.browser.post(path + "x", data={"confirm": "yes"}).status_code == 410
    asked.world.now += timedelta(days=8)
    answer = asked.browser.post(path, data={"confirm": "yes"})
    assert (answer.status_code, "Sign up again" in answer.text) == (410, True)
    assert states(asked, "bo") == {"letter": "pending"}


def test_the_pages_speak_danish(shop):
    danish = {"accept-language": "da-DK,da;q=0.9"}
    assert "Hvad vil du høre om?" in shop.browser.get(link(shop), headers=danish).text
    assert "Vil du have vores mails?" in shop.browser.get("/confirm/x", headers=danish).text


def test_labels_and_wordings_are_text(database_url, tmp_path):
    documents = deepcopy(business())
    documents["events"]["topics"]["letter"] |= {"label": "<b>x</b>", "wording": '"><script>alert(1)</script>'}
    with served(World(database_url, tmp_path, documents)) as site:
        site.world.lead("ada")
        site.world.happens("ada", "content.white_paper_downloaded")
        site.world.run()
        page = site.browser.get(link(site)).text
    assert "<script>" not in page
    assert "<b>x" not in page
