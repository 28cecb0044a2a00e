"""Scanners give themselves away: by a link that no reader sees, by asking without following, by many mails at once."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from tests.answers import BROWSER, clicks, follow_up, judge, key_of, send, verdicts
from tests.world import DOCUMENTS

OTHER = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
HUMAN, TRAPPED, ASKED = (False, None), (True, "honeypot"), (True, "prefetch")


@pytest.fixture
def sent(twin):
    """A world in which ada has had one mail."""
    return twin(_sent)


def _sent(new_world):
    world = new_world()
    send(world)
    return world


def trap(world, after, **properties):
    return clicks(world, after=after, honeypot=True, **properties)


def with_machines(**machines):
    made = deepcopy(DOCUMENTS)
    made["events"]["machines"] = machines
    return made


def test_who_follows_the_hidden_link_is_a_machine_and_so_is_all_it_did_about_then(sent):
    clicks(sent, after=HOUR - 10 * MINUTE, url="https://example.com/a")
    trap(sent, HOUR)
    clicks(sent, after=HOUR + 10 * MINUTE, url="https://example.com/b")
    clicks(sent, kind="email.opened", after=HOUR + 2 * MINUTE)
    follow_up(sent)
    assert verdicts(sent) == [TRAPPED] * 3
    assert verdicts(sent, "email.opened") == [TRAPPED]
    assert sent.score("ada")["total"] == 10


def test_a_persons_click_a_while_after_the_scanner_stays_a_persons(sent):
    trap(sent, HOUR)
    clicks(sent, after=HOUR + 10 * MINUTE + timedelta(seconds=1))
    clicks(sent, after=HOUR + MINUTE + timedelta(seconds=1), user_agent=OTHER)
    clicks(sent, after=HOUR + 5 * MINUTE, user_agent=None)
    follow_up(sent)
    assert verdicts(sent) == [TRAPPED, HUMAN, HUMAN, HUMAN]
    assert sent.score("ada")["total"] == 10 + 3 * 5


def test_within_a_minute_of_the_hidden_link_any_agent_is_the_scanners(sent):
    trap(sent, HOUR)
    clicks(sent, after=HOUR + MINUTE, user_agent=OTHER)
    clicks(sent, after=HOUR - MINUTE, user_agent=None)
    follow_up(sent)
    assert verdicts(sent) == [TRAPPED] * 3


def test_a_hidden_link_of_one_mail_says_nothing_about_another_mail_or_another_person(sent):
    first = key_of(sent)
    sent.days(3)
    sent.lead("bo")
    sent.happens("bo", "content.white_paper_downloaded")
    follow_up(sent)
    trap(sent, HOUR)
    clicks(sent, after=HOUR, message_key=first)
    clicks(sent, "bo", after=HOUR)
    follow_up(sent)
    assert verdicts(sent) == [TRAPPED, HUMAN, HUMAN]


def test_a_hidden_link_followed_later_judges_earlier_clicks_anew_and_scores_follow(sent):
    clicks(sent, after=HOUR)
    follow_up(sent)
    assert verdicts(sent) == [HUMAN]
    assert sent.score("ada")["total"] == 10 + 5
    sent.now -= timedelta(hours=2)
    trap(sent, HOUR + 4 * MINUTE)
    follow_up(sent)
    assert verdicts(sent) == [TRAPPED, TRAPPED]
    assert sent.score("ada")["total"] == 10


def test_a_person_who_found_the_hidden_link_is_believed_and_taints_nothing(sent):
    found = trap(sent, HOUR)
    clicks(sent, after=HOUR + MINUTE)
    follow_up(sent)
    assert verdicts(sent) == [TRAPPED, TRAPPED]
    judge(sent, found, "human", "she reads the source of mails")
    follow_up(sent)
    assert verdicts(sent) == [(False, "person"), HUMAN]
    judge(sent, found, "machine")
    follow_up(sent)
    assert verdicts(sent) == [(True, "person"), TRAPPED]


def test_how_far_the_hidden_link_reaches_can_be_set_and_turned_off(new_world):
    world = new_world(with_machines(honeypot={"same_agent": "30 min", "any_agent": "5 min"}))
    send(world)
    trap(world, HOUR)
    clicks(world, after=HOUR + 30 * MINUTE)
    clicks(world, after=HOUR + 5 * MINUTE, user_agent=OTHER)
    follow_up(world)
    assert verdicts(world) == [TRAPPED] * 3
    world.documents["events"]["machines"] = {"honeypot": False, "prefetch": False}
    world.publish()
    follow_up(world)
    assert verdicts(world) == [HUMAN] * 3


@pytest.mark.parametrize("said", [{"method": "HEAD"}, {"method": "head"}, {"prefetch": True}], ids=str)
@pytest.mark.parametrize("kind", ["email.clicked", "email.opened"])
def test_who_only_asks_for_a_link_is_a_machine(sent, said, kind):
    clicks(sent, kind=kind, **said)
    follow_up(sent)
    assert verdicts(sent, kind) == [ASKED]


@pytest.mark.parametrize("said", [{"method": "GET"}, {"prefetch": False}], ids=str)
def test_who_follows_a_link_is_a_person(sent, said):
    clicks(sent, **said)
    follow_up(sent)
    assert verdicts(sent) == [HUMAN]


def test_what_a_checker_fetches_after_its_head_is_its_own_and_what_another_agent_clicks_is_not(sent):
    clicks(sent, method="HEAD", after=HOUR)
    clicks(sent, method="GET", after=HOUR + timedelta(seconds=10))
    clicks(sent, method="GET", after=HOUR + timedelta(seconds=10), user_agent=OTHER)
    clicks(sent, method="GET", after=HOUR + timedelta(seconds=11))
    follow_up(sent)
    assert verdicts(sent) == [ASKED, ASKED, HUMAN, HUMAN]


def test_a_reader_whose_browser_prefetched_the_link_is_still_a_person(sent):
    clicks(sent, prefetch=True, after=HOUR)
    clicks(sent, after=HOUR + timedelta(seconds=2))
    follow_up(sent)
    assert verdicts(sent) == [ASKED, HUMAN]


def three_mails(world):
    """Keys of three mails that one lead has had."""
    for name in ("papers", "second", "third"):
        if name != "papers":
            world.documents[f"sequences/{name}"] = {**world.documents["sequences/papers"], "sequence": name}
    world.publish()
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.run()
    keys = [row["key"] for row in world.rows("messages")]
    assert len(keys) == 3
    return keys


def test_links_of_three_mails_in_a_moment_from_one_network_are_a_gateway_that_looks_through_a_mailbox(world):
    keys = three_mails(world)
    for number, key in enumerate(keys):
        said = {"network": "192.0.2.0/24", "user_agent": f"{BROWSER} {number}", "message_key": key}
        clicks(world, after=HOUR + timedelta(seconds=number), **said)
    clicks(world, after=HOUR + timedelta(seconds=2), network="198.51.100.0/24", message_key=keys[0])
    clicks(world, after=HOUR + timedelta(seconds=9), network="192.0.2.0/24", message_key=keys[1])
    follow_up(world)
    assert verdicts(world) == [(True, "gateway")] * 3 + [HUMAN] * 2


def test_without_networks_one_agent_that_follows_links_of_three_mails_in_a_moment_is_a_gateway(world):
    keys = three_mails(world)
    for number, key in enumerate(keys):
        clicks(world, after=HOUR + timedelta(seconds=2 * number), message_key=key)
        clicks(world, after=2 * HOUR + timedelta(seconds=3 * number), message_key=key)
    world.now += HOUR
    follow_up(world)
    by_moment = sorted((row["occurred_at"], row["machine_by"]) for row in world.rows("events", type="email.clicked"))
    assert [each[1] for each in by_moment] == ["gateway"] * 3 + [None] * 3


def test_two_mails_at_once_are_a_reader_who_compares_and_a_smaller_number_can_be_asked_for(world):
    keys = three_mails(world)
    for key in keys[:2]:
        clicks(world, after=HOUR, message_key=key)
    follow_up(world)
    assert verdicts(world) == [HUMAN] * 2
    world.documents["events"]["machines"] = {"gateway": {"messages": 2, "within": "1 s"}}
    world.publish()
    follow_up(world)
    assert verdicts(world) == [(True, "gateway")] * 2
