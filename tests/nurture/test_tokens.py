"""Signed tokens: for one purpose, with one secret, and nothing else is a token."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from nurture.tokens import UNSUBSCRIBE, read, sign

SECRET = b"a secret of the tests, long enough"
KEY = "3f786850e387550fdab836ed7e6dc881de23001b"


def test_a_token_gives_back_its_value():
    assert read(SECRET, UNSUBSCRIBE, sign(SECRET, UNSUBSCRIBE, KEY)) == KEY


def test_a_token_is_the_same_every_time_so_that_old_mails_keep_working():
    assert sign(SECRET, UNSUBSCRIBE, KEY) == sign(SECRET, UNSUBSCRIBE, KEY)


def test_a_token_needs_no_escaping_in_an_address():
    token = sign(SECRET, UNSUBSCRIBE, KEY)
    assert quote(token, safe="") == token


def test_a_token_for_one_purpose_is_worth_nothing_for_another():
    assert read(SECRET, UNSUBSCRIBE, sign(SECRET, "click", KEY)) is None


def test_a_token_of_another_secret_is_no_token():
    assert read(SECRET, UNSUBSCRIBE, sign(b"another secret", UNSUBSCRIBE, KEY)) is None


@given(place=st.integers(min_value=0), other=st.characters(codec="ascii", categories=["L", "N"]))
def test_a_token_with_one_letter_changed_is_no_token(place, other):
    token = sign(SECRET, UNSUBSCRIBE, KEY)
    place %= len(token)
    changed = token[:place] + other + token[place + 1 :]
    if changed != token:
        found = read(SECRET, UNSUBSCRIBE, changed)
        # The last letter has bits that mean nothing.
        assert found is None or (found == KEY and place == len(token) - 1)


@given(st.text() | st.text(alphabet=".-_ABCab012", max_size=200))
def test_arbitrary_text_is_no_token(text):
    assert read(SECRET, UNSUBSCRIBE, text) is None
