"""Whether a text speaks of a person: in every spelling of theirs, and never of a neighbour."""

from __future__ import annotations

import pytest

from nurture.mentions import Mentions
from nurture.records import Identity

ADA = Mentions(
    [
        Identity("email", "ada@example.com"),
        Identity("phone", "+4520123456"),
        Identity("external:crm", "17"),
        Identity("anonymous", "visitor-8812"),
    ],
    ["Ada.Holm@Example.com"],
)


@pytest.mark.parametrize(
    "text",
    [
        "ada@example.com",
        "To: Ada <ADA@Example.COM>,",
        '{"email": "ada@example.com"}',
        "mailto:ada@example.com?x",
        "https://x.example/?e=ada%40example.com&b=1",
        "ada.holm@example.com",
        "call +45 20 12 34 56 today",
        "tel:20123456",
        "0045 20-12-34-56",
    ],
)
def test_every_spelling_is_seen(text):
    assert ADA.in_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "grada@example.com",
        "ada@example.com.test",
        "ada@example.company",
        "x.ada@example.com",
        "ada+news@example.com",
        "20123457",
        "201234567",
        "17",
        "ada",
        "",
    ],
)
def test_a_neighbour_is_not_taken_for_the_person(text):
    assert not ADA.in_text(text)


def test_other_identifiers_count_as_whole_values_and_short_ones_only_of_their_source():
    assert ADA.in_record({"who": "visitor-8812"}, "site")
    assert ADA.in_record({"deep": [{"id": 17}]}, "crm")
    assert not ADA.in_record({"line": 17}, "site")
    assert not ADA.in_record({"text": "about visitor-88123"}, "site")
    assert ADA.in_record({"ada@example.com": None}, "site")
    assert not ADA.in_record(None, "crm")


def test_of_nobody_nothing_is_said():
    nobody = Mentions([])
    assert nobody.of_nobody
    assert not nobody.in_text("ada@example.com")
