"""Which lead a record belongs to."""

from __future__ import annotations

from nurture.matching import Matcher
from nurture.records import Identity

A, B = Identity("email", "a@example.com"), Identity("email", "b@example.com")
PHONE = Identity("phone", "+4512345678")
CRM, SHOP = Identity("external:crm", "7"), Identity("external:shop", "9")
COOKIE = Identity("anonymous", "cookie")


def test_the_first_identifier_in_the_order_of_strength_decides() -> None:
    matcher = Matcher({A: 1, CRM: 2, PHONE: 3}, {1})

    assert matcher.lead_of([COOKIE, CRM, A]) == 1
    assert matcher.owners[COOKIE] == 1
    assert matcher.owners[CRM] == 2, "the identifier of somebody else stays as it is"
    assert matcher.conflicts == 1


def test_identifiers_of_nobody_are_linked_to_the_lead_that_was_found() -> None:
    matcher = Matcher({CRM: 2}, ())

    assert matcher.lead_of([A, CRM, SHOP]) == 2
    assert matcher.lead_of([A]) == 2
    assert matcher.lead_of([SHOP]) == 2


def test_nobody_known_is_a_new_lead_once() -> None:
    matcher = Matcher({}, ())

    assert matcher.lead_of([A, CRM]) == -1
    assert matcher.lead_of([CRM]) == -1
    assert matcher.lead_of([B]) == -2
    assert matcher.new_leads == 2


def test_an_anonymous_id_alone_is_nobody_until_it_is_linked() -> None:
    matcher = Matcher({}, ())

    assert matcher.lead_of([COOKIE]) is None
    assert matcher.lead_of([COOKIE, A]) == -1
    assert matcher.owner_of([COOKIE]) == -1


def test_a_shared_phone_or_browser_does_not_decide_against_an_own_address() -> None:
    matcher = Matcher({A: 1, PHONE: 1, COOKIE: 1}, {1})

    assert matcher.lead_of([B, PHONE]) == -1
    assert matcher.lead_of([PHONE]) == 1
    assert Matcher({PHONE: 5}, ()).lead_of([B, PHONE]) == 5, "nobody else's address is at stake"


def test_a_shared_phone_does_not_decide_against_an_id_that_is_known() -> None:
    assert Matcher({PHONE: 1, CRM: 2}, ()).lead_of([PHONE, CRM]) == 2


def test_a_lead_that_is_named_takes_the_identifiers_of_nobody() -> None:
    matcher = Matcher({A: 1}, {1})

    assert matcher.lead_of([A, CRM], given=3) == 3
    assert (matcher.owners[A], matcher.owners[CRM]) == (1, 3)
