"""Rates: which ones warn, which ones hold, and how few messages say nothing."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from nurture.definitions.lifecycle import Deliverability, Rate
from nurture.sending_rates import Sending, findings

LIMITS = Deliverability()


@pytest.mark.parametrize(
    ("sent", "complaints", "bounces", "expected"),
    [
        (1_999, 1, 0, []),
        (2_000, 2, 0, [("complaint-rate", False)]),
        (2_000, 6, 0, [("complaint-rate", True)]),
        (2_000, 5, 0, [("complaint-rate", False)]),
        (2_001, 2, 0, []),
        (199, 50, 50, []),
        (200, 1, 1, []),
        (200, 2, 9, [("complaint-rate", True)]),
        (200, 0, 10, [("bounce-rate", True)]),
        (200, 2, 10, [("bounce-rate", True), ("complaint-rate", True)]),
    ],
)
def test_a_rate_at_its_limit_warns_or_holds_when_enough_was_sent(sent, complaints, bounces, expected):
    found = findings([Sending("papers", "smtp", sent, complaints, bounces)], LIMITS)
    assert sorted((each.code, each.hold) for each in found) == expected


def test_the_figures_say_how_many_of_how_many_in_which_time():
    [found] = findings([Sending("papers", "smtp", 2_000, 6)], LIMITS)
    assert found.reason == "complaint-rate: 6 of 2,000 mails in 30 days, 0.30 % (limit 0.3 %)"


def test_a_transport_as_a_whole_holds_every_sequence_that_used_it():
    few = [Sending(name, "smtp", 150, 1) for name in ("one", "two")]
    [found] = findings([*few, Sending("three", "other", 150, 1)], LIMITS)
    assert (found.sequences, found.code, found.hold) == (("one", "two"), "complaint-rate", True)
    assert "of all mail by smtp" in found.figures


def test_a_sequence_over_two_transports_is_judged_as_one():
    found = findings([Sending("one", "smtp", 150, 1), Sending("one", "other", 150, 1)], LIMITS)
    assert [(each.sequences, each.hold) for each in found] == [(("one",), True)]


def test_a_limit_can_be_left_out_and_a_warning_comes_before_the_hold():
    off = Deliverability(complaints=Rate(), hard_bounces=Rate(warn=1))
    assert [each.hold for each in findings([Sending("one", "smtp", 200, 100, 100)], off)] == [False]
    with pytest.raises(ValidationError):
        Rate(warn=2, hold=1)
