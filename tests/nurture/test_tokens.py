"""Signed tokens: for one purpose, with one secret, and nothing else is a token."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from nurture.tokens import CLICK, OPEN, TRAP, UNSUBSCRIBE, VIEW, read, seal, sign, unseal

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


# --- Sealed tokens ----------------------------------------------------------------------------------------------------

PURPOSES = [CLICK, OPEN, TRAP, VIEW]


@given(st.binary(min_size=20, max_size=20), st.integers(0, 2**48 - 1), st.sampled_from(PURPOSES))
def test_a_seal_gives_back_key_and_number_for_its_purpose_and_secret_alone(key, number, purpose):
    token = seal(SECRET, purpose, key.hex(), number)
    assert quote(token, safe="") == token
    for other in PURPOSES:
        assert unseal(SECRET, other, token) == ((key.hex(), number) if other == purpose else None)
        assert read(SECRET, other, token) is None
    assert unseal(b"another secret", purpose, token) is None
    assert unseal(SECRET, purpose, sign(SECRET, purpose, key.hex())) is None


@given(st.integers(0, 56 * 8 - 1), st.integers(0, 2**48 - 1))
def test_a_seal_with_one_bit_flipped_is_worth_nothing(place, number):
    token = bytearray(seal(SECRET, CLICK, KEY, number).encode())
    token[place // 8] ^= 1 << place % 8
    assert unseal(SECRET, CLICK, token.decode("latin-1")) is None


@given(st.text() | st.text(min_size=56, max_size=56) | st.text("AB-_=+/ \n.\x00", min_size=56, max_size=56))
def test_no_text_is_a_seal_or_an_error(text):
    assert unseal(SECRET, CLICK, text) is None
    assert read(SECRET, UNSUBSCRIBE, text * 50) is None
