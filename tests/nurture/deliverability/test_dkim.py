"""Signatures made by another hand hold here, and no change goes unseen."""

from __future__ import annotations

import itertools

import dkim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nurture.deliverability.dkim import BadSignature, fields_of, key_of, verify
from nurture.rendering.mime import build_mime
from tests.nurture.deliverability.letters import ed25519_record, good, key_record, plan, signed

FORMS = list(itertools.product((b"simple", b"relaxed"), repeat=2))
PLAIN = build_mime(plan())


def holds(raw: bytes, record: str | None = None) -> bool:
    try:
        verify(raw, fields_of(raw)[0], record or key_record())
    except BadSignature:
        return False
    return True


@pytest.mark.parametrize("form", FORMS)
def test_both_canonical_forms_of_head_and_body_are_verified(form):
    raw = signed(PLAIN, canonicalize=form)
    assert holds(raw)
    assert not holds(raw.replace(b"yearly", b"daily"))
    assert not holds(raw.replace(b"Subject: Your", b"Subject: Our"))


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n\r\n", b"a  b \t\r\n \r\n\r\n", b"no end", b" lead\r\n"])
@pytest.mark.parametrize("form", FORMS)
def test_odd_bodies_are_canonicalised_as_the_standard_says(form, body):
    raw = b"From: a@example.com\r\nSubject:  two   blanks \r\n\tfolded\r\n\r\n" + body
    assert holds(signed(raw, headers=["From", "Subject"], canonicalize=form))


# RFC 8463, appendix A.
FOOTBALL = b"""DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
"""
BRISBANE = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def test_the_ed25519_signature_of_the_standard_holds():
    assert holds(FOOTBALL, BRISBANE)
    assert not holds(FOOTBALL.replace(b"hungry", b"thirsty"), BRISBANE)
    assert not holds(FOOTBALL, ed25519_record())
    assert not holds(FOOTBALL, key_record())


def test_another_key_a_revoked_one_and_nonsense_do_not_hold():
    for record in (key_record(1_024), "v=DKIM1; p=", "v=DKIM1; p=!!", "v=DKIM1", "nonsense", ed25519_record()):
        assert not holds(good(), record)


def test_a_key_record_tells_its_size_and_state():
    assert (key_of(key_record()).bits, key_of(key_record(1_024)).bits) == (2_048, 1_024)
    assert key_of("v=DKIM1; p=").revoked
    assert key_of("v=DKIM1; t=s:y; p=x").testing
    assert key_of(ed25519_record()).kind == "ed25519"


@settings(max_examples=60)
@given(st.integers(0, len(good()) - 1), st.binary(min_size=1, max_size=3))
def test_we_never_believe_what_the_other_hand_does_not(place, more):
    raw = good()[:place] + more + good()[place + len(more) :]
    field = next((each for each in fields_of(raw) if each.lower().startswith(b"dkim-signature:")), None)
    if field is None or not holds_field(raw, field):
        return
    record = key_record().encode()
    assert dkim.verify(raw, dnsfunc=lambda *_, **__: record)


def holds_field(raw: bytes, field: bytes) -> bool:
    try:
        verify(raw, field, key_record())
    except BadSignature:
        return False
    return True
