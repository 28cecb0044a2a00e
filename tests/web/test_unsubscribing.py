"""The unsubscribe link: looking changes nothing, asking stops the mails at once, and nobody learns who we know."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from db.tables import leads
from nurture.records import Consent, Identity, LeadRecord
from nurture.tokens import sign
from tests.world import SECRET

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def states(world, name="ada"):
    return {row["topic"]: row["status"] for row in world.rows("consent_states", lead_id=world.lead_id(name))}


def test_the_link_in_a_mail_leads_to_the_page(untouched):
    mail = untouched.world.outbox.messages[0].raw.decode()
    assert untouched.link("ada") in mail.replace("=\r\n", "").replace("=3D", "=")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
def test_looking_changes_nothing_however_often(untouched, method):
    for _ in range(20):
        assert untouched.browser.request(method, untouched.link("ada")).status_code in (200, 405)


def test_the_page_asks_and_the_button_posts_what_mail_programs_post(untouched):
    page = untouched.browser.get(untouched.link("ada"))
    assert page.status_code == 200
    assert '<form method="post">' in page.text
    assert '<input type="hidden" name="List-Unsubscribe" value="One-Click">' in page.text
    assert "ada" not in page.text.lower()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"data": {"List-Unsubscribe": "No"}},
        {"data": {"yes": "One-Click"}},
        {"content": b"\xff\xfe\x00", "headers": {"content-type": "application/x-www-form-urlencoded"}},
        {"content": b"--x", "headers": {"content-type": "multipart/form-data; boundary=y"}},
        {"content": b"{}", "headers": {"content-type": "application/json"}},
        {"files": {"List-Unsubscribe": ("name.txt", b"One-Click")}},
    ],
    ids=["nothing", "no", "another field", "garbage", "broken multipart", "json", "a file"],
)
def test_a_post_that_does_not_ask_to_stop_changes_nothing(untouched, given):
    assert untouched.browser.post(untouched.link("ada"), **given).status_code == 400


def unknown_links():
    key = "3f786850e387550fdab836ed7e6dc881de23001b"
    return {
        "no message has this key": f"/u/{sign(SECRET.encode(), 'unsubscribe', key)}",
        "another purpose": f"/u/{sign(SECRET.encode(), 'click', key)}",
        "another secret": f"/u/{sign(b'another secret', 'unsubscribe', key)}",
        "no token": "/u/abc",
        "odd letters": "/u/%00%ff%E2%82%AC'\"<script>",
        "very long": "/u/" + "a" * 5000,
    }


@pytest.mark.parametrize("link", unknown_links().values(), ids=unknown_links())
def test_an_unknown_token_gets_the_answers_of_a_known_one_and_changes_nothing(untouched, link):
    known = untouched.browser.get(untouched.link("ada"))
    page = untouched.browser.get(link)
    assert (page.status_code, page.text, [*page.headers]) == (known.status_code, known.text, [*known.headers])
    answer = untouched.browser.post(link, data=ONE_CLICK)
    assert answer.status_code == 200
    assert "You are unsubscribed" in answer.text


def test_danes_are_asked_in_danish(untouched):
    asked = {"accept-language": "da-DK,da;q=0.9,en;q=0.8"}
    page = untouched.browser.get("/u/abc", headers=asked)
    assert '<html lang="da">' in page.text
    assert "Afmeld mig" in page.text
    assert "Du er afmeldt" in untouched.browser.post("/u/abc", data=ONE_CLICK, headers=asked).text


@pytest.mark.parametrize("sent_as", ["urlencoded", "multipart"])
def test_one_click_stops_marketing_and_advertising_at_once(mailed, sent_as):
    form = {"data": ONE_CLICK} if sent_as == "urlencoded" else {"files": {"List-Unsubscribe": (None, "One-Click")}}
    answer = mailed.browser.post(mailed.link("ada"), **form)
    unknown = mailed.browser.post("/u/abc", **form)
    assert (answer.status_code, answer.text) == (unknown.status_code, unknown.text)
    world = mailed.world
    assert states(world) == {"nurture": "withdrawn", "ads": "withdrawn"}
    assert [row["reason"] for row in world.rows("suppressions")] == ["unsubscribed"]
    [event] = world.rows("events", type="email.unsubscribed")
    assert event["message_id"] == 1
    assert not event["silent"]
    world.days(5)
    assert world.received("ada") == ["thanks"]
    assert set(world.reasons("ada")) & {"unsubscribed", "suppressed"}


def test_asking_twice_is_one_fact_and_asking_after_a_new_consent_another(mailed):
    world, link = mailed.world, mailed.link("ada")
    for _ in range(3):
        assert mailed.browser.post(link, data=ONE_CLICK).status_code == 200
    assert len(world.rows("events", type="email.unsubscribed")) == 1
    world.days(1)
    again = Consent("granted", "consent", "form", topic="nurture", occurred_at=world.now)
    world.store([LeadRecord((Identity("email", "ada@example.com"),), consents=(again,))])
    assert states(world)["nurture"] == "granted"
    world.days(1)
    mailed.browser.post(link, data=ONE_CLICK)
    assert len(world.rows("events", type="email.unsubscribed")) == 2
    assert states(world)["nurture"] == "withdrawn"


def test_a_merged_lead_is_stopped_under_its_new_id(mailed):
    world, link = mailed.world, mailed.link("ada")
    world.lead("ada.new")
    merged = sa.update(leads).where(leads.c.id == world.lead_id("ada")).values(merged_into_id=world.lead_id("ada.new"))
    with world.database.write() as connection:
        connection.execute(merged)
    mailed.browser.post(link, data=ONE_CLICK)
    [event] = world.rows("events", type="email.unsubscribed")
    assert event["lead_id"] == world.lead_id("ada.new")
    assert states(world, "ada.new")["nurture"] == "withdrawn"


def test_when_the_fact_cannot_be_stored_nobody_is_told_that_it_was(mailed):
    link = mailed.link("ada")
    rename(mailed, "events", "events_away")
    answer = mailed.browser.post(link, data=ONE_CLICK)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "60"
    assert "unsubscribed" not in answer.text.lower()
    rename(mailed, "events_away", "events")
    assert mailed.browser.post(link, data=ONE_CLICK).status_code == 200
    assert states(mailed.world)["nurture"] == "withdrawn"


def rename(site, old, new):
    with site.world.database.write() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")
