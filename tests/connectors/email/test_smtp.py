"""The SMTP connector's good days: bytes unchanged, connection reused, encryption and login against a real server."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.email import SmtpConnector, SmtpSettings, Verdict
from connectors.email.smtp import queue_id
from nurture.errors import RetryLater, TransportDown
from tests.connectors.email.conftest import Certificate
from tests.connectors.email.hostile_smtp import Order, SmtpSink
from tests.connectors.email.mails import sample_mail


def connector_for(port: int, **more: Any) -> SmtpConnector:
    options: dict[str, Any] = {"host": "127.0.0.1", "port": port, "security": "none", "timeout_s": 10.0}
    return SmtpConnector(SmtpSettings(**(options | more)))


def send(connector: SmtpConnector, *mails: Any) -> list[Verdict]:
    with connector.open() as session:
        return [(session.stage(mail) or session.commit()).verdict for mail in mails]


def test_many_messages_share_one_connection_and_one_greeting():
    with SmtpSink() as sink:
        assert send(connector_for(sink.port), *[sample_mail(f"{n:x}") for n in range(30)]) == [Verdict.ACCEPTED] * 30
    assert sink.connections == 1
    assert [line.split()[0].upper() for line in sink.commands].count("EHLO") == 1
    assert sink.commands[-1] == "QUIT"


def test_a_connection_that_the_server_closed_between_two_messages_costs_nothing():
    with SmtpSink(Order("dot", "250 ok\r\n421 4.4.2 idle too long", delivered=True)) as sink:
        assert send(connector_for(sink.port), sample_mail("aa"), sample_mail("bb")) == [Verdict.ACCEPTED] * 2
    assert sink.connections == 2


lines = st.sampled_from([b"", b".", b"..", b".dot first", b"...", b"QUIT", b".\t", b"plain", b" . ", b"\xc3\xa6"])


@given(body=st.lists(lines, max_size=8))
@settings(max_examples=60, deadline=None)
def test_every_message_arrives_byte_for_byte(shared_sink: SmtpSink, body: list[bytes]):
    mail = sample_mail(body=b"".join(line + b"\r\n" for line in body))
    assert send(connector_for(shared_sink.port), mail) == [Verdict.ACCEPTED]
    assert shared_sink.raw[-1] == mail.raw


@pytest.fixture(scope="module")
def shared_sink() -> Iterator[SmtpSink]:
    with SmtpSink() as sink:
        yield sink


def test_a_message_that_begins_with_a_dot_arrives_whole():
    with SmtpSink() as sink:
        send(connector_for(sink.port), replace(sample_mail(), raw=b".X: 1\r\n\r\n.\r\n"))
    assert sink.raw == [b".X: 1\r\n\r\n.\r\n"]


def test_letters_beyond_ascii_are_sent_only_where_the_server_takes_them():
    in_body, in_address = sample_mail("aa", body="æble\r\n".encode()), sample_mail("bb", recipient="søren@example.com")
    with SmtpSink(extensions=("8BITMIME", "SMTPUTF8")) as sink:
        assert send(connector_for(sink.port), in_body, in_address, sample_mail("cc")) == [Verdict.ACCEPTED] * 3
    envelopes = [line for line in sink.commands if line.startswith("MAIL")]
    assert [line.partition("> ")[2] for line in envelopes] == ["BODY=8BITMIME", "SMTPUTF8", ""]
    assert [accepted.recipient for accepted in sink.accepted] == [
        mail.recipient for mail in (in_body, in_address, in_body)
    ]
    with SmtpSink(extensions=()) as sink:
        assert send(connector_for(sink.port), in_body, in_address, sample_mail("cc")) == [
            Verdict.REJECTED,
            Verdict.REJECTED,
            Verdict.ACCEPTED,
        ]
    assert sink.keys() == ["cc"]


def test_the_greeting_gives_our_address_unless_a_name_is_set():
    with SmtpSink() as sink:
        send(connector_for(sink.port), sample_mail())
        send(connector_for(sink.port, helo="mail.example.com"), sample_mail())
    greetings = [line.split()[1] for line in sink.commands if line.upper().startswith("EHLO")]
    assert greetings == ["[127.0.0.1]", "mail.example.com"]


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("2.0.0 Ok: queued as 4F1B2C00D", "4F1B2C00D"),
        ("OK id=1rAbCd-000123-XY", "1rAbCd-000123-XY"),
        ("2.6.0 <aa@mail.example.com> [InternalId=123, Hostname=mx] Queued mail for delivery", "aa@mail.example.com"),
        ("ok 1700000000 qp 4321", "1700000000"),
        ("Ok 0102018f3c1d2e4f-6b7c8d9e-0000-1111-2222-333344445555-000000", None),
        ("2.0.0 3AB1cdEF012345 Message accepted for delivery", "3AB1cdEF012345"),
        ("2.0.0 OK  1700000000 d2e1a72fcca58-si123.45 - gsmtp", "d2e1a72fcca58-si123.45"),
        ("thank you", None),
    ],
)
def test_the_queue_id_is_found_in_the_servers_words(reply: str, found: str | None):
    if reply.startswith("Ok 0102"):
        found = reply.removeprefix("Ok ")
    assert queue_id(reply) == found


def test_a_sender_that_dies_while_it_holds_the_dot_delivers_nothing():
    program = (
        "import os, sys\n"
        "from tests.connectors.email.mails import sample_mail\n"
        "from connectors.email import SmtpConnector, SmtpSettings\n"
        "session = SmtpConnector(SmtpSettings('127.0.0.1', int(sys.argv[1]), security='none')).open()\n"
        "session.stage(sample_mail('aa')) or session.commit()\n"
        "assert session.stage(sample_mail('bb')) is None\n"
        "os.kill(os.getpid(), 9)\n"
    )
    root = Path(__file__).parents[3]
    with SmtpSink() as sink:
        sender = subprocess.run([sys.executable, "-c", program, str(sink.port)], cwd=root, timeout=30, check=False)
        assert sender.returncode == -9
        send(connector_for(sink.port), sample_mail("cc"))
    assert sink.keys() == ["aa", "cc"]


def test_a_session_that_is_closed_with_a_held_dot_says_no_goodbye_and_waits_for_nobody():
    with SmtpSink() as sink:
        session = connector_for(sink.port).open()
        session.stage(sample_mail("aa"))
        start = time.monotonic()
        session.close()  # a QUIT here would be read as a line of the message, and its answer would never come
        assert time.monotonic() - start < 2
    assert sink.accepted == []


# --- trouble that hits every message ---


def test_a_closed_port_names_the_settings_to_check():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with connector_for(port).open() as session, pytest.raises(TransportDown, match="`host` and `port`"):
        session.stage(sample_mail())


def test_a_host_name_that_cannot_be_one_names_the_setting_to_check():
    with connector_for(25, host="a..b").open() as session, pytest.raises(TransportDown, match="`host`"):
        session.stage(sample_mail())


def test_a_server_without_encryption_or_login_names_the_settings_to_check():
    login = {"username": "ripen", "password": "secret"}
    with SmtpSink(extensions=()) as sink:
        with pytest.raises(TransportDown, match=r"STARTTLS.*`security`"):
            send(connector_for(sink.port, security="starttls"), sample_mail())
        with pytest.raises(TransportDown, match=r"no login.*`username`"):
            send(connector_for(sink.port, **login), sample_mail())
    with SmtpSink(extensions=("AUTH GSSAPI",)) as sink, pytest.raises(TransportDown, match="`username`"):
        send(connector_for(sink.port, **login), sample_mail())


def test_a_password_beyond_ascii_is_refused_without_being_shown():
    login = {"username": "ripen", "password": "hemmeligæ"}
    with SmtpSink() as sink, pytest.raises(TransportDown, match="ASCII") as caught:
        send(connector_for(sink.port, **login), sample_mail())
    assert "hemmelig" not in str(caught.value)
    assert "hemmelig" not in repr(SmtpSettings("mail.example.com", **login))


def test_a_plain_server_where_encryption_is_expected_names_the_setting_to_check():
    with SmtpSink() as sink, pytest.raises(TransportDown, match="`security`"):
        send(connector_for(sink.port, security="tls"), sample_mail())


def test_text_slipped_in_before_encryption_is_not_believed(certificate: Certificate):
    options = {"security": "starttls", "ca_file": str(certificate.path)}
    slipped_in = Order("starttls", "220 go\r\n250 ok")
    with SmtpSink(slipped_in, tls=certificate.server_context()) as sink:
        with pytest.raises(RetryLater, match="out of turn"):
            send(connector_for(sink.port, **options), sample_mail("aa"))
        assert send(connector_for(sink.port, **options), sample_mail("bb")) == [Verdict.ACCEPTED]
    assert sink.keys() == ["bb"]


def test_a_certificate_file_that_is_missing_names_the_setting_to_check(tmp_path: Path):
    with SmtpSink(extensions=("STARTTLS",)) as sink, pytest.raises(TransportDown, match="`ca_file`"):
        send(connector_for(sink.port, security="starttls", ca_file=str(tmp_path / "none.pem")), sample_mail())


# --- aiosmtpd: somebody else's server ---


class Inbox:
    """aiosmtpd's handler: keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, list[str], bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.messages.append((envelope.mail_from, envelope.rcpt_tos, envelope.original_content))
        return "250 2.0.0 Ok: queued as AIO1"


class OnAnyPort(Controller):
    """A controller that lets the system choose the port."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def check_login(server: Any, session: Any, envelope: Any, mechanism: str, login: LoginPassword) -> AuthResult:
    return AuthResult(success=login.login == b"ripen" and login.password == b"right", handled=False)


@pytest.fixture
def encrypted_server(certificate: Certificate) -> Iterator[OnAnyPort]:
    controller = OnAnyPort(
        Inbox(),
        hostname="127.0.0.1",
        port=0,
        tls_context=certificate.server_context(),
        require_starttls=True,
        authenticator=check_login,
        auth_required=True,
    )
    controller.start()
    yield controller
    controller.stop()


def test_mail_leaves_encrypted_and_logged_in(encrypted_server: OnAnyPort, certificate: Certificate):
    connector = connector_for(
        encrypted_server.port, security="starttls", ca_file=str(certificate.path), username="ripen", password="right"
    )
    mails = [sample_mail("aa", body=b".\r\n..two\r\n"), sample_mail("bb")]
    with connector.open() as session:
        for mail in mails:
            assert session.stage(mail) is None
            receipt = session.commit()
            assert (receipt.verdict, receipt.provider_id) == (Verdict.ACCEPTED, "AIO1")
    assert encrypted_server.handler.messages == [("us@example.com", ["lead@example.com"], mail.raw) for mail in mails]


def test_a_wrong_password_stops_the_transport_and_is_not_shown(encrypted_server: OnAnyPort, certificate: Certificate):
    connector = connector_for(
        encrypted_server.port, security="starttls", ca_file=str(certificate.path), username="ripen", password="wr0ng"
    )
    with connector.open() as session, pytest.raises(TransportDown, match=r"535.*`username` and `password`") as caught:
        session.stage(sample_mail())
    assert "wr0ng" not in str(caught.value)


def test_a_certificate_from_nobody_we_trust_stops_the_transport(encrypted_server: OnAnyPort):
    with pytest.raises(TransportDown, match=r"not trusted.*`ca_file`"):
        send(connector_for(encrypted_server.port, security="starttls"), sample_mail())


def test_mail_leaves_over_a_connection_that_is_encrypted_from_the_start(certificate: Certificate):
    controller = OnAnyPort(Inbox(), hostname="127.0.0.1", port=0, ssl_context=certificate.server_context())
    controller.start()
    try:
        connector = connector_for(controller.port, security="tls", ca_file=str(certificate.path))
        assert send(connector, sample_mail("aa"), sample_mail("bb")) == [Verdict.ACCEPTED] * 2
        with pytest.raises(TransportDown, match="not trusted"):
            send(connector_for(controller.port, security="tls"), sample_mail())
    finally:
        controller.stop()
    assert len(controller.handler.messages) == 2
