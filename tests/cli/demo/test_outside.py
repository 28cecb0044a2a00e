"""The sample business: made of chance that repeats itself, and answering what it is sent."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest

from cli.demo.answers import Letter, Task, reads, works
from cli.demo.business import Business
from nurture.normalise import email, phone

LEADS = 400
BUSINESS = Business(7, LEADS, 60, date(2026, 6, 25))
PEOPLE = [BUSINESS.person(number) for number in range(1, LEADS + 1)]


def test_everybody_has_an_address_that_can_reach_nobody():
    assert len({each.email for each in PEOPLE}) == LEADS
    assert all(email(each.email).identity.endswith(".test") for each in PEOPLE)


def test_every_phone_number_is_somebody_s_own():
    numbers = [phone(each.phone) for each in PEOPLE if each.phone]
    assert None not in numbers
    assert len(set(numbers)) == len(numbers)


def test_there_are_danish_names_with_their_letters():
    danish = "".join(each.name for each in PEOPLE if each.country.code == "DK")
    assert all(letter in danish for letter in "æøå")


def test_companies_have_several_people():
    sizes = Counter(each.company.domain for each in PEOPLE if each.company)
    assert max(sizes.values()) >= 4
    assert 0.8 < sum(sizes.values()) / LEADS < 0.95


def test_the_same_seed_is_the_same_life_and_ids_are_unique():
    lives = [each for number in range(1, 80) for each in BUSINESS.own_life(number)]
    assert lives == [each for number in range(1, 80) for each in BUSINESS.own_life(number)]
    assert len({(each.system, each.id) for each in lives}) == len(lives)


def test_the_known_came_before_the_first_day_and_the_others_on_one_of_the_days():
    for number in range(1, LEADS + 1):
        assert (BUSINESS.arrived_at(number) < BUSINESS.opens) == (number <= BUSINESS.known_before)


@pytest.fixture
def letters() -> list[tuple]:
    """One mail to everybody."""
    return [(who, Letter("ab12", who.email, "papers", "thanks", BUSINESS.opens + timedelta(hours=9))) for who in PEOPLE]


def test_a_dead_address_bounces_and_does_nothing_else(letters):
    dead = [list(reads(BUSINESS, who, letter)) for who, letter in letters if who.dead_address]
    assert dead
    for answers in dead:
        assert [(each.type, each.properties["kind"]) for each in answers] == [("email.bounced", "hard")]


def test_answers_name_the_mail_and_come_after_it(letters):
    for who, letter in letters:
        for each in reads(BUSINESS, who, letter):
            assert each.at > letter.at
            assert each.system != "mail" or each.properties["message_key"] == "ab12"


def test_the_interested_open_more(letters):
    def opened(people):
        return [
            any(each.type == "email.opened" and not each.machine for each in reads(BUSINESS, *one)) for one in people
        ]

    order = sorted(letters, key=lambda one: one[0].interest)
    assert sum(opened(order[-100:])) > sum(opened(order[:100]))


def test_a_company_s_scanner_clicks_at_once_and_is_flagged(letters):
    for who, letter in letters:
        if who.company and who.company.scanner and not who.dead_address:
            clicks = [each for each in reads(BUSINESS, who, letter) if each.machine and each.type == "email.clicked"]
            assert all(each.at - letter.at < timedelta(seconds=10) for each in clicks)


def test_sales_answers_every_task_and_says_why_it_gives_a_lead_back():
    task_at = BUSINESS.opens + timedelta(days=3)
    answers = [list(works(BUSINESS, who, Task(1, "sql", who.email, task_at))) for who in PEOPLE]
    assert all(each[0].type in ("sales.accepted", "sales.rejected") for each in answers)
    assert {each[0].properties["reason"] for each in answers if each[0].type == "sales.rejected"} > {
        "poor_fit",
        "too_early",
    }
