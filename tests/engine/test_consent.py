"""Consent and suppression: on which basis, how wide, and which act ends what."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from db import suppressions
from db.suppressions import Stop
from nurture.keys import email_hash
from nurture.records import Consent, Identity, LeadRecord
from nurture.stops import KINDS
from nurture.tokens import CONFIRM, PREFERENCES, UNSUBSCRIBE, sign
from tasks.audit import examine
from tasks.confirm import confirm, confirm_link
from tasks.explain import explain_lead
from tasks.preferences import set_preferences, shown
from tests.world import DOCUMENTS, SECRET, START

SECRET_BYTES = SECRET.encode()
DAY = timedelta(days=1)
WORDING = "Yes, send me the letter."


def business(**topics):
    """The small business with a newsletter, and sequences that send and confirm it."""
    documents = deepcopy(DOCUMENTS)
    named = documents["events"]["topics"]
    named["letter"] = {"label": "Letter", "wording": WORDING, "double_opt_in": True}
    named["measuring"] = {"label": "Measuring", "channel": "tracking"}
    for name, changed in topics.items():
        named[name] = {**named[name], **changed}
    ask = deepcopy(documents["emails/thanks"]) | {"name": "ask", "topic": "letter", "kind": "transactional"}
    ask["locales"]["en"] |= {"text": "{{ links.confirm }}\n", "html": '<a href="{{ links.confirm }}">Yes</a>'}
    documents["emails/ask"] = ask
    documents["emails/letter"] = deepcopy(documents["emails/thanks"]) | {"name": "letter", "topic": "letter"}
    for name, event in (("letters", "video.watched"), ("letters-too", "webinar.attended")):
        documents[f"sequences/{name}"] = {
            "sequence": name,
            "title": "Letters",
            "topic": "letter",
            "entry": {"when": {"did": event}},
            "steps": [{"id": "letter", "email": "letter"}],
        }
    documents["sequences/confirm"] = {
        "sequence": "confirm",
        "title": "Confirm",
        "topic": "letter",
        "entry": {"when": {"consent": {"topic": "letter", "is": "pending"}}, "reentry": {"after": "1 h"}},
        "goal": {"consent": "letter"},
        "exits": [{"reason": "withdrawn", "when": {"consent": {"topic": "letter", "is": "withdrawn"}}}],
        "steps": [
            {"id": "ask", "email": "ask"},
            {"id": "answer", "wait": {"until": "email.confirmed", "timeout": "2 days"}},
            {"id": "remind", "email": "ask"},
            {"id": "answer-then", "wait": {"until": "email.confirmed", "timeout": "5 days"}},
            {"id": "give-up", "exit": "not-confirmed"},
        ],
    }
    return documents


def asks_for(world, name, topic="letter", at=None, **more):
    """Somebody fills in our form."""
    identity = Identity("email", f"{name}@example.com")
    consent = Consent("granted", more.pop("basis", "consent"), "form", topic=topic, occurred_at=at or world.now, **more)
    return world.store([LeadRecord((identity,), {"email": identity.value, "name": name.title()}, {}, (consent,))])


def given(world):
    return {"catalogue": world.context.compiled().bundle.catalogue, "secret": SECRET_BYTES}


def token(world, name, purpose=PREFERENCES, *more):
    key = next(row["key"] for row in world.rows("messages", lead_id=world.lead_id(name)) if row["key"])
    return sign(SECRET_BYTES, purpose, " ".join((key, *more)))


def words(world, name):
    return {row["topic"]: row["status"] for row in world.rows("consent_states", lead_id=world.lead_id(name))}


def stops(world, name):
    hash_ = email_hash(SECRET_BYTES, f"{name}@example.com")
    rows = world.rows("suppressions", email_hash=hash_)
    return {(row["scope"], row["reason"]) for row in rows if row["lifted_at"] is None}


def sound(world):
    assert [each["check"] for each in examine(world.context, world.now, repair=False).breaches] == []


@pytest.fixture
def papers(new_world):
    """Ada has had one mail of ours."""
    world = new_world(business())
    world.lead("ada", ads=True)
    world.happens("ada", "content.white_paper_downloaded")
    world.run("follow-up")
    return world


# --- On which basis ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("basis", ["consent", "soft_opt_in", "legitimate_interest", "none"])
@pytest.mark.parametrize("takes", [["consent"], ["soft_opt_in", "legitimate_interest"], None])
def test_a_grant_allows_a_mail_only_on_a_basis_that_its_topic_takes(new_world, basis, takes):
    world = new_world(business(nurture={"bases": takes} if takes else {}))
    world.lead("ada", consent=False)
    asks_for(world, "ada", "nurture", basis=basis)
    world.happens("ada", "content.white_paper_downloaded")
    world.run()
    allowed = basis != "none" and (takes is None or basis in takes)
    assert world.received("ada") == (["thanks"] if allowed else [])
    if not allowed:
        reason = "no-consent" if basis == "none" else "basis-not-allowed"
        assert world.reasons("ada") == [reason]
        facts = explain_lead(world.context, "ada@example.com", world.now)
        assert facts["messages"][0]["reason"] == reason
        assert facts["messages"][0]["why"]
    sound(world)


def test_the_hand_over_asks_for_the_basis_too(new_world):
    world = new_world(business())
    world.lead("ada", consent=False)
    asks_for(world, "ada", "nurture", basis="legitimate_interest")
    world.happens("ada", "content.white_paper_downloaded")
    for part in ("rescore", "restage", "enroll", "advance"):
        world.run(part)
    world.documents["events"]["topics"]["nurture"]["bases"] = ["consent"]
    world.publish()
    world.run("deliver")
    assert world.reasons("ada") == ["basis-not-allowed"]


def test_advertising_needs_a_basis_that_its_topic_takes(new_world):
    documents = business(ads={"bases": ["consent"]})
    documents["audiences"]["audiences"]["readers"]["when"] = {"did": "page.viewed"}
    world = new_world(documents)
    for name, basis in (("ada", "consent"), ("bo", "legitimate_interest")):
        world.lead(name)
        asks_for(world, name, "ads", basis=basis)
        world.happens(name, "page.viewed")
    world.run()
    assert {row["lead_id"] for row in world.rows("audience_members")} == {world.lead_id("ada")}
    [audience] = explain_lead(world.context, "bo@example.com", world.now)["audiences"]
    assert (audience["member"], audience["reason"]) == (False, "basis-not-allowed")
    # The basis is taken away: who was a member leaves, with that reason.
    world.documents["events"]["topics"]["ads"]["bases"] = ["soft_opt_in"]
    world.publish()
    world.now += DAY
    world.run()
    [member] = world.rows("audience_members")
    assert (member["status"], member["reason"]) == ("removed", "basis-not-allowed")


# --- How wide ---------------------------------------------------------------------------------------------------------

SCOPES = {
    "all": (False, False),
    "channel:email": (False, True),
    "channel:ads": (True, False),
    "channel:phone": (True, True),
    "topic:nurture": (False, True),
    "topic:letter": (True, True),
    "topic:ads": (True, False),
}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_suppression_stops_what_its_scope_says_and_nothing_else(new_world, scope):
    documents = business()
    documents["audiences"]["audiences"]["readers"]["when"] = {"did": "page.viewed"}
    world = new_world(documents)
    world.lead("ada", ads=True)
    world.happens("ada", "page.viewed")
    world.happens("ada", "content.white_paper_downloaded")
    with world.database.write() as connection:
        suppressions.suppress(
            connection, [Stop(email_hash(SECRET_BYTES, "ada@example.com"), scope, "operator", START - DAY)]
        )
    world.run()
    mailed, advertised = SCOPES[scope]
    assert world.received("ada") == (["thanks"] if mailed else [])
    assert bool(world.rows("audience_members", status="member")) is advertised
    sound(world)


# --- What ends a suppression ------------------------------------------------------------------------------------------


def test_reasons_stand_beside_each_other_and_nothing_that_happens_later_lifts_one(papers):
    world = papers
    world.happens("ada", "email.unsubscribed")
    world.happens("ada", "email.complained")
    world.happens("ada", "email.bounced", kind="hard")
    world.happens("ada", "email.rejected", suppressed=True)
    everything = {
        ("all", "unsubscribed"),
        ("all", "complaint"),
        ("all", "hard_bounce"),
        ("channel:email", "provider"),
    }
    assert stops(world, "ada") == everything
    world.now += DAY
    for kind in ("email.delivered", "email.clicked", "email.replied", "email.opened", "page.viewed"):
        world.happens("ada", kind)
    asks_for(world, "ada", "nurture")
    assert stops(world, "ada") == everything
    sound(world)


def test_an_operator_lifts_all_but_complaints_and_the_lift_is_kept_with_its_reason(papers):
    world = papers
    world.happens("ada", "email.complained")
    world.happens("ada", "email.bounced", kind="hard", event_id="dead")
    hash_ = email_hash(SECRET_BYTES, "ada@example.com")
    with world.database.write() as connection:
        gone, stay = suppressions.lift_by_operator(connection, hash_, None, "works again", world.now)
    assert [row["reason"] for row in gone] == ["hard_bounce"]
    assert [row["reason"] for row in stay] == ["complaint"]
    [lifted] = world.rows("suppressions", reason="hard_bounce")
    assert (lifted["lifted_at"], lifted["lifted_because"]) == (world.now, "operator: works again")
    facts = explain_lead(world.context, "ada@example.com", world.now)["suppressions"]
    assert [(each["reason"], each["lifted_because"]) for each in facts] == [
        ("complaint", None),
        ("hard_bounce", "operator: works again"),
    ]
    world.now += DAY
    world.happens("ada", "email.bounced", kind="hard")
    assert stops(world, "ada") == {("all", "complaint"), ("all", "hard_bounce")}
    sound(world)


# --- Bounces ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "delivered", "stopped"),
    [
        ([0, 1, 2, 3, 4], None, True),
        ([0, 1, 2, 3], None, False),
        ([0, 1, 2, 3, 15], None, False),
        ([0, 1, 2, 3, 4], 1.5, False),
        ([0, 1, 2, 3, 4, 5, 6], 1.5, True),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_so_many_soft_bounces_in_a_row_suppress_whatever_arrives_first(papers, days, delivered, stopped, turned):
    world = papers
    told = [(day, "email.bounced", {"kind": "soft"}) for day in days]
    told += [(delivered, "email.delivered", {})] if delivered else []
    world.now += 20 * DAY
    for day, kind, properties in sorted(told, reverse=turned, key=lambda each: each[0]):
        world.happens("ada", kind, START + day * DAY, **properties)
    # What a later delivery says never lifts a stop, so the order matters where the bounces were first.
    if not (turned and delivered):
        assert stops(world, "ada") == ({("channel:email", "soft_bounce")} if stopped else set())
    sound(world)


def test_after_an_operator_has_lifted_it_the_old_bounces_do_not_count_again(papers):
    world = papers
    for _ in range(5):
        world.now += DAY / 2
        world.happens("ada", "email.bounced", kind="soft")
    assert stops(world, "ada") == {("channel:email", "soft_bounce")}
    with world.database.write() as connection:
        suppressions.lift_by_operator(connection, email_hash(SECRET_BYTES, "ada@example.com"), None, "x", world.now)
    for expected in (set(), set(), set(), set(), {("channel:email", "soft_bounce")}):
        world.now += DAY / 2
        world.happens("ada", "email.bounced", kind="soft")
        assert stops(world, "ada") == expected


# --- Preferences ------------------------------------------------------------------------------------------------------


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
    world.days(12)
    assert world.received("ada") == ["ask", "ask"]
    [enrollment] = world.rows("enrollments")
    assert enrollment["reason"] == "not-confirmed"
    key = world.rows("messages")[0]["key"]
    link = sign(SECRET_BYTES, CONFIRM, f"{key} letter")
    assert not confirm(world.database, link, now=world.now, **given(world))
    assert words(world, "ada") == {"letter": "pending"}
    world.days(20)
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


def test_every_kind_of_fact_that_says_something_is_in_the_shipped_catalogue():
    from tests.intake import catalogue

    assert set(KINDS) <= set(catalogue().events)
