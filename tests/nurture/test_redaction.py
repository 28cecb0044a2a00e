"""The second line against personal data: what looks personal goes, what an operator needs stays."""

from __future__ import annotations

import pytest

from nurture.redaction import redact
from nurture.tokens import sign

KEY = "3f786850e387550fdab836ed7e6dc881de23001b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("refused ada.b+news@mail.example.com today", "refused [address] today"),
        ("<ada@example.com>, 'bo@example.com'", "<[address]>, '[address]'"),
        ("Key (email)=(ada@example.com) already exists", "Key (email)=([address]) already exists"),
        ("søren@firma-ø.example", "[address]"),
        ("call +45 20 12 34 56 now", "call [phone] now"),
        ("+1 (202) 555-0147", "[phone]"),
        ("/u/" + sign(b"secret", "unsubscribe", KEY), "/u/[token]"),
        (f"message {KEY} unknown", "message [token] unknown"),
    ],
)
def test_what_looks_personal_is_blotted_out(text, shown):
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "leads rescored 40, transitions 1,204",
        "2026-03-02T08:30:00+01:00",
        "run 3e1a4c5e-7d3b-4f83-9f1e-6f8c5e9a1b2c",
        "deliver of run 17 was stopped by an unexpected KeyError at db/messages.py:120",
        "sequence white-paper-nurture, step webinar-consultation-offer-reminder-for-those-who-wait",
        "the database is at revision 0001 and this code needs 0002; run `ripen db upgrade`",
    ],
)
def test_what_an_operator_needs_stays(text):
    assert redact(text) == text
