"""Whatever an SMTP server does, in whatever phase, the verdict never claims more than is known."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from connectors.email import EmailSession, OutgoingMail, SmtpConnector, SmtpSettings, Verdict
from nurture.errors import RetryLater, TransportDown
from tests.connectors.email.conftest import Certificate
from tests.connectors.email.hostile_smtp import (
    DEAF,
    DRIP,
    DROP,
    FLOOD,
    GARBAGE,
    HALF,
    RESET,
    SLOW,
    STALL,
    Order,
    SmtpSink,
)
from tests.connectors.email.mails import sample_mail

ACCEPTED, REJECTED, RETRY, UNKNOWN = Verdict.ACCEPTED, Verdict.REJECTED, Verdict.RETRY, Verdict.UNKNOWN
SOFT, HARD, CLOSING = "451 4.3.0 not now", "554 5.7.1 no", "421 4.3.2 closing"

Outcome = Verdict | type[RetryLater] | type[TransportDown]

# Rows: the phase. Columns: what the server does there. An error class means that nothing was begun and all must wait.
COLUMNS = (DROP, RESET, STALL, GARBAGE, FLOOD, DRIP, HALF, CLOSING, SOFT, HARD)
BEFORE_MAIL: tuple[Outcome, ...] = (*[RetryLater] * 9, TransportDown)
TABLE: dict[str, tuple[Outcome, ...]] = {
    "connect": BEFORE_MAIL,
    "ehlo": BEFORE_MAIL,
    "starttls": BEFORE_MAIL,
    "auth": BEFORE_MAIL,
    "mail": (*[RETRY] * 9, TransportDown),
    "rcpt": (*[RETRY] * 9, REJECTED),
    "data": (*[RETRY] * 9, TransportDown),
    # A stall in mid-body shows only as silence after the dot. Words before the dot are no reply to anything.
    "body": (RETRY, RETRY, UNKNOWN, RETRY, RETRY, RETRY, RETRY, RETRY, RETRY, RETRY),
    "dot": (*[UNKNOWN] * 7, RETRY, RETRY, REJECTED),
}
CASES = [
    pytest.param(phase, how, expected, id=f"{phase}-{how.split()[0]}")
    for phase, row in TABLE.items()
    for how, expected in zip(COLUMNS, row, strict=True)
]


@dataclass
class Attempt:
    outcome: Outcome
    phase: str | None
    text: str


def deliver(session: EmailSession, mail: OutgoingMail, sink: SmtpSink | None = None) -> Attempt:
    """Stage and commit; with a sink, let its misbehaviour in mid-body happen before the dot."""
    try:
        receipt = session.stage(mail)
        if receipt is None:
            if sink is not None:
                assert sink.wait_for_misbehaviour()
            receipt = session.commit()
    except (RetryLater, TransportDown) as error:
        return Attempt(type(error), None, str(error))
    return Attempt(receipt.verdict, receipt.phase, receipt.response)


def connector_for(sink: SmtpSink, how: str = "", **more: object) -> SmtpConnector:
    patience = 0.3 if how in (STALL, DRIP, DEAF) else 10.0
    options: dict[str, object] = {
        "host": "127.0.0.1",
        "port": sink.port,
        "security": "none",
        "timeout_s": patience,
        "dot_timeout_s": patience,
    }
    return SmtpConnector(SmtpSettings(**(options | more)))  # type: ignore[arg-type]


@pytest.mark.parametrize(("phase", "how", "expected"), CASES)
def test_every_fault_in_every_phase_has_its_verdict(phase: str, how: str, expected: Outcome, certificate: Certificate):
    encrypt = phase == "starttls"
    login = {"username": "ripen", "password": "hunter2-secret"} if phase == "auth" else {}
    options = login | ({"security": "starttls", "ca_file": str(certificate.path)} if encrypt else {})
    sink = SmtpSink(Order(phase, how), tls=certificate.server_context() if encrypt else None)
    with sink, connector_for(sink, how, **options).open() as session:
        attempt = deliver(session, sample_mail("aa"), sink if phase == "body" else None)
        assert attempt.outcome is expected
        assert sink.accepted == []
        assert attempt.phase in (None, "dot" if (phase, how) == ("body", STALL) else phase)
        assert deliver(session, sample_mail("bb")).outcome is ACCEPTED, "the session did not recover"
    assert sink.keys() == ["bb"]


@pytest.mark.parametrize(
    ("how", "expected"), [(DROP, RetryLater), (STALL, RetryLater), (HARD, TransportDown), (FLOOD, TransportDown)]
)
def test_a_handshake_that_breaks_off_waits_and_one_that_is_none_needs_a_person(
    how: str, expected: Outcome, certificate: Certificate
):
    options = {"security": "starttls", "ca_file": str(certificate.path)}
    sink = SmtpSink(Order("handshake", how), tls=certificate.server_context())
    with sink, connector_for(sink, how, **options).open() as session:
        assert deliver(session, sample_mail("aa")).outcome is expected
        assert deliver(session, sample_mail("bb")).outcome is ACCEPTED
    assert sink.keys() == ["bb"]


@pytest.mark.parametrize("how", [DROP, RESET, STALL, GARBAGE, FLOOD, DRIP, HALF, "250-one\r\n550 two", "354 what"])
def test_a_message_that_was_delivered_without_a_clear_answer_is_unknown(how: str):
    with SmtpSink(Order("dot", how, delivered=True)) as sink, connector_for(sink, how).open() as session:
        attempt = deliver(session, sample_mail("aa"))
        assert (attempt.outcome, attempt.phase) == (UNKNOWN, "dot")
        assert deliver(session, sample_mail("bb")).outcome is ACCEPTED
    assert sink.keys() == ["aa", "bb"]


@pytest.mark.parametrize("how", [DROP, RESET, STALL, GARBAGE, FLOOD, DRIP, HALF, CLOSING, SOFT, HARD])
def test_a_failing_goodbye_changes_nothing(how: str):
    with SmtpSink(Order("quit", how)) as sink, connector_for(sink, how).open() as session:
        assert deliver(session, sample_mail("aa")).outcome is ACCEPTED
    assert sink.keys() == ["aa"]


def test_an_accepted_message_stays_accepted_when_the_connection_dies_right_after():
    with (
        SmtpSink(Order("dot", "250 2.0.0 Ok: queued as 77A\r\n421 4.3.2 bye", delivered=True)) as sink,
        connector_for(sink).open() as session,
    ):
        attempt = deliver(session, sample_mail("aa"))
        assert (attempt.outcome, attempt.text) == (ACCEPTED, "250 2.0.0 Ok: queued as 77A")
        assert deliver(session, sample_mail("bb")).outcome is ACCEPTED
    assert sink.keys() == ["aa", "bb"]


@pytest.mark.parametrize("how", [DEAF, DROP, RESET, SOFT])
def test_a_big_message_that_the_server_stops_reading_is_tried_again_later(how: str):
    line = b"x" * 70 + b"\r\n"
    with SmtpSink(Order("body", how)) as sink, connector_for(sink, how).open() as session:
        attempt = deliver(session, sample_mail("aa", body=line * 200_000), sink)
        assert (attempt.outcome, attempt.phase) == (RETRY, "body")
    assert sink.accepted == []


def test_a_message_handed_over_while_the_server_was_already_gone_is_safe_to_repeat():
    with SmtpSink(Order("body", DROP)) as sink, connector_for(sink).open() as session:
        assert session.stage(sample_mail("aa")) is None
        assert sink.wait_for_misbehaviour()
        assert session.commit().verdict is RETRY
        assert deliver(session, sample_mail("aa")).outcome is ACCEPTED
    assert sink.keys() == ["aa"]


def test_a_premature_yes_is_not_taken_for_an_answer():
    with SmtpSink(Order("data", "354 go\r\n250 2.0.0 already taken")) as sink, connector_for(sink).open() as session:
        receipt = session.stage(sample_mail("aa")) or session.commit()
        assert receipt.verdict is RETRY
    assert sink.accepted == []


def test_answers_given_ahead_of_their_questions_are_not_believed():
    ahead = "250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 queued"
    with SmtpSink(Order("mail", ahead)) as sink, connector_for(sink).open() as session:
        attempt = deliver(session, sample_mail("aa"))
        assert (attempt.outcome, attempt.phase) == (RETRY, "rcpt")
    assert sink.accepted == []


@pytest.mark.parametrize("code", [530, 535, 538])
@pytest.mark.parametrize("phase", ["mail", "rcpt", "data"])
def test_a_server_that_wants_a_login_first_blames_the_settings_and_not_the_lead(phase: str, code: int):
    with SmtpSink(Order(phase, f"{code} 5.7.0 Authentication required")) as sink, connector_for(sink).open() as session:
        attempt = deliver(session, sample_mail("aa"))
    assert attempt.outcome is TransportDown
    assert "`username`" in attempt.text


def test_one_refused_recipient_does_not_touch_the_next():
    with (
        SmtpSink(Order("rcpt", "550 5.1.1 no such user", recipient="gone@example.com", times=None)) as sink,
        connector_for(sink).open() as session,
    ):
        outcomes = [
            deliver(session, sample_mail(key, recipient=recipient)).outcome
            for key, recipient in (("aa", "one@example.com"), ("bb", "gone@example.com"), ("cc", "two@example.com"))
        ]
    assert outcomes == [ACCEPTED, REJECTED, ACCEPTED]
    assert sink.accepted == [("aa@mail.example.com", "one@example.com"), ("cc@mail.example.com", "two@example.com")]
    assert sink.connections == 1
    assert "rset" in [command.lower() for command in sink.commands]


def test_the_answer_to_the_dot_is_awaited_longer_than_any_other():
    assert SmtpSettings("mail.example.com").dot_timeout_s == 600
    slow, patience = Order("dot", SLOW, delivered=True), {"timeout_s": 0.5, "dot_timeout_s": 20.0}
    with SmtpSink(slow) as sink, connector_for(sink, **patience).open() as session:
        assert deliver(session, sample_mail("aa")).outcome is ACCEPTED
        sink.order(Order("mail", STALL))
        start = time.monotonic()
        assert deliver(session, sample_mail("bb")).outcome is RETRY
        assert time.monotonic() - start < 10
    assert sink.keys() == ["aa"]


def test_an_answer_to_another_question_ends_the_connection():
    with SmtpSink(Order("data", "250 what?")) as sink, connector_for(sink).open() as session:
        assert deliver(session, sample_mail("aa")).outcome is RETRY
        assert deliver(session, sample_mail("bb")).outcome is ACCEPTED
    assert sink.connections == 2


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data", "dot", "auth", "ehlo", "connect"])
@pytest.mark.parametrize("code", [451, 554])
def test_no_address_and_no_password_reaches_a_receipt_or_an_error(phase: str, code: int):
    # Some servers repeat the address, and bad ones even what was said at login.
    echo = f"{code} 5.1.1 <lead@example.com>: us@example.com AHJpcGVuAGh1bnRlcjItc2VjcmV0 hunter2-secret said"
    text = echo if phase == "auth" else echo.replace(" AHJpcGVuAGh1bnRlcjItc2VjcmV0 hunter2-secret", "")
    with (
        SmtpSink(Order(phase, text)) as sink,
        connector_for(sink, username="ripen", password="hunter2-secret").open() as session,
    ):
        attempt = deliver(session, sample_mail("aa"))
    for secret in ("lead@example.com", "us@example.com", "hunter2", "AHJpcGVuAGh1bnRlcjItc2VjcmV0"):
        assert secret not in attempt.text
    assert str(code) in attempt.text


def test_a_long_answer_is_cut():
    with SmtpSink(Order("rcpt", "550 " + "no " * 1000)) as sink, connector_for(sink).open() as session:
        assert len(deliver(session, sample_mail("aa")).text) == 500
