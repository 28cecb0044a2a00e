"""A verdict comes a minute after the click was received, so that what gives a scanner away can still come."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest
from sqlalchemy import event as listened

from db import intake, judgements
from nurture import failpoints
from nurture.records import EventRecord, Identity
from tests.answers import clicks, judge, key_of, send, verdicts
from tests.world import DOCUMENTS, SECRET

HUMAN, SETTLING, TRAPPED = (False, None), (True, "settling"), (True, "honeypot")
SECOND, TEN = timedelta(seconds=1), timedelta(minutes=10)
LATER = timedelta(hours=1)


@pytest.fixture
def sent(twin):
    """A world in which ada has had one mail an hour ago."""
    return twin(_sent)


def _sent(new_world):
    world = new_world()
    send(world)
    world.now += LATER
    return world


def now(world, **properties):
    return clicks(world, after=timedelta(0), **properties)


def follow(world, after):
    world.now += after
    return world.run("follow-up")


def documents(**machines):
    made = deepcopy(DOCUMENTS)
    made["events"]["machines"] = machines
    return made


def awaiting():
    made = deepcopy(DOCUMENTS)
    until = {"id": "click", "wait": {"until": "email.clicked", "timeout": "10 days"}}
    made["sequences/papers"]["steps"] = [{"id": "thanks", "email": "thanks"}, until, {"id": "more", "email": "more"}]
    return made


def test_a_click_counts_for_nothing_until_a_minute_has_passed_and_then_at_the_next_follow_up(sent):
    now(sent)
    follow(sent, 59 * SECOND)
    assert verdicts(sent) == [SETTLING]
    assert sent.score("ada")["total"] == 10
    follow(sent, 1 * SECOND)
    assert verdicts(sent) == [HUMAN]
    assert sent.score("ada")["total"] == 10 + 5


def test_no_run_is_needed_in_between(sent):
    now(sent)
    follow(sent, TEN)
    assert sent.score("ada")["total"] == 10 + 5


def test_the_minute_begins_when_the_click_is_received_however_late_that_is(sent):
    happened = sent.now - timedelta(minutes=40)
    sent.happens("ada", "email.clicked", happened, message_key=key_of(sent))
    follow(sent, 30 * SECOND)
    assert verdicts(sent) == [SETTLING]
    follow(sent, 30 * SECOND)
    assert verdicts(sent) == [HUMAN]


def test_a_hidden_link_followed_within_the_minute_leaves_no_moment_in_which_the_click_was_a_persons(new_world):
    world = new_world(awaiting())
    send(world)
    world.now += LATER
    now(world)
    follow(world, 20 * SECOND)
    now(world, honeypot=True)
    follow(world, 30 * SECOND)
    assert verdicts(world) == [SETTLING, SETTLING]
    for _ in range(3):
        follow(world, TEN)
        assert verdicts(world) == [TRAPPED, TRAPPED]
        assert world.received("ada") == ["thanks"]
        assert world.score("ada")["total"] == 10


def test_a_wait_wakes_once_the_click_has_settled_and_not_before(new_world):
    world = new_world(awaiting())
    send(world)
    world.now += LATER
    now(world)
    follow(world, timedelta(0))
    assert world.received("ada") == ["thanks"]
    follow(world, TEN)
    assert world.received("ada") == ["thanks", "more"]
    assert [row["outcome"] for row in world.rows("executed_steps", step_id="click")] == ["event"]


@pytest.mark.parametrize("parts", [(), ("rescore",), ("rescore", "restage"), ("rescore", "restage", "enroll")], ids=str)
def test_wherever_in_a_run_the_click_comes_it_wakes_nothing_before_its_verdict(new_world, parts):
    world = new_world(awaiting())
    send(world)
    world.now += LATER
    world.happens("ada", "page.viewed")
    order = ["rescore", "restage", "enroll", "advance", "deliver"]
    for part in parts:
        world.run(part)
    now(world, user_agent="Barracuda Sentinel (EE)")
    for part in order[len(parts) :]:
        world.run(part)
    assert world.received("ada") == ["thanks"]
    follow(world, TEN)
    assert verdicts(world) == [(True, "prefetcher")]
    assert world.received("ada") == ["thanks"]


def test_what_came_after_the_runs_own_instant_is_left_to_the_next_run(sent):
    now(sent)
    sent.now -= 30 * SECOND
    sent.run("follow-up")
    assert verdicts(sent) == [SETTLING]
    follow(sent, TEN)
    assert verdicts(sent) == [HUMAN]


def test_of_two_clicks_each_has_its_own_minute(sent):
    now(sent, url="https://example.com/a")
    follow(sent, 40 * SECOND)
    now(sent, url="https://example.com/b")
    follow(sent, 20 * SECOND)
    assert verdicts(sent) == [HUMAN, SETTLING]
    follow(sent, 40 * SECOND)
    assert verdicts(sent) == [HUMAN, HUMAN]


def test_history_that_comes_in_between_does_not_silence_the_click(new_world):
    made = deepcopy(DOCUMENTS)
    made["sequences/clickers"] = {
        **made["sequences/papers"],
        "sequence": "clickers",
        "entry": {"when": {"did": "email.clicked"}},
        "steps": [{"id": "nothing", "wait": "1 hour"}],
    }
    world = new_world(made)
    send(world)
    world.now += LATER
    now(world)
    follow(world, 10 * SECOND)
    world.happens("ada", "webinar.attended", world.now - timedelta(days=90), silent=True)
    follow(world, TEN)
    assert verdicts(world) == [HUMAN]
    assert len(world.rows("enrollments", sequence="clickers")) == 1


def test_a_person_need_not_wait_for_the_minute(sent):
    event_id = now(sent)
    judge(sent, event_id, "human", "she has it open")
    follow(sent, SECOND)
    assert verdicts(sent) == [(False, "person")]
    assert sent.score("ada")["total"] == 10 + 5


def test_what_the_source_flags_is_a_machines_from_the_first_moment_and_stays_one(sent):
    now(sent, machine=True)
    assert verdicts(sent) == [(True, "source")]
    follow(sent, TEN)
    assert verdicts(sent) == [(True, "source")]


def test_imported_history_is_judged_at_once(sent):
    for number in range(3):
        said = {"url": f"https://example.com/{number}", "message_key": key_of(sent)}
        sent.happens("ada", "email.clicked", silent=True, **said)
    sent.run("follow-up")
    assert verdicts(sent) == [(True, "every-link")] * 3


def test_a_click_that_answers_no_known_mail_has_nothing_to_wait_for(sent):
    sent.happens("ada", "email.clicked", user_agent="Slackbot")
    sent.happens("ada", "email.clicked")
    sent.run("follow-up")
    assert verdicts(sent) == [(True, "prefetcher"), HUMAN]


@pytest.mark.parametrize(("age", "verdict"), [(59, SETTLING), (60, HUMAN)])
def test_what_a_source_kept_for_a_minute_until_it_was_asked_has_settled_there(sent, age, verdict):
    properties = {"message_key": key_of(sent)}
    who = (Identity("email", "ada@example.com"),)
    record = EventRecord("mail", "1", "email.clicked", sent.now - age * SECOND, who, properties)
    catalogue = sent.context.compiled().bundle.catalogue
    given = {"source": "mail", "now": sent.now, "silent": False, "catalogue": catalogue, "secret": SECRET.encode()}
    with sent.database.write() as connection:
        intake.store(connection, [record], pulled=True, **given)
    sent.run("follow-up")
    assert verdicts(sent) == [verdict]
    follow(sent, TEN)
    assert verdicts(sent) == [HUMAN]


def test_another_length_can_be_set_and_none(new_world):
    world = new_world(documents(settle="15 min"))
    send(world)
    world.now += LATER
    now(world)
    follow(world, TEN)
    assert verdicts(world) == [SETTLING]
    world.documents["events"]["machines"] = {"settle": False}
    world.publish()
    follow(world, SECOND)
    assert verdicts(world) == [HUMAN]
    now(world)
    world.run("follow-up")
    assert verdicts(world) == [HUMAN, HUMAN]


def test_a_merge_within_the_minute_leaves_the_click_to_settle(sent):
    sent.lead("bo")
    now(sent)
    sent.merge("bo", "ada")
    assert verdicts(sent) == [SETTLING]
    follow(sent, TEN)
    assert verdicts(sent) == [HUMAN]
    assert sent.score("bo")["total"] == 10 + 5


def test_what_settles_is_shown_as_pending(sent):
    now(sent)
    sent.run("follow-up")
    with sent.database.read() as connection:
        [click] = judgements.listing(connection, sent.lead_id("ada"), 10)
    assert (click["verdict"], click["by"]) == ("pending", None)


class Died(Exception):
    """Where a run ended in the middle."""


@pytest.mark.parametrize("place", ["rescore.marked", "rescore.scored", "rescore.before_commit", "rescore.committed"])
@pytest.mark.parametrize("length", [10 * SECOND, TEN], ids=["while it settles", "when it is judged"])
def test_a_run_that_dies_does_not_lose_a_click(new_world, place, length):
    world = new_world(awaiting())
    send(world)
    world.now += LATER
    now(world)
    follow(world, SECOND)
    world.happens("ada", "page.viewed")
    world.now += length

    def die(name: str) -> None:
        if name == place:
            raise Died(name)

    failpoints.listen(die)
    try:
        with pytest.raises(Died):
            world.run("follow-up")
    finally:
        failpoints.listen(None)
    follow(world, TEN)
    assert verdicts(world) == [HUMAN]
    assert world.received("ada") == ["thanks", "more"]


def test_a_quiet_follow_up_looks_at_nobody(sent):
    now(sent)
    follow(sent, TEN)
    follow(sent, TEN)
    seen = []
    listener = lambda *arguments: seen.append(arguments[2])  # noqa: E731
    listened.listen(sent.database.engine, "before_cursor_execute", listener)
    outcome = follow(sent, TEN)
    listened.remove(sent.database.engine, "before_cursor_execute", listener)
    assert outcome.steps["rescore"] == {"leads_rescored": 0}
    assert not [each for each in seen if "doubted" in each]
