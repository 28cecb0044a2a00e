"""What happens to the sample business by itself: who arrives, from where, and what they do on the website and off it.

Everything is a pure function of the seed and the calendar; no clock is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from cli.demo.names import FAIRS, PAGES, PAPERS, SITE, WEBINARS
from cli.demo.people import Person, chance, person, pick

ZONE = ZoneInfo("Europe/Copenhagen")
# How far the imported history goes back, in days: beyond the 90 after which a lead is quiet.
HISTORY_DAYS = 150


@dataclass(frozen=True, slots=True)
class Happening:
    """One fact as an outside system would report it; `says` is what a form tells about the person."""

    at: datetime
    id: str
    system: str
    type: str
    who: Person
    properties: dict[str, Any] = field(default_factory=dict)
    machine: bool = False
    anonymous: bool = False
    says: Arrival | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a person first came: the source, the systems' words for it, and what was allowed."""

    source: str
    detail: str
    nurture: bool
    newsletter: bool
    ads: bool


@dataclass(frozen=True, slots=True)
class Way:
    """One way in: the source, how many of a hundred, the first event, and of a hundred how many allow what."""

    source: str
    weight: int
    system: str
    event: str
    nurture: int
    newsletter: int
    ads: int
    details: tuple[str, ...]


WAYS = (
    Way("website", 14, "website", "content.white_paper_downloaded", 90, 30, 55, ("white paper form",)),
    Way("website", 4, "website", "content.specific_white_paper_downloaded", 92, 30, 55, ("product paper form",)),
    Way("website", 5, "website", "content.ebook_downloaded", 86, 30, 50, ("e-book form",)),
    Way("website", 3, "website", "guide.downloaded", 85, 30, 50, ("guide form",)),
    Way("website", 3, "website", "form.contact_submitted", 55, 10, 30, ("contact form",)),
    Way("website", 2, "website", "demo.requested", 65, 15, 40, ("demo form",)),
    Way("newsletter", 8, "website", "newsletter.subscribed", 80, 100, 35, ("footer form", "blog form")),
    Way("webinar", 18, "webinar", "webinar.registered", 90, 25, 45, WEBINARS),
    Way("linkedin", 6, "ads", "lead_ad.submitted", 85, 10, 90, ("calibration campaign", "audit campaign")),
    Way("linkedin", 4, "ads", "social.interacted", 50, 10, 60, ("company page",)),
    Way("facebook", 2, "ads", "lead_ad.submitted", 70, 10, 90, ("brand campaign",)),
    Way("google ads", 3, "website", "form.contact_submitted", 55, 8, 60, ("search: calibration", "search: sensors")),
    Way("trade show", 10, "import", "event.attended", 30, 5, 10, FAIRS),
    Way("live chat", 5, "chat", "live_chat.asked", 45, 8, 20, ("website chat",)),
    Way("phone", 2, "phone", "phone.called", 25, 0, 10, ("switchboard",)),
    Way("referral", 2, "mail", "email.sent_to_sales", 35, 5, 15, ("customer", "partner")),
    Way("partner list", 5, "import", "", 0, 0, 0, ("distributor list",)),
    Way("public database", 4, "import", "", 0, 0, 0, ("company register",)),
)


class Business:
    """A business of so many leads that is looked at for so many days, the last of which is given."""

    def __init__(self, seed: int, leads: int, days: int, last_day: date) -> None:
        self.seed = seed
        self.leads = leads
        self.first_day = last_day - timedelta(days=days - 1)
        self.last_day = last_day
        # Leads come evenly, so that the days lived have their share of them.
        self.known_before = round(leads * HISTORY_DAYS / (HISTORY_DAYS + days))
        self.opens = datetime.combine(self.first_day, time(), ZONE).astimezone(UTC)

    def person(self, number: int) -> Person:
        """The person of a number, from 1."""
        return person(self.seed, number, self.leads)

    def arrived_at(self, number: int) -> datetime:
        """When the person first came: before the first day, more and more towards it, or on one of the days."""
        dice = chance(self.seed, "arrival", number)
        if number <= self.known_before:
            day = self.first_day - timedelta(days=1 + int(HISTORY_DAYS * (1 - dice.random() ** 0.9)))
        else:
            day = self.first_day + timedelta(days=int((self.last_day - self.first_day).days * dice.random()))
        # Most come on working days.
        if day.weekday() >= 5 and dice.random() < 0.75:
            day -= timedelta(
                days=min(day.weekday() - 4, (day - self.first_day).days) if number > self.known_before else 2
            )
        return at_work(dice, day)

    def arrival(self, number: int) -> tuple[Way, Arrival]:
        """By which way the person came, and what was allowed on it."""
        dice = chance(self.seed, "way", number)
        way = pick(dice, WAYS, [each.weight for each in WAYS])
        allowed = [dice.randrange(100) < percent for percent in (way.nurture, way.newsletter, way.ads)]
        return way, Arrival(way.source, dice.choice(way.details), *allowed)

    def own_life(self, number: int) -> Iterator[Happening]:
        """Everything that the person does unasked, from the first contact to the last day."""
        who, came = self.person(number), self.arrived_at(number)
        way, arrival = self.arrival(number)
        dice = chance(self.seed, "life", number)
        if way.system == "website" and dice.random() < 0.5:
            # They looked around before they said who they are.
            before = came - timedelta(minutes=dice.randrange(3, 40))
            yield from self.visit(who, before, dice, f"look-{number}", anonymous=True)
        yield Happening(came, f"first-{number}", way.system, way.event, who, _what(way, arrival, who), says=arrival)
        yield from _after(dice, way, who, came, number)
        until = datetime.combine(self.last_day, time(23), ZONE).astimezone(UTC)
        yield from self._visits(who, came, until, dice, number)

    def _visits(self, who: Person, came: datetime, until: datetime, dice: Random, number: int) -> Iterator[Happening]:
        """Return visits, closer together for the interested, and getting rarer."""
        gap = 7 + 75 * (1 - who.interest) ** 2
        moment, round_ = came, 0
        while round_ < 40:
            round_ += 1
            moment += timedelta(days=dice.expovariate(1 / gap))
            gap *= 1.22
            if moment >= until:
                return
            start = at_work(dice, moment.astimezone(ZONE).date())
            yield from self.visit(who, start, dice, f"visit-{number}-{round_}")
            yield from _asks(dice, who, start, f"{number}-{round_}")

    def visit(
        self, who: Person, start: datetime, dice: Random, id_: str, anonymous: bool = False
    ) -> Iterator[Happening]:
        """A few pages in a row; the keen look at more of them, and at the prices."""
        pages = min(9, 1 + int(dice.expovariate(1 / (0.7 + 2.2 * who.interest))))
        for place in range(pages):
            path = pick(dice, [page for page, _ in PAGES], [weight for _, weight in PAGES])
            if path == "/careers" and who.decides and dice.random() < 0.6:
                path = "/about"
            if path not in ("/pricing", "/careers") and dice.random() < 0.14 * who.interest:
                path = "/pricing"
            at = start + timedelta(seconds=place * dice.randrange(20, 240))
            yield Happening(
                at, f"{id_}-{place}", "website", "page.viewed", who, {"url": SITE + path}, anonymous=anonymous
            )


def _what(way: Way, arrival: Arrival, who: Person) -> dict[str, Any]:
    """What the first contact was about."""
    if way.event in ("content.white_paper_downloaded", "content.specific_white_paper_downloaded"):
        return {"title": PAPERS[who.topic], "url": f"{SITE}/papers/{who.topic.replace(' ', '-')}"}
    if way.event.startswith(("webinar.", "event.")):
        return {"title": arrival.detail}
    if way.source in ("linkedin", "facebook", "google ads"):
        return {"campaign": arrival.detail}
    return {"topic": who.topic}


def _after(dice: Random, way: Way, who: Person, came: datetime, number: int) -> Iterator[Happening]:
    """What often follows a first contact: the webinar itself, a talk at the fair."""
    if way.event == "webinar.registered" and dice.random() < 0.35 + 0.4 * who.interest:
        held = at_work(dice, (came + timedelta(days=dice.randrange(2, 16))).astimezone(ZONE).date())
        title = {"title": dice.choice(WEBINARS)}
        yield Happening(held, f"attended-{number}", "webinar", "webinar.attended", who, title)
        if dice.random() < 0.2:
            watched = {"title": title["title"], "percent": dice.randrange(20, 101, 10)}
            yield Happening(held + timedelta(days=2), f"video-{number}", "website", "video.watched", who, watched)
    if way.event == "event.attended":
        talk = dice.random()
        kind = "event.amazing_conversation" if talk < 0.05 else "event.good_conversation" if talk < 0.4 else None
        if kind:
            yield Happening(came + timedelta(minutes=20), f"talk-{number}", "import", kind, who)


# What a visit may end in, of ten thousand visits of somebody whose interest is 1.
_ASKS = (
    ("content.white_paper_downloaded", "website", 900),
    ("content.ebook_downloaded", "website", 400),
    ("content.case_study_read", "website", 700),
    ("content.spec_sheet_viewed", "website", 700),
    ("webinar.registered", "webinar", 500),
    ("content.interactive_completed", "website", 200),
    ("live_chat.asked", "chat", 200),
    ("demo.requested", "website", 260),
    ("quote.requested", "website", 150),
    ("form.contact_submitted", "website", 200),
    ("sample.requested", "website", 80),
    ("phone.called", "phone", 120),
    ("trial.started", "website", 60),
    ("social.interacted", "ads", 300),
)


def _asks(dice: Random, who: Person, start: datetime, id_: str) -> Iterator[Happening]:
    """At the end of a visit somebody may take or ask for something."""
    roll = dice.randrange(10_000)
    for kind, system, weight in _ASKS:
        roll -= round(weight * (0.25 + who.interest) * (0.4 + who.decides))
        if roll < 0:
            at = start + timedelta(minutes=dice.randrange(15, 50))
            subject = {"title": PAPERS[who.topic]} if kind.startswith("content.white") else {"topic": who.topic}
            yield Happening(at, f"asks-{id_}", system, kind, who, subject)
            if kind == "webinar.registered" and dice.random() < 0.55:
                held = at_work(dice, (start + timedelta(days=dice.randrange(2, 12))).astimezone(ZONE).date())
                yield Happening(
                    held, f"attends-{id_}", "webinar", "webinar.attended", who, {"title": dice.choice(WEBINARS)}
                )
            return


def at_work(dice: Random, day: date) -> datetime:
    """An instant of a day, most often in working hours."""
    hour = min(21.9, max(6.5, dice.gauss(12.2, 3.2)))
    return (datetime.combine(day, time(), ZONE) + timedelta(hours=hour)).astimezone(UTC).replace(microsecond=0)
