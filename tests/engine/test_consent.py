"""Consent and suppression: on which basis, how wide, and which act ends what."""

from __future__ import annotations

import pytest

from db import suppressions
from db.suppressions import Stop
from nurture.keys import email_hash
from nurture.stops import KINDS
from tasks.explain import explain_lead
from tests.engine.subscriptions import DAY, SECRET_BYTES, asks_for, business, sound, stops
from tests.world import START

# --- On which basis ---------------------------------------------------------------------------------------------------


@pytest.mark.every_database
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


@pytest.mark.every_database
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


@pytest.mark.every_database
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


def test_every_kind_of_fact_that_says_something_is_in_the_shipped_catalogue():
    from tests.intake import catalogue

    assert set(KINDS) <= set(catalogue().events)
