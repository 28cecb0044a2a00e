"""What a reader switches on and off, and what it confirms: it holds from its commit, and lifts no more than it may."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nurture.records import Consent, Identity, LeadRecord
from nurture.tokens import CONFIRM, PREFERENCES, UNSUBSCRIBE, sign
from tasks.confirm import confirm, confirm_link
from tasks.preferences import set_preferences, shown
from tests.engine.subscriptions import DAY, SECRET_BYTES, WORDING, asks_for, business, given, sound, stops, token, words
from tests.world import START

# --- On which basis ---------------------------------------------------------------------------------------------------


def test_the_page_shows_what_is_on_and_a_switch_holds_from_its_commit(papers):
    world = papers
    page = shown(world.database, token(world, "ada"), **given(world))
    assert {each.topic: each.allowed for each in page.topics} == {
        "nurture": True,
        "ads": True,
        "letter": False,
        "measuring": True,
    }
    assert next(each.wording for each in page.topics if each.topic == "letter") == WORDING
    chosen = {"nurture": False, "letter": True, "ads": True, "measuring": False, "nonsense": True}
    for _ in range(2):
        assert set_preferences(world.database, token(world, "ada"), chosen, now=world.now, **given(world))
        world.now += timedelta(minutes=1)
    assert len(world.rows("events", type="email.preferences_set")) == 1
    assert words(world, "ada") == {
        "nurture": "withdrawn",
        "letter": "granted",
        "ads": "granted",
        "measuring": "withdrawn",
    }
    assert stops(world, "ada") == {("topic:nurture", "unsubscribed")}
    letter = world.rows("consents", topic="letter")[-1]
    assert (letter["basis"], letter["source"]) == ("consent", "preference page")
    assert letter["wording"].endswith(f": {WORDING}")
    assert len(letter["wording"].partition(":")[0]) == 12
    assert letter["evidence"]["message"] == world.rows("messages")[0]["id"]
    again = shown(world.database, token(world, "ada", UNSUBSCRIBE), **given(world))
    assert {each.topic: each.allowed for each in again.topics} == {
        "nurture": False,
        "ads": True,
        "letter": True,
        "measuring": False,
    }
    sound(world)


def test_switching_an_email_topic_off_takes_advertising_along_unless_it_has_its_own_switch(papers):
    world = papers
    assert set_preferences(world.database, token(world, "ada"), {"nurture": False}, now=world.now, **given(world))
    assert words(world, "ada") == {"nurture": "withdrawn", "ads": "withdrawn"}


def test_a_yes_on_the_page_narrows_an_unsubscribe_to_what_stays_off(papers):
    world = papers
    world.happens("ada", "email.unsubscribed")
    world.now += DAY
    assert set_preferences(world.database, token(world, "ada"), {"letter": True}, now=world.now, **given(world))
    assert stops(world, "ada") == {("topic:nurture", "unsubscribed"), ("topic:ads", "unsubscribed")}
    [lifted] = world.rows("suppressions", scope="all")
    assert lifted["lifted_because"].startswith("preference page:")
    world.happens("ada", "video.watched")
    world.days(3)
    assert world.received("ada") == ["thanks", "letter"]
    # One more unsubscribe is one more stop.
    world.happens("ada", "email.unsubscribed")
    assert ("all", "unsubscribed") in stops(world, "ada")
    sound(world)


@pytest.mark.parametrize("fact", [("email.complained", {}), ("email.bounced", {"kind": "hard"})])
def test_a_yes_on_the_page_lifts_neither_a_complaint_nor_a_hard_bounce(papers, fact):
    world = papers
    world.happens("ada", fact[0], **fact[1])
    before = stops(world, "ada")
    world.now += DAY
    assert set_preferences(world.database, token(world, "ada"), {"letter": True}, now=world.now, **given(world))
    assert stops(world, "ada") == before
    assert not any(each.allowed for each in shown(world.database, token(world, "ada"), **given(world)).topics[:1])


def test_a_yes_that_arrives_after_a_later_no_lifts_nothing(papers):
    world = papers
    world.now += 2 * DAY
    world.happens("ada", "email.unsubscribed")
    world.happens("ada", "email.preferences_set", START + DAY, topics={"letter": True, "nurture": True})
    assert words(world, "ada") == {"nurture": "withdrawn", "letter": "withdrawn", "ads": "withdrawn"}
    assert ("all", "unsubscribed") in stops(world, "ada")


@pytest.mark.parametrize("wrong", ["", "x" * 2_000, "é", "a.b.c"])
def test_a_token_that_is_none_of_ours_changes_nothing(papers, wrong):
    world = papers
    others = [wrong, sign(SECRET_BYTES, CONFIRM, "x"), sign(b"another secret of the tests", PREFERENCES, "x")]
    for each in others:
        assert shown(world.database, each, **given(world)) is None
        assert not set_preferences(world.database, each, {"nurture": False}, now=world.now, **given(world))
        assert not confirm(world.database, each, now=world.now, **given(world))
    assert words(world, "ada") == {"nurture": "granted", "ads": "granted"}


# --- Double opt-in ----------------------------------------------------------------------------------------------------


def test_what_is_pending_blocks_the_topic_until_it_is_confirmed_once(new_world):
    world = new_world(business())
    asks_for(world, "ada")
    world.happens("ada", "video.watched")
    world.run()
    assert words(world, "ada") == {"letter": "pending"}
    assert world.received("ada") == ["ask"]
    assert world.reasons("ada") == ["not-confirmed"]
    key = next(row["key"] for row in world.rows("messages") if row["email"] == "ask")
    link = confirm_link("https://ripen.example", SECRET_BYTES, key, "letter").rpartition("/")[2]
    assert link in world.outbox.messages[0].raw.decode().replace("=\r\n", "").replace("=3D", "=")
    world.now += DAY
    assert confirm(world.database, link, now=world.now, **given(world))
    assert confirm(world.database, link, now=world.now + DAY, **given(world))
    [fact] = world.rows("events", type="email.confirmed")
    granted = world.rows("consents", status="granted")
    assert [row["source"] for row in granted] == ["confirmation"]
    assert granted[0]["evidence"]["pending"] == world.rows("consents", status="pending")[0]["id"]
    assert fact["message_id"] == granted[0]["evidence"]["message"]
    # Asking again is no new question.
    asks_for(world, "ada", at=world.now + timedelta(minutes=1))
    world.happens("ada", "webinar.attended")
    world.days(8)
    assert world.received("ada") == ["ask", "letter"]
    assert {row["status"] for row in world.rows("enrollments", sequence="confirm")} == {"goal"}
    sound(world)


def test_nobody_who_does_not_answer_is_asked_for_ever(new_world):
    world = new_world(business())
    asks_for(world, "ada")
    world.run()
    world.days(12, "daily-sync")
    assert world.received("ada") == ["ask", "ask"]
    [enrollment] = world.rows("enrollments")
    assert enrollment["reason"] == "not-confirmed"
    key = world.rows("messages")[0]["key"]
    link = sign(SECRET_BYTES, CONFIRM, f"{key} letter")
    assert not confirm(world.database, link, now=world.now, **given(world))
    assert words(world, "ada") == {"letter": "pending"}
    world.days(20, "daily-sync")
    assert words(world, "ada") == {"letter": "withdrawn"}
    assert world.rows("consents")[-1]["source"] == "not confirmed"
    assert world.received("ada") == ["ask", "ask"]
    sound(world)


def test_a_stop_while_it_is_pending_ends_the_questions_and_the_link(new_world):
    world = new_world(business())
    asks_for(world, "ada")
    world.run()
    link = token(world, "ada", CONFIRM, "letter")
    world.now += DAY
    world.happens("ada", "email.unsubscribed")
    assert not confirm(world.database, link, now=world.now, **given(world))
    world.days(5)
    assert world.received("ada") == ["ask"]
    assert words(world, "ada")["letter"] == "withdrawn"
    sound(world)


@pytest.mark.parametrize("fact", ["email.complained", "email.unsubscribed"])
def test_whoever_stopped_and_signs_up_anew_is_asked_once_and_the_answer_lifts_the_stop(papers, fact):
    world = papers
    world.happens("ada", fact)
    world.now += DAY
    asks_for(world, "ada")
    world.run()
    assert world.received("ada") == ["thanks", "ask"]
    key = next(row["key"] for row in world.rows("messages") if row["email"] == "ask")
    reason = {"email.complained": "complaint", "email.unsubscribed": "unsubscribed"}[fact]
    assert ("all", reason) in stops(world, "ada")
    link = sign(SECRET_BYTES, CONFIRM, f"{key} letter")
    assert confirm(world.database, link, now=world.now + timedelta(hours=1), **given(world))
    assert stops(world, "ada") == {("topic:nurture", reason), ("topic:ads", reason)}
    world.happens("ada", "video.watched")
    world.days(4)
    assert world.received("ada") == ["thanks", "ask", "letter"]
    sound(world)


def test_an_address_is_not_asked_more_than_three_times_a_day(new_world):
    world = new_world(business())
    for number in range(6):
        asks_for(world, "ada", at=world.now)
        world.run("follow-up")
        world.now += timedelta(minutes=30)
        withdrawn = Consent("withdrawn", "consent", "form", topic="letter", occurred_at=world.now)
        world.store([LeadRecord((Identity("email", "ada@example.com"),), consents=(withdrawn,))])
        world.run("follow-up")
        world.now += timedelta(minutes=60)
        assert len(world.received("ada")) == min(number + 1, 3)
    assert set(world.reasons("ada")) == {"too-many-confirmations"}
    sound(world)


def test_a_list_whose_people_have_confirmed_is_granted_and_an_undated_one_revives_nobody(new_world):
    world = new_world(business())
    asks_for(world, "ada", confirmed=True)
    assert words(world, "ada") == {"letter": "granted"}
    world.happens("ada", "email.unsubscribed")
    undated = Consent("granted", "consent", "list", topic="letter")
    world.now += DAY
    world.store([LeadRecord((Identity("email", "ada@example.com"),), consents=(undated,))])
    assert words(world, "ada")["letter"] == "withdrawn"


def test_a_preference_that_came_through_no_mail_of_ours_waits_for_its_confirmation(papers):
    world = papers
    world.happens("ada", "email.preferences_set", topics={"letter": True})
    assert words(world, "ada")["letter"] == "pending"
