"""Two leads are one person: the stricter word counts, and what either refused is not mailed."""

from __future__ import annotations

from datetime import timedelta

from nurture.records import Consent, EventRecord, Identity, LeadRecord
from nurture.tokens import UNSUBSCRIBE, sign
from tasks.unsubscribe import unsubscribe
from tests.engine.whole import clean, two
from tests.world import SECRET, START

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def consent(world, name, status, days=0, topic="nurture", basis="consent"):
    given = Consent(status, basis, "form", topic=topic, occurred_at=world.now - days * DAY)
    world.store([LeadRecord((Identity("email", f"{name}@example.com"),), consents=(given,))])


CONSENTS = (
    # of the one who stays, of the other one, of the person
    ("granted", "withdrawn", "withdrawn"),
    ("withdrawn", "granted", "withdrawn"),
    ("granted", "pending", "pending"),
    ("pending", "withdrawn", "withdrawn"),
    ("granted", "granted", "granted"),
    (None, "granted", "granted"),
    ("granted", None, "granted"),
    (None, "withdrawn", "withdrawn"),
)


def test_the_stricter_consent_of_the_two_wins_whichever_is_newer(world):
    def say(number, stays, goes):
        for name, status, days in ((f"ada{number}", stays, 1), (f"bo{number}", goes, 9)):
            if status:
                consent(world, name, status, days)

    for number, (stays, goes, counts) in enumerate(CONSENTS):
        world.lead(f"ada{number}", consent=False)
        world.lead(f"bo{number}", consent=False)
        say(number, stays, goes)
        world.merge(f"ada{number}", f"bo{number}")
        ada = world.lead_id(f"ada{number}")
        for _ in range(2):
            assert [row["status"] for row in world.rows("consent_states", lead_id=ada)] == [counts]
            # Their sources tell both once more.
            say(number, stays, goes)
    assert {row["lead_id"] for row in world.rows("consents")} == {
        world.lead_id(f"ada{number}") for number in range(len(CONSENTS))
    }, "both histories are kept"


def test_a_grant_on_no_legal_basis_is_the_stricter_of_two(world):
    two(world, consent=False)
    consent(world, "ada", "granted")
    consent(world, "bo", "granted", basis="none")
    world.merge("ada", "bo")
    assert [row["basis"] for row in world.rows("consent_states")] == ["none"]


def test_a_new_word_after_the_merge_counts(world):
    two(world)
    consent(world, "bo", "withdrawn")
    world.merge("ada", "bo")
    (merged,) = [row for row in world.rows("consents") if row["source"] == "merge"]
    assert merged["evidence"]["merged_lead"] == merged["lead_id"] + 1
    world.now += DAY
    consent(world, "ada", "granted")
    assert [row["status"] for row in world.rows("consent_states")] == ["granted"]


def test_nothing_is_mailed_that_either_refused(world):
    two(world)
    world.happens("bo", "email.complained", START - DAY)
    world.happens("ada", "content.white_paper_downloaded")
    world.merge("ada", "bo")
    world.run("follow-up")
    assert world.outbox.messages == []
    assert world.reasons("ada") == ["suppressed"]
    clean(world)


def test_a_dead_mailbox_says_nothing_about_the_other_one(world):
    two(world)
    who = (Identity("email", "bo@example.com"),)
    world.store(
        [EventRecord("test", "bounce", "email.bounced", START - DAY, who, {"kind": "hard"}, {"email": who[0].value})]
    )
    world.happens("ada", "content.white_paper_downloaded")
    world.merge("ada", "bo")
    world.run("follow-up")
    assert world.received("ada") == ["thanks"]
    clean(world)


def test_mail_from_before_the_merge_is_no_breach_because_the_other_address_was_stopped(world):
    two(world)
    world.happens("bo", "content.white_paper_downloaded")
    world.happens("ada", "email.unsubscribed", START - DAY)
    world.run("follow-up")
    assert world.received("bo") == ["thanks"]
    world.now += HOUR
    world.merge("ada", "bo")
    clean(world)


def test_the_unsubscribe_link_of_an_old_mail_stops_the_person(world):
    two(world)
    world.happens("bo", "content.white_paper_downloaded")
    world.run("follow-up")
    (message,) = world.rows("messages")
    world.now += HOUR
    world.merge("ada", "bo")
    token = sign(SECRET.encode(), UNSUBSCRIBE, message["key"])
    catalogue = world.context.compiled().bundle.catalogue
    assert unsubscribe(world.database, token, catalogue=catalogue, secret=SECRET.encode(), now=world.now)
    states = world.rows("consent_states", lead_id=world.lead_id("ada"), topic="nurture")
    assert [row["status"] for row in states] == ["withdrawn"]
    world.days(9, "follow-up")
    assert world.received("ada") == ["thanks"]
