"""What every e-mail connector promises, checked on each of them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from connectors.email import (
    BatchSession,
    EmailConnector,
    MemoryOutbox,
    OutgoingMail,
    Phase,
    Receipt,
    Verdict,
    build_email_connector,
)
from nurture.errors import BadSetting, TransportDown
from tests.connectors.email.hostile_smtp import SmtpSink
from tests.connectors.email.mails import sample_mail
from tests.connectors.email.providers.vendors import VENDORS

KINDS = ("smtp", "eml", "console", "memory", *VENDORS)


@dataclass
class Subject:
    """A connector and a way to see which messages really left, by key and in order."""

    connector: EmailConnector
    arrived: Callable[[], list[str]]


@pytest.fixture(params=KINDS)
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    if request.param == "smtp":
        with SmtpSink() as sink:
            options = {"host": "127.0.0.1", "port": sink.port, "security": "none"}
            yield Subject(build_email_connector("smtp", **options), sink.keys)
    elif request.param in VENDORS:
        with VENDORS[request.param]() as stand_in:
            yield Subject(build_email_connector(request.param, **stand_in.options()), stand_in.keys)
    elif request.param == "eml":
        folder = tmp_path / "outbox"

        def by_age() -> list[str]:
            return [path.stem for path in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)]

        yield Subject(build_email_connector("eml", folder=folder), by_age)
    elif request.param == "console":
        screen = io.StringIO()

        def printed() -> list[str]:
            return re.findall(r"^Message-ID: <(\w+)@", screen.getvalue(), re.MULTILINE)

        yield Subject(build_email_connector("console", stream=screen), printed)
    else:
        outbox = MemoryOutbox()
        yield Subject(outbox, lambda: [mail.message_key for mail in outbox.messages])


def test_a_staged_message_leaves_only_with_its_commit(subject: Subject):
    with subject.connector.open() as session:
        assert session.stage(sample_mail("aa")) is None
        receipt = session.commit()
    assert receipt.verdict is Verdict.ACCEPTED
    assert receipt.phase == Phase.DOT
    assert subject.arrived() == ["aa"]


def test_an_abandoned_message_never_arrives_and_the_session_goes_on(subject: Subject):
    with subject.connector.open() as session:
        session.stage(sample_mail("aa"))
        session.abandon()
        session.abandon()
        assert session.stage(sample_mail("bb")) is None
        assert session.commit().verdict is Verdict.ACCEPTED
    assert subject.arrived() == ["bb"]


def test_closing_a_session_drops_what_is_staged(subject: Subject):
    session = subject.connector.open()
    session.stage(sample_mail("aa"))
    session.close()
    session.close()
    assert subject.arrived() == []


def test_an_error_inside_the_session_drops_what_is_staged(subject: Subject):
    def break_off() -> None:
        with subject.connector.open() as session:
            session.stage(sample_mail("aa"))
            raise KeyError("something else went wrong")

    with pytest.raises(KeyError):
        break_off()
    assert subject.arrived() == []


def test_one_session_carries_many_messages_in_order(subject: Subject):
    keys = [f"{number:02x}" for number in range(20)]
    with subject.connector.open() as session:
        for key in keys:
            assert session.stage(sample_mail(key)) is None
            assert session.commit().verdict is Verdict.ACCEPTED
    assert subject.arrived() == keys


def test_sessions_that_follow_each_other_share_nothing(subject: Subject):
    for key in ("aa", "bb"):
        with subject.connector.open() as session:
            session.stage(sample_mail(key))
            session.commit()
    assert subject.arrived() == ["aa", "bb"]


def test_an_unused_session_closes_without_a_trace(subject: Subject):
    with subject.connector.open():
        pass
    assert subject.arrived() == []


def test_nothing_can_be_committed_that_is_not_staged(subject: Subject):
    with subject.connector.open() as session:
        with pytest.raises(RuntimeError):
            session.commit()
        session.stage(sample_mail("aa"))
        session.commit()
        with pytest.raises(RuntimeError):
            session.commit()
    assert subject.arrived() == ["aa"]


def test_no_more_can_be_staged_than_one_act_takes(subject: Subject):
    keys = [f"{number:02x}" for number in range(subject.connector.abilities.batch)]
    with subject.connector.open() as session:
        for key in keys:
            assert session.stage(sample_mail(key)) is None
        with pytest.raises(RuntimeError, match="staged already"):
            session.stage(sample_mail("bbbb"))
        if len(keys) > 1:
            with pytest.raises(RuntimeError, match="commit_all"):
                session.commit()
            receipts = cast(BatchSession, session).commit_all()
        else:
            receipts = (session.commit(),)
    assert [receipt.verdict for receipt in receipts] == [Verdict.ACCEPTED] * len(keys)
    assert len({receipt.provider_id for receipt in receipts}) in (1, len(keys))
    assert subject.arrived() == keys


GOOD = sample_mail("aa")
UNFIT = {
    "bare line feed": replace(GOOD, raw=GOOD.raw + b"one\ntwo\r\n"),
    "bare carriage return": replace(GOOD, raw=GOOD.raw + b"one\rtwo\r\n"),
    "smuggled end": replace(GOOD, raw=GOOD.raw + b"one\n.\r\nMAIL FROM:<x@example.com>\r\n"),
    "NUL": replace(GOOD, raw=GOOD.raw + b"a\x00b\r\n"),
    "no line end": replace(GOOD, raw=GOOD.raw + b"cut"),
    "line feed at the end": replace(GOOD, raw=GOOD.raw[:-2] + b"\n"),
    "empty message": replace(GOOD, raw=b""),
    "line break in the recipient": replace(GOOD, recipient="lead@example.com\r\nRCPT TO:<other@example.com>"),
    "control character in the recipient": replace(GOOD, recipient="le\x07ad@example.com"),
    "C1 control in the recipient": replace(GOOD, recipient="le\x85ad@example.com"),
    "lone surrogate in the recipient": replace(GOOD, recipient="le\udc80ad@example.com"),
    "two recipients": replace(GOOD, recipient="lead@example.com, other@example.com"),
    "parameter after the recipient": replace(GOOD, recipient="lead@example.com> NOTIFY=NEVER"),
    "name and address": replace(GOOD, recipient="Lead <lead@example.com>"),
    "no recipient": replace(GOOD, recipient=""),
    "no domain": replace(GOOD, recipient="lead@"),
}


@pytest.mark.parametrize("mail", [pytest.param(mail, id=name) for name, mail in UNFIT.items()])
def test_an_unfit_message_is_rejected_before_anything_leaves(subject: Subject, mail: OutgoingMail):
    with subject.connector.open() as session:
        receipt = session.stage(mail)
        assert isinstance(receipt, Receipt)
        assert (receipt.verdict, receipt.phase) == (Verdict.REJECTED, Phase.CHECK)
        assert "example.com" not in receipt.response
        with pytest.raises(RuntimeError):
            session.commit()
        assert session.stage(sample_mail("bb")) is None
        session.commit()
    assert subject.arrived() == ["bb"]


@pytest.mark.parametrize("sender", ["", "us", "us@example.com\r\nDATA", "Us <us@example.com>"])
def test_a_sender_that_cannot_be_one_stops_the_transport_and_not_the_message(subject: Subject, sender: str):
    with subject.connector.open() as session, pytest.raises(TransportDown, match="sender") as caught:
        session.stage(sample_mail(sender=sender))
    assert "example.com" not in str(caught.value)
    assert subject.arrived() == []


def test_the_settings_choose_a_connector_by_its_name(subject: Subject):
    assert subject.connector.name in KINDS


@pytest.mark.parametrize(
    ("kind", "options", "hint"),
    [
        ("pigeon", {}, "smtp, postmark, sendgrid, mailgun, ses, resend, brevo, eml, console, memory"),
        ("smtp", {"host": "mail.example.com", "prot": 25}, "did you mean 'port'"),
        ("smtp", {"port": 25}, "needs the setting 'host'"),
        ("smtp", {"host": ""}, "`host`"),
        ("smtp", {"host": "mail.example.com", "port": 0}, "`port`"),
        ("smtp", {"host": "mail.example.com", "security": "ssl"}, "starttls"),
        ("smtp", {"host": "mail.example.com", "username": "ripen"}, "go together"),
        ("smtp", {"host": "mail.example.com", "timeout_s": 0}, "above 0"),
        ("smtp", {"host": "mail.example.com", "helo": "us\r\nMAIL"}, "`helo`"),
        ("eml", {}, "needs the setting 'folder'"),
        ("postmark", {}, "needs the setting 'api_key'"),
        ("postmark", {"api_key": "two words"}, "`api_key` of `postmark`"),
        ("postmark", {"api_key": "k", "api_url": "http://api.example.com"}, "https://"),
        ("postmark", {"api_key": "k", "api_url": "https://user:word@api.example.com"}, "bare address"),
        ("postmark", {"api_key": "k", "api_url": "https://api.example.com:99999"}, "`api_url`"),
        ("postmark", {"api_key": "k", "batch": 501}, "between 1 and 500"),
        ("postmark", {"api_key": "k", "timeout_s": 0}, "above 0"),
        ("postmark", {"api_key": "k", "connections": 0}, "between 1 and 100"),
        ("sendgrid", {"apikey": "k"}, "did you mean 'api_key'"),
        ("mailgun", {"api_key": "k"}, "needs the setting 'domain'"),
        ("mailgun", {"api_key": "k", "domain": "mg.example.com/../x"}, "`domain`"),
        ("mailgun", {"api_key": "k", "domain": "mg.example.com", "message_domain": "a b"}, "`message_domain`"),
        ("ses", {"region": "eu-north-1", "access_key_id": "a"}, "needs the setting 'secret_access_key'"),
        ("ses", {"region": "eu.north", "access_key_id": "a", "secret_access_key": "s"}, "`region`"),
        (
            "ses",
            {"region": "eu-north-1", "access_key_id": "a", "secret_access_key": "s", "test_mode": True},
            "simulator",
        ),
        ("resend", {"api_key": "k", "test_mode": True}, "delivered@resend.dev"),
        ("resend", {"api_key": "k", "batch": 0}, "between 1 and 100"),
        ("brevo", {"api_key": "k\n"}, "`api_key` of `brevo`"),
        ("memory", {"folder": "x"}, "no setting 'folder'"),
    ],
)
def test_a_wrong_setting_is_named(kind: str, options: dict[str, object], hint: str):
    with pytest.raises(BadSetting, match=re.escape(hint)):
        build_email_connector(kind, **options)


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "AB", "a b", "a\n"])
def test_a_message_key_can_always_be_a_file_name(key: str):
    with pytest.raises(ValueError, match="hex"):
        replace(GOOD, message_key=key)
