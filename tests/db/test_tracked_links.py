"""Where links lead: each address has one number for ever, whoever asks, and however many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest

from db.engine import Database
from db.tables import leads
from db.tracked_links import address_of, numbers_of

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
URLS = [f"https://example.com/{number}" for number in range(20)]


def numbered(connection, urls):
    return {url: link.number for url, link in numbers_of(connection, dict.fromkeys(urls)).items()}


@pytest.fixture
def database(database_url):
    made = Database(database_url)
    yield made
    made.dispose()


def test_an_address_keeps_its_number_and_a_number_leads_to_its_address(database):
    with database.write() as connection:
        first = numbered(connection, URLS[:2])
        again = numbered(connection, URLS[1:3])
        assert again[URLS[1]] == first[URLS[1]]
        assert len({*first.values(), *again.values()}) == 3
        assert {address_of(connection, number): number for number in first.values()} == first


def test_nothing_asked_is_nothing_answered_and_a_number_of_nothing_leads_nowhere(database):
    with database.write() as connection:
        assert numbered(connection, []) == {}
        assert address_of(connection, 4711) is None


def test_addresses_that_differ_in_a_letter_or_a_blank_are_others_and_any_length_will_do(database):
    odd = [
        "https://example.com/a",
        "https://example.com/A",
        "https://example.com/a ",
        f"https://example.com/{'x' * 9000}",
    ]
    with database.write() as connection:
        found = numbered(connection, [*odd, *odd])
        assert len(set(found.values())) == len(odd)
        assert [address_of(connection, found[url]) for url in odd] == odd


def test_workers_that_meet_the_same_addresses_at_once_agree_on_their_numbers(database):
    together = Barrier(4)

    def ask(turn: int) -> dict[str, int]:
        together.wait()
        urls = URLS if turn % 2 else URLS[::-1]
        with database.write() as connection:
            return numbered(connection, urls)

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(ask, range(4))
    assert set(first) == set(URLS)
    assert all(each == first for each in others)


def test_an_address_is_one_leads_own_until_another_ones_mail_holds_it(database):
    with database.write() as connection:
        ada, bo = (
            connection.execute(leads.insert().values(created_at=NOW, updated_at=NOW).returning(leads.c.id)).scalar_one()
            for _ in range(2)
        )
        url = URLS[0]

        def whose(holder):
            return numbers_of(connection, {url: holder})[url].lead_id

        assert [whose(ada), whose(ada), whose(bo), whose(ada), whose(None)] == [ada, ada, None, None, None]
