"""Companies and people of the sample business, each a pure function of the seed and a number."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import TypeVar

from cli.demo.names import COUNTRIES, FIRST_WORDS, JOBS, SECOND_WORDS, TOPICS, Country

T = TypeVar("T")
# Of a hundred leads, how many write from a company; and about how many of them share one.
_AT_WORK = 0.88
_PER_COMPANY = 3.2
_LETTERS = str.maketrans(
    {"æ": "ae", "ø": "oe", "å": "aa", "ß": "ss", "ł": "l", "Æ": "Ae", "Ø": "Oe", "Å": "Aa", "Ł": "L"}
)


def chance(seed: int, *what: object) -> Random:
    """The dice for one thing: the same thing rolls the same, whatever else was rolled before."""
    return Random(f"{seed}/" + "/".join(map(str, what)))  # noqa: S311 - sample data, no secret


def pick(dice: Random, choices: Sequence[T], weights: Sequence[int]) -> T:
    """One of the choices, by weight."""
    return dice.choices(choices, weights)[0]


@dataclass(frozen=True, slots=True)
class Company:
    """An account; a scanner in front of its mailboxes follows every link of every mail."""

    name: str
    domain: str
    country: Country
    industry: str
    employees: int
    scanner: bool


@dataclass(frozen=True, slots=True)
class Person:
    """One lead and its nature: `interest` and `decides` from 0 to 1 say how it behaves, nobody else knows them."""

    number: int
    first_name: str
    last_name: str
    email: str
    phone: str | None
    job_title: str
    city: str
    country: Country
    company: Company | None
    topic: str
    interest: float
    decides: float
    dead_address: bool
    privacy_proxy: bool

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"

    @property
    def visitor(self) -> str:
        """The cookie under which the website knows the person before it knows who it is."""
        return f"v-{self.number:05d}"


@cache
def person(seed: int, number: int, leads: int) -> Person:
    """The person of a number, in a business of so many leads."""
    dice = chance(seed, "person", number)
    company = _company(seed, _company_of(dice, leads)) if dice.random() < _AT_WORK else None
    home = company.country if company else pick(dice, COUNTRIES, [each.weight for each in COUNTRIES])
    first, last = dice.choice(home.first), dice.choice(home.last)
    job, _, decides = pick(dice, JOBS, [each[1] for each in JOBS])
    domain = company.domain if company else "mail.test"
    return Person(
        number=number,
        first_name=first,
        last_name=last,
        email=f"{slug(first)}.{slug(last)}{number}@{domain}",
        phone=f"{home.dialling}{number:05d}" if dice.random() < 0.55 and number < 100_000 else None,
        job_title=job if company else "",
        city=dice.choice(home.cities),
        country=home,
        company=company,
        topic=dice.choice(TOPICS),
        interest=dice.betavariate(1.1, 4.5),
        decides=decides,
        dead_address=dice.random() < 0.02,
        privacy_proxy=dice.random() < 0.3,
    )


def _company_of(dice: Random, leads: int) -> int:
    """A few companies have many people, most have one or two."""
    companies = max(1, round(leads * _AT_WORK / _PER_COMPANY))
    return int(companies * dice.random() ** 1.25)


@cache
def _company(seed: int, number: int) -> Company:
    dice = chance(seed, "company", number)
    home = pick(dice, COUNTRIES, [each.weight for each in COUNTRIES])
    industry = dice.choice(list(SECOND_WORDS))
    words = f"{dice.choice(FIRST_WORDS)} {dice.choice(SECOND_WORDS[industry])}"
    # Companies of one name in one country would be one account, so the later ones carry their town.
    place = f" {dice.choice(home.cities)}" if number % 3 else ""
    return Company(
        name=f"{words}{place} {dice.choice(home.legal)}",
        domain=f"{slug(words)}-{number}.test",
        country=home,
        industry=industry,
        employees=round(10 ** dice.triangular(0.7, 4.2, 1.9)),
        scanner=dice.random() < 0.12,
    )


def slug(text: str) -> str:
    """Plain letters for addresses: `Søren Ågård` becomes `soeren-aagaard`."""
    plain = unicodedata.normalize("NFKD", text.translate(_LETTERS)).encode("ascii", "ignore").decode()
    return "-".join("".join(sign if sign.isalnum() else " " for sign in plain.lower()).split())
