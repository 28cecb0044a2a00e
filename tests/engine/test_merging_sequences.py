"""Two leads are one person: what becomes of their sequences, mails, audiences, and of what is in hand meanwhile."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from db import tables
from tests.engine.whole import clean, two
from tests.world import DOCUMENTS, START

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PAPER = "content.white_paper_downloaded"


def enrollments(world):
    return [(row["lead_id"], row["status"], row["reason"]) for row in world.rows("enrollments")]


def recipients(world):
    return [(mail.recipient, mail.raw.count(b"Hello")) for mail in world.outbox.messages]


def ledger(world, **equal):
    return [(row["email"], row["status"], row["reason"]) for row in world.rows("messages", **equal)]


def test_the_one_enrollment_of_the_lead_that_goes_goes_on(world):
    two(world)
    world.happens("bo", PAPER)
    world.run("follow-up")
    world.merge("ada", "bo")
    ada = world.lead_id("ada")
    world.days(5, "follow-up")
    assert enrollments(world) == [(ada, "completed", "completed")]
    assert world.received("ada") == ["thanks", "more"]
    assert [mail.recipient for mail in world.outbox.messages] == ["bo@example.com", "ada@example.com"]
    clean(world)


@pytest.mark.parametrize("stays", ["ada", "bo"])
def test_of_two_active_enrollments_the_one_that_is_further_on_goes_on(world, stays):
    two(world)
    world.documents["sequences/papers"]["steps"] += [
        {"id": "ten-days", "wait": "10 days"},
        {"id": "last", "email": "thanks"},
    ]
    world.publish()
    world.happens("bo", PAPER)
    world.days(4, "follow-up")
    world.happens("ada", PAPER)
    world.run("follow-up")
    assert (world.received("bo"), world.received("ada")) == (["thanks", "more"], ["thanks"])
    goes = "bo" if stays == "ada" else "ada"
    assert world.merge(stays, goes).done.enrollments_ended == 1
    id_ = world.lead_id(stays)
    assert enrollments(world) == [(id_, "active", None), (id_, "exited", "merged")]
    world.days(12, "follow-up")
    # The later mail of the first address, the earlier one of the second, and then only what is new to both.
    assert world.received(stays) == ["thanks", "more", "thanks", "thanks"]
    assert [row["step_id"] for row in world.rows("messages")] == ["thanks", "more", "thanks", "last"]
    clean(world)


def test_of_two_that_are_equally_far_the_older_goes_on(world):
    two(world)
    world.happens("bo", PAPER)
    world.run("follow-up")
    world.days(1, "follow-up")
    world.happens("ada", PAPER)
    world.run("follow-up")
    world.merge("ada", "bo")
    ada = world.lead_id("ada")
    assert enrollments(world) == [(ada, "active", None), (ada, "exited", "merged")]
    world.days(5, "follow-up")
    assert [row["step_id"] for row in world.rows("messages")] == ["thanks", "thanks", "more"]
    clean(world)


@pytest.mark.every_database
def test_an_active_enrollment_goes_on_rather_than_an_ended_one_and_repeats_nothing(world):
    two(world)
    world.happens("bo", PAPER)
    world.days(5, "follow-up")
    world.happens("ada", PAPER)
    world.run("follow-up")
    assert world.received("bo") == ["thanks", "more"]
    world.merge("ada", "bo")
    world.days(5, "follow-up")
    ada = world.lead_id("ada")
    assert enrollments(world) == [(ada, "completed", "completed")] * 2
    assert ledger(world) == [
        ("thanks", "accepted", None),
        ("more", "accepted", None),
        ("thanks", "accepted", None),
        ("more", "skipped", "merged"),
    ]
    clean(world)


def test_a_step_that_was_sent_before_counts_from_when_it_is_reached(world):
    two(world)
    world.documents["sequences/papers"]["steps"] += [
        {"id": "a-week", "wait": "7 days"},
        {"id": "last", "email": "more"},
    ]
    world.publish()
    world.happens("bo", PAPER)
    world.days(5, "follow-up")
    world.happens("bo", "email.replied")
    world.run("follow-up")
    world.now += HOUR
    world.happens("ada", PAPER)
    world.run("follow-up")
    started = world.now
    world.merge("ada", "bo")
    world.days(14, "follow-up")
    (last,) = world.rows("messages", step_id="last", status="accepted")
    # Three days to the step that is skipped, then a week; not a week from the merge.
    assert last["handed_over_at"] - started in (10 * DAY, 11 * DAY)
    clean(world)


def test_a_mail_that_waits_is_not_sent_when_the_other_address_has_had_it(world):
    two(world)
    world.happens("bo", PAPER)
    world.run("follow-up")
    world.happens("ada", PAPER)
    for step in ("rescore", "restage", "enroll", "advance"):
        world.run(step)
    # Queued for ada, accepted for bo, who is no further on, but older.
    assert world.merge("bo", "ada").done.messages_skipped == 1
    world.run("follow-up")
    assert ledger(world) == [("thanks", "accepted", None), ("thanks", "skipped", "merged")]
    clean(world)


def test_an_older_enrollment_that_still_waits_with_its_mail_lets_it_go(world):
    two(world)
    for name in ("ada", "bo"):
        world.happens(name, PAPER)
    for step in ("rescore", "restage", "enroll", "advance"):
        world.run(step)
    first, second = world.rows("messages")
    with world.database.write() as connection:
        connection.execute(
            tables.messages.update()
            .where(tables.messages.c.id == first["id"])
            .values(not_before=world.now + DAY, reason="quiet-hours")
        )
    world.run("deliver")
    assert ledger(world) == [("thanks", "queued", "quiet-hours"), ("thanks", "accepted", None)]
    world.merge("ada", "bo")
    world.days(5, "follow-up")
    assert ledger(world) == [
        ("thanks", "skipped", "merged"),
        ("thanks", "accepted", None),
        ("more", "accepted", None),
    ]
    assert second["enrollment_id"] != world.rows("messages")[-1]["enrollment_id"]
    clean(world)


# --- Who enters -------------------------------------------------------------------------------------------------------


def test_inherited_events_enroll_nobody_now_or_later(world):
    two(world)
    world.happens("bo", PAPER, silent=True)
    world.run("follow-up")
    world.merge("ada", "bo")
    world.run("follow-up")
    world.happens("ada", "page.viewed")
    world.days(3, "follow-up")
    assert enrollments(world) == []
    assert world.stage("ada") == "mql"
    world.happens("ada", "demo.requested")
    world.run("follow-up")
    assert [row["status"] for row in world.rows("sales_tasks")] == ["open"], "what comes after the merge counts fully"
    clean(world)


def test_what_no_run_has_seen_of_the_lead_that_goes_enrolls_nobody(world):
    two(world)
    world.happens("bo", PAPER)
    world.merge("ada", "bo")
    world.run("follow-up")
    assert enrollments(world) == []
    assert world.stage("ada") == "mql"


def test_what_the_lead_that_stays_has_just_done_itself_still_enrolls_it(world):
    two(world)
    world.happens("bo", "webinar.attended", silent=True)
    world.run("follow-up")
    world.happens("ada", PAPER)
    world.merge("ada", "bo")
    world.run("follow-up")
    assert [row["status"] for row in world.rows("enrollments")] == ["active"]
    clean(world)


def test_who_has_been_through_a_sequence_as_either_does_not_enter_it_again(world):
    two(world)
    world.happens("bo", PAPER)
    world.days(5, "follow-up")
    world.merge("ada", "bo")
    world.happens("ada", PAPER)
    world.days(2, "follow-up")
    assert [row["status"] for row in world.rows("enrollments")] == ["completed"]
    assert world.received("ada") == ["thanks", "more"]


def test_an_inherited_event_wakes_the_one_who_waits_for_it(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["steps"][1] = {
        "id": "until",
        "wait": {"until": "video.watched", "timeout": "30 days"},
    }
    world = new_world(documents)
    two(world)
    world.happens("ada", PAPER)
    world.run("follow-up")
    world.now += HOUR
    world.happens("bo", "video.watched")
    world.run("follow-up")
    world.merge("ada", "bo")
    world.run("follow-up")
    world.run("follow-up")
    assert world.received("ada") == ["thanks", "more"]


# --- Audiences --------------------------------------------------------------------------------------------------------


def readers():
    documents = deepcopy(DOCUMENTS)
    documents["audiences"]["audiences"]["readers"]["when"] = {"did": "page.viewed"}
    return documents


def members(world):
    return [(row["lead_id"], row["status"], row["reason"]) for row in world.rows("audience_members")]


def test_the_second_address_is_taken_out_of_the_audiences(new_world):
    world = new_world(readers())
    two(world, ads=True)
    for name in ("ada", "bo"):
        world.happens(name, "page.viewed")
    world.run()
    assert len(world.platform.members["readers"]) == 2
    ada, bo = world.lead_id("ada"), world.lead_id("bo")
    assert world.merge("ada", "bo").done.memberships_removed == 1
    assert members(world) == [(ada, "member", None), (bo, "removing", "merged")]
    world.days(1, "daily-sync")
    assert members(world) == [(ada, "member", None), (bo, "removed", "merged")]
    assert len(world.platform.members["readers"]) == 1
    clean(world)


def test_no_platform_keeps_a_person_who_refused_advertising_as_either(new_world):
    world = new_world(readers())
    two(world, ads=True)
    world.happens("ada", "page.viewed")
    world.run()
    world.happens("bo", "email.unsubscribed")
    world.merge("ada", "bo")
    world.days(1, "daily-sync")
    assert [row["status"] for row in world.rows("audience_members")] == ["removed"]
    assert not world.platform.members["readers"]


def test_of_two_choices_of_sequences_the_later_one_counts(world):
    two(world)
    ada, bo = world.lead_id("ada"), world.lead_id("bo")
    rows = [
        {"audience": name, "lead_id": lead, "choice": choice, "chosen_at": START + days * DAY}
        for name, lead, choice, days in (
            ("one", ada, "add", 1),
            ("one", bo, "remove", 2),
            ("two", ada, "add", 2),
            ("two", bo, "remove", 1),
            ("three", bo, "add", 0),
            ("four", ada, "add", 0),
            ("four", bo, "remove", 0),
        )
    ]
    with world.database.write() as connection:
        connection.execute(tables.audience_choices.insert(), rows)
    world.merge("ada", "bo")
    chosen = {row["audience"]: (row["lead_id"], row["choice"]) for row in world.rows("audience_choices")}
    assert chosen == {"one": (ada, "remove"), "two": (ada, "add"), "three": (ada, "add"), "four": (ada, "add")}


def test_the_statements_of_a_merge_do_not_grow_with_what_the_leads_did(world):
    from sqlalchemy import event

    counts = []
    for number, much in enumerate((1, 12)):
        one, other = f"ada{number}", f"bo{number}"
        for name in (one, other):
            world.lead(name)
            for each in range(much):
                world.happens(name, "page.viewed", START - HOUR * each)
        world.run("follow-up")
        seen = []

        def count(conn, cursor, statement, *rest, seen=seen):
            seen.append(statement)

        event.listen(world.database.engine, "before_cursor_execute", count)
        world.merge(one, other)
        event.remove(world.database.engine, "before_cursor_execute", count)
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_history_that_was_told_of_both_enrolls_nobody_because_news_of_one_came_after_it(world):
    two(world)
    world.run("follow-up")
    for name in ("ada", "bo"):
        world.now += HOUR
        world.happens(name, PAPER, START - DAY, silent=True)
    world.now += HOUR
    world.lead("bo", job_title="Engineer")
    world.merge("bo", "ada")
    world.run("follow-up")
    assert world.rows("enrollments") == []
    assert world.stage("bo") == "mql"
