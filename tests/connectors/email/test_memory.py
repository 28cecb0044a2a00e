"""The memory twin and its faults."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.email import MemoryOutbox, Verdict
from nurture.errors import RetryLater, TransportDown
from tests.connectors.email.mails import sample_mail


def test_a_message_sent_twice_is_seen_twice():
    outbox = MemoryOutbox()
    with outbox.open() as session:
        for _ in range(2):
            session.stage(sample_mail("aa"))
            session.commit()
    assert [mail.message_key for mail in outbox.messages] == ["aa", "aa"]


@pytest.mark.parametrize(
    ("moment", "outcome", "delivered"),
    [
        ("stage", Verdict.RETRY, False),
        ("stage", Verdict.REJECTED, False),
        ("commit", Verdict.RETRY, False),
        ("commit", Verdict.REJECTED, False),
        ("commit", Verdict.UNKNOWN, False),
        ("commit", Verdict.UNKNOWN, True),
    ],
)
def test_an_ordered_verdict_strikes_once_and_delivers_as_told(moment: Any, outcome: Verdict, delivered: bool):
    outbox = MemoryOutbox()
    outbox.misbehave(moment, outcome, delivered=delivered)
    with outbox.open() as session:
        receipt = session.stage(sample_mail("aa")) or session.commit()
        assert receipt.verdict is outcome
        assert (session.stage(sample_mail("bb")) or session.commit()).verdict is Verdict.ACCEPTED
    assert [mail.message_key for mail in outbox.messages] == (["aa"] if delivered else []) + ["bb"]


def test_an_ordered_error_is_raised_until_it_is_used_up():
    outbox = MemoryOutbox()
    outbox.misbehave("open", TransportDown(), times=2)
    outbox.misbehave("stage", RetryLater())
    for _ in range(2):
        with pytest.raises(TransportDown):
            outbox.open()
    with outbox.open() as session:
        with pytest.raises(RetryLater):
            session.stage(sample_mail("aa"))
        assert session.stage(sample_mail("aa")) is None


def test_a_fault_can_be_meant_for_one_recipient():
    outbox = MemoryOutbox()
    outbox.misbehave("stage", Verdict.REJECTED, recipient="gone@example.com", times=None)
    with outbox.open() as session:
        for key, recipient in (("aa", "gone@example.com"), ("bb", "lead@example.com"), ("cc", "gone@example.com")):
            if session.stage(sample_mail(key, recipient=recipient)) is None:
                session.commit()
    assert [mail.message_key for mail in outbox.messages] == ["bb"]


@pytest.mark.parametrize(
    ("moment", "outcome", "delivered"),
    [("stage", Verdict.UNKNOWN, False), ("open", Verdict.RETRY, False), ("commit", Verdict.RETRY, True)],
)
def test_the_twin_cannot_be_told_what_no_connector_may_do(moment: Any, outcome: Verdict, delivered: bool):
    with pytest.raises(ValueError, match=r".+"):
        MemoryOutbox().misbehave(moment, outcome, delivered=delivered)
