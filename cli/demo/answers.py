"""How people answer: readers their mails, salespeople their tasks. A pure function of the seed and of what came in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from cli.demo.business import ZONE, Business, Happening, at_work
from cli.demo.names import WEBINARS
from cli.demo.people import Person, chance, pick

_REJECTIONS = (
    ("poor_fit", 30),
    ("too_early", 26),
    ("no_budget", 16),
    ("no_answer", 18),
    ("not_decision_maker", 7),
    ("duplicate", 3),
)
_LOSSES = (("chose_competitor", 30), ("no_budget", 30), ("too_early", 25), ("no_answer", 15))
# What a click on the mail of this name may lead to beside the page behind the link, and how often of a hundred clicks.
_OFFERS = {
    "webinar-invite": ("webinar", "webinar.registered", 38),
    "consultation-offer": ("website", "consultation.requested", 22),
    "consultation": ("website", "consultation.requested", 18),
    "spec-sheet": ("website", "content.spec_sheet_viewed", 70),
    "case-study": ("website", "content.case_study_read", 65),
    "problem-guide": ("website", "guide.downloaded", 45),
    "recording": ("website", "video.watched", 60),
    "questions": ("chat", "live_chat.asked", 20),
    "best-of": ("website", "content.white_paper_downloaded", 30),
    "check-in": ("website", "page.viewed", 60),
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it arrives in a mailbox: what it is, and `key`, which it carries for its provider."""

    key: str
    address: str
    sequence: str
    step: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it lies on a salesperson's desk."""

    number: int
    kind: str
    address: str
    opened_at: datetime


def reads(business: Business, who: Person, letter: Letter) -> Iterator[Happening]:
    """What a mailbox and its owner do with one mail."""
    dice = chance(business.seed, "mail", who.number, letter.sequence, letter.step, letter.at.date())
    mine = _Mail(who, letter, dice)
    if who.dead_address:
        yield mine.did("email.bounced", timedelta(minutes=2), kind="hard", bounce="hard")
        return
    if dice.random() < 0.007:
        yield mine.did("email.bounced", timedelta(minutes=9), kind="soft", bounce="soft")
        return
    if who.company and who.company.scanner:
        # The company's mail scanner follows every link within seconds.
        yield mine.did("email.clicked", timedelta(seconds=3), machine=True)
    if who.privacy_proxy:
        yield mine.did("email.opened", timedelta(minutes=dice.randrange(1, 60)), machine=True)
    if dice.random() < 0.02:
        yield mine.did("email.auto_replied", timedelta(minutes=4))
    if dice.random() > 0.22 + 0.62 * who.interest:
        if dice.random() < 0.0012:
            yield mine.did("email.complained", timedelta(hours=dice.randrange(1, 30)))
        return
    opened = timedelta(hours=min(70.0, dice.expovariate(1 / 7)))
    yield mine.did("email.opened", opened)
    yield from _having_opened(business, mine, opened)


def _having_opened(business: Business, mine: _Mail, opened: timedelta) -> Iterator[Happening]:
    who, dice = mine.who, mine.dice
    if dice.random() < 0.012 * (1.3 - who.interest):
        yield mine.did("email.unsubscribed", opened + timedelta(minutes=2))
        return
    if dice.random() < 0.006:
        yield mine.did("email.forwarded", opened + timedelta(minutes=5))
    if dice.random() < 0.012 + 0.02 * who.interest:
        yield mine.did("email.replied", opened + timedelta(minutes=dice.randrange(3, 300)))
    if dice.random() > 0.1 + 0.5 * who.interest:
        return
    clicked = opened + timedelta(minutes=1)
    yield mine.did("email.clicked", clicked)
    start = mine.letter.at + clicked + timedelta(seconds=5)
    yield from business.visit(who, start, dice, mine.id("visit"))
    offer = _OFFERS.get(mine.letter.step)
    if offer and dice.randrange(100) < offer[2] * (0.5 + who.interest):
        system, kind, _ = offer
        about = {"percent": dice.randrange(30, 101, 10)} if kind == "video.watched" else {"title": f"{who.topic}"}
        yield Happening(start + timedelta(minutes=6), mine.id("offer"), system, kind, who, about)
        if kind == "webinar.registered" and dice.random() < 0.6:
            held = at_work(dice, (start + timedelta(days=dice.randrange(3, 14))).astimezone(ZONE).date())
            yield Happening(held, mine.id("came"), "webinar", "webinar.attended", who, {"title": dice.choice(WEBINARS)})


class _Mail:
    """One reader, one mail, one throw of the dice after the other."""

    def __init__(self, who: Person, letter: Letter, dice: Random) -> None:
        self.who = who
        self.letter = letter
        self.dice = dice

    def id(self, what: str) -> str:
        """The same answer has the same id, whichever run wrote the mail."""
        return f"{what}-{self.who.number}-{self.letter.sequence}-{self.letter.step}-{self.letter.at:%Y%m%d}"

    def did(self, what: str, after: timedelta, /, *, machine: bool = False, **more: Any) -> Happening:
        """An answer as the mail provider reports it."""
        name = f"{what}-machine" if machine else what
        properties = {"message_key": self.letter.key, **more}
        return Happening(self.letter.at + after, self.id(name), "mail", what, self.who, properties, machine=machine)


def works(business: Business, who: Person, task: Task) -> Iterator[Happening]:
    """What a salesperson makes of a task, over the next weeks."""
    dice = chance(business.seed, "task", who.number, task.kind, task.opened_at.date())
    mine = f"{who.number}-{task.kind}-{task.opened_at:%Y%m%d}"

    def says(kind: str, at: datetime, **properties: Any) -> Happening:
        return Happening(
            at.replace(microsecond=0), f"{kind}-{mine}", "crm", kind, who, {"task_id": task.number, **properties}
        )

    taken = task.opened_at + timedelta(hours=min(60.0, 0.2 + dice.expovariate(1 / 2.4)))
    if task.kind != "sql":
        # A look at an MQL, or a call to one.
        yield says("telemarketing.called", taken + timedelta(days=1), seconds=dice.randrange(60, 900))
        if dice.random() < 0.12 + 0.3 * who.interest:
            yield says("meeting.booked", taken + timedelta(days=1, minutes=20))
        return
    fit = 0.25 + 0.45 * who.decides + 0.3 * (who.company is not None) - 0.6 * (who.job_title == "Student")
    if dice.random() > 0.35 + 0.6 * fit:
        yield says("sales.rejected", taken, reason=_one_of(dice, _REJECTIONS))
        return
    yield says("sales.accepted", taken)
    met = taken + timedelta(days=2 + dice.expovariate(1 / 5))
    yield says("meeting.held", met)
    end = met + timedelta(days=3 + dice.expovariate(1 / 16))
    fate = dice.random()
    if fate < 0.16 + 0.3 * fit:
        yield says("deal.won", end, value=500 * dice.randrange(4, 160))
    elif fate < 0.62:
        yield says("deal.lost", end, reason=_one_of(dice, _LOSSES))
    elif fate < 0.8:
        yield says("sales.rejected", end, reason=_one_of(dice, _REJECTIONS))


# What sales was told of before there was Ripen.
ASKED_SALES = frozenset(
    (
        "demo.requested",
        "form.contact_submitted",
        "quote.requested",
        "phone.called",
        "trial.started",
        "email.sent_to_sales",
        "webinar.attended",
        "sample.requested",
    )
)


def settled(business: Business, who: Person, asked: Happening) -> Iterator[Happening]:
    """What became of somebody who asked sales before the first day."""
    dice = chance(business.seed, "settled", asked.id)
    at = asked.at + timedelta(days=2 + dice.expovariate(1 / 12))
    properties: dict[str, Any] = {"reason": _one_of(dice, _REJECTIONS)}
    fate = dice.random()
    if fate < 0.08 + 0.2 * who.decides:
        kind, properties = "deal.won", {"value": 500 * dice.randrange(4, 160)}
    elif fate < 0.6:
        kind, properties = "deal.lost", {"reason": _one_of(dice, _LOSSES)}
    else:
        kind = "sales.rejected"
    yield Happening(at.replace(microsecond=0), f"settled-{asked.id}", "crm", kind, who, properties)


def _one_of(dice: Random, weighted: Sequence[tuple[str, int]]) -> str:
    return pick(dice, [word for word, _ in weighted], [weight for _, weight in weighted])
