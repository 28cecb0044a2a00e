"""Killed at any point of sending, then run again: no mail twice, none lost, and what is in doubt is bounded."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.connectors.email.hostile_smtp import SmtpSink
from tests.connectors.email.providers.raw_vendors import MailgunStandIn, SesStandIn
from tests.connectors.email.providers.vendors import BrevoStandIn, PostmarkStandIn, ResendStandIn, SendGridStandIn
from tests.crash import sender
from tests.world import START, World

MAILS = 3
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.crash.sender"])

Outside = Callable[[], Iterator[tuple[sender.Way, Callable[[], list[str]]]]]


@contextmanager
def smtp() -> Iterator[tuple[sender.Way, Callable[[], list[str]]]]:
    """An SMTP server, the way to it, and the keys of what it has taken."""
    with SmtpSink() as sink:
        yield sender.over_smtp(sink.port), lambda: [each[0].partition("@")[0] for each in sink.accepted]


def provider(stand_in: type, **options: object) -> Outside:
    """The same of a provider's API."""

    @contextmanager
    def opened() -> Iterator[tuple[sender.Way, Callable[[], list[str]]]]:
        with stand_in() as api:
            yield (api.kind, {**api.options(), "timeout_s": 10, **options}), api.keys

    return opened


@dataclass
class Trial:
    """What one kill and one more run left behind."""

    delivered: Counter[str]
    statuses: Counter[str]
    lost: int


class Bench:
    """One database on which trial after trial queues new messages."""

    def __init__(self, url: str, home: Path) -> None:
        self.url, self.home = url, str(home)
        self.world = World(url, home)
        self.trials = 0

    def queue_mails(self) -> int:
        """New leads with one queued message each; returns the first message's id."""
        self.trials += 1
        for number in range(MAILS):
            self.world.lead(f"lead{self.trials}-{number}")
            self.world.happens(f"lead{self.trials}-{number}", "content.white_paper_downloaded")
        for part in ("rescore", "restage", "enroll", "advance"):
            self.world.run(part)
        queued = self.world.rows("messages", status="queued")
        assert len(queued) == MAILS
        return int(queued[0]["id"])

    def places(self, outside: Outside = smtp) -> list[str]:
        """The points that sending the mails passes."""
        self.queue_mails()
        with outside() as (way, _):
            return sender.points(self.url, self.home, way, START)

    def trial(self, die_at: int, wrong: str = "", outside: Outside = smtp) -> Trial:
        """Kill a sender at the n-th point, run again, and look at what arrived."""
        first = self.queue_mails()
        with outside() as (way, taken):
            child = processes.Process(
                target=sender.send, args=(self.url, self.home, way, START, die_at), kwargs={"wrong": wrong}
            )
            child.start()
            child.join(60)
            assert child.exitcode == (-9 if die_at else 0)
            self.world.context.email = sender.connector(way)
            for later in (timedelta(), timedelta(hours=1)):
                self.world.now = START + later
                self.world.run("deliver")
            self.world.now = START
            delivered = Counter(taken())
        rows = [row for row in self.world.rows("messages") if row["id"] >= first]
        lost = sum(1 for row in rows if row["status"] == "accepted" and not delivered[row["key"]])
        return Trial(delivered, Counter(row["status"] for row in rows), lost)


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    """A bench on each database."""
    made = Bench(database_url, tmp_path)
    yield made
    made.world.close()


@pytest.mark.timeout(300)
def test_a_kill_at_any_point_of_sending_never_doubles_or_loses_a_mail(bench):
    places = bench.places()
    assert len(places) > 20
    for die_at, place in enumerate(places, 1):
        found = bench.trial(die_at)
        assert max(found.delivered.values(), default=0) <= 1, f"{place} ({die_at}): a mail arrived twice"
        assert found.lost == 0, f"{place} ({die_at}): a mail was marked as sent and never arrived"
        # One worker hands over one message at a time, so that one kill leaves at most one unknown.
        assert found.statuses["unknown"] <= 1, f"{place} ({die_at}): more unknowns than hand-overs in hand"
        assert found.statuses["accepted"] + found.statuses["unknown"] == MAILS, f"{place} ({die_at}): {found.statuses}"


def test_an_undisturbed_run_delivers_each_mail_once(bench):
    found = bench.trial(0)
    assert sorted(found.delivered.values()) == [1] * MAILS
    assert found.statuses == {"accepted": MAILS}


@pytest.mark.every_database
@pytest.mark.timeout(300)
@pytest.mark.parametrize("wrong", ["send-then-mark", "mark-then-send"])
def test_the_two_classic_mistakes_are_caught_by_the_same_trials(bench, wrong):
    trials = (bench.trial(die_at, wrong) for die_at in range(4, 16))
    if wrong == "send-then-mark":
        assert any(max(found.delivered.values(), default=0) > 1 for found in trials), "no mail arrived twice"
    else:
        assert any(found.lost for found in trials), "no mail was lost"


# Three messages leave in two acts where the provider takes several at once.
SINGLE, BATCH = 1, 2
PROVIDERS = {
    "postmark": (provider(PostmarkStandIn, batch=BATCH), BATCH),
    "resend": (provider(ResendStandIn, batch=BATCH), 0),
    # It says that a key was used, and not what became of the message.
    "brevo": (provider(BrevoStandIn), SINGLE),
    "sendgrid": (provider(SendGridStandIn), SINGLE),
    "mailgun": (provider(MailgunStandIn), SINGLE),
    "ses": (provider(SesStandIn), SINGLE),
}
DAILY = ("postmark", "resend")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in DAILY else pytest.mark.soak) for name in PROVIDERS]
)
def test_a_kill_at_any_point_of_sending_by_a_provider_leaves_no_more_in_doubt_than_one_act(bench, name):
    outside, most_unknown = PROVIDERS[name]
    places = bench.places(outside)
    assert len(places) > 10
    for die_at, place in enumerate(places, 1):
        found = bench.trial(die_at, outside=outside)
        assert max(found.delivered.values(), default=0) <= 1, f"{place} ({die_at}): a mail arrived twice"
        assert found.lost == 0, f"{place} ({die_at}): a mail was marked as sent and never arrived"
        # Where the provider answers a repeated act as the first time, nothing stays in doubt at all; where it can be
        # asked, it may know better.
        assert found.statuses["unknown"] <= most_unknown, f"{place} ({die_at}): {found.statuses}"
        assert found.statuses["accepted"] + found.statuses["unknown"] == MAILS, f"{place} ({die_at}): {found.statuses}"
