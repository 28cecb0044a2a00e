"""A mailbox over real sockets: every mail once, nothing touched, and every trouble named without a secret."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.events.base import MAIL
from connectors.events.imap_mailbox import ImapMailbox, ImapSettings
from nurture.errors import BadSetting, OutsideFailed, RetryLater
from nurture.inbound.parts import MAX_BYTES
from tests.connectors.events.mailboxes import (
    PASSWORD,
    USER,
    MailServer,
    breaking_line,
    certificate,
    mail_server,
    saying,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    with mail_server(tmp_path_factory.mktemp("imap")) as server:
        yield server


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> str:
    """A folder of the test's own."""
    return "".join(sign if sign.isalnum() else "-" for sign in request.node.name)


def mailbox(server: MailServer, folder: str, **more) -> ImapMailbox:
    port = more.pop("port", server.port)
    given = ImapSettings(
        "127.0.0.1", USER, PASSWORD, port=port, folder=folder, security="none", timeout=10, page_size=2
    )
    return ImapMailbox("replies", replace(given, **more))


def letters(count: int, start: int = 0) -> list[bytes]:
    return [b"Subject: %d\r\n\r\nHello %d\r\n" % (number, number) for number in range(start, start + count)]


def read(source: ImapMailbox, cursor: str | None = None) -> tuple[list[list[bytes]], str | None]:
    pages = list(source.pages(cursor))
    return [[bytes(row.values[MAIL]) for row in page.records] for page in pages], pages[
        -1
    ].next_cursor if pages else cursor


def test_mails_come_in_pages_and_the_next_reading_gets_only_what_is_new(shared, folder):
    shared.put(*letters(5), folder=folder)
    pages, cursor = read(mailbox(shared, folder))
    assert pages == [letters(2), letters(2, 2), letters(1, 4)]
    assert read(mailbox(shared, folder), cursor) == ([], cursor)
    shared.put(*letters(1, 7), folder=folder)
    assert read(mailbox(shared, folder), cursor)[0] == [letters(1, 7)]


def test_an_empty_mailbox_has_no_pages_and_no_cursor(shared, folder):
    shared.put(folder=folder)
    assert read(mailbox(shared, folder)) == ([], None)


def test_a_run_reads_a_bounded_number_of_pages_and_the_next_goes_on(shared, folder):
    shared.put(*letters(5), folder=folder)
    pages, cursor = read(mailbox(shared, folder, max_pages=2))
    assert [mail for page in pages for mail in page] == letters(4)
    assert read(mailbox(shared, folder), cursor)[0] == [letters(1, 4)]


def test_nothing_is_marked_as_read_or_moved_by_itself(shared, folder):
    shared.put(*letters(3), folder=folder)
    read(mailbox(shared, folder))
    assert shared.look(folder) == [(), (), ()]


def test_mails_are_moved_when_asked_once_their_page_is_done(shared, folder):
    shared.put(*letters(4), folder=folder)
    pages = mailbox(shared, folder, move_to=f"{folder}-done").pages(None)
    next(pages)
    assert len(shared.look(folder)) == 4, "not before the page is stored"
    next(pages)
    assert len(shared.look(folder)) == 2
    pages.close()  # the run ends here
    assert len(shared.look(folder)) == 2
    assert len(shared.look(f"{folder}-done")) == 2


def test_what_a_killed_run_left_behind_is_moved_by_the_next(shared, folder):
    shared.put(*letters(3), folder=folder)
    source = mailbox(shared, folder, move_to=f"{folder}-done")
    first = source.pages(None)
    cursor = next(first).next_cursor
    first.close()  # after the commit, before the move
    assert read(source, cursor)[0] == [letters(1, 2)]
    assert (len(shared.look(folder)), len(shared.look(f"{folder}-done"))) == (0, 3)


def test_when_the_server_numbers_anew_everything_is_read_again(shared, folder):
    shared.put(*letters(3), folder=folder)
    _, cursor = read(mailbox(shared, folder))
    shared.renumber(folder)
    pages, after = read(mailbox(shared, folder), cursor)
    assert [mail for page in pages for mail in page] == letters(3)
    assert after.partition(":")[0] != cursor.partition(":")[0]


@pytest.mark.parametrize("cursor", ["", "x", "1:", ":5", "7:-1", "1:2:3"])
def test_a_cursor_that_makes_no_sense_is_the_beginning(shared, folder, cursor):
    folder = "any-cursor"
    if not shared.look(folder):
        shared.put(*letters(1), folder=folder)
    assert read(mailbox(shared, folder), cursor)[0] == [letters(1)]


def test_of_a_mail_of_ten_megabytes_only_the_beginning_is_fetched(shared, folder):
    shared.put(b"Subject: large\r\n\r\n" + b"x" * 10_000_000, *letters(1), folder=folder)
    pages, _ = read(mailbox(shared, folder))
    assert [len(mail) for mail in pages[0]] == [MAX_BYTES, len(letters(1)[0])]


# --- Trouble ----------------------------------------------------------------------------------------------------------


def trouble(source: ImapMailbox, kind: type[Exception]) -> str:
    with pytest.raises(kind) as raised:
        list(source.pages(None))
    told = str(raised.value)
    assert told.startswith("replies: ")
    assert PASSWORD not in told
    assert USER not in told
    assert raised.value.__suppress_context__ or raised.value.__cause__ is None
    return told


def test_a_wrong_password_is_for_a_person_and_is_not_told(shared, folder):
    assert "password_env" in trouble(mailbox(shared, folder, password="wrong"), OutsideFailed)


def test_a_password_beyond_ascii_is_tried_as_it_is(shared, folder):
    assert "password_env" in trouble(mailbox(shared, folder, password="pæssword \u2603"), OutsideFailed)


def test_a_folder_that_is_not_there_is_for_a_person(shared, folder):
    assert "no folder `nowhere`" in trouble(mailbox(shared, "nowhere"), OutsideFailed)


def test_a_line_that_breaks_in_the_middle_keeps_what_came_and_the_next_run_goes_on(shared, folder):
    mails = [b"Subject: %d\r\n\r\n" % number + b"x" * 20_000 for number in range(4)]
    shared.put(*mails, folder=folder)
    found: list[bytes] = []
    with breaking_line(shared.port, 60_000) as port:
        pages = mailbox(shared, folder, port=port).pages(None)
        page = next(pages)
        found += [row.values[MAIL] for row in page.records]
        cursor = page.next_cursor
        with pytest.raises(RetryLater, match="lost"):
            next(pages)
    assert found == mails[:2]
    assert read(mailbox(shared, folder), cursor)[0] == [mails[2:]]


@pytest.mark.parametrize("after", [0, 10, 200, 400])
def test_a_line_that_breaks_anywhere_is_for_the_next_run(shared, folder, after):
    shared.put(*letters(2), folder="breaking")
    with breaking_line(shared.port, after) as port:
        trouble(mailbox(shared, "breaking", port=port), RetryLater)


def test_a_server_that_is_not_there_is_for_the_next_run(shared, folder):
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    trouble(mailbox(shared, folder, port=port), RetryLater)


@pytest.mark.parametrize(
    "greeting", [b"220 mail.example.com ESMTP\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x01\r\n"]
)
def test_a_server_that_does_not_speak_imap_is_named(shared, folder, greeting):
    with saying(greeting) as port:
        trouble(mailbox(shared, folder, port=port), RetryLater)


def test_a_server_that_is_full_is_for_the_next_run(shared, folder):
    with saying(
        b"* OK ready\r\n",
        b"* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n",
        b"TAG NO [LIMIT] too many connections of answers\r\n",
    ) as port:
        assert "busy" in trouble(mailbox(shared, folder, port=port), RetryLater)


def test_a_server_that_falls_silent_is_given_up(shared, folder):
    begun = time.monotonic()
    with saying(b"* OK ready\r\n", b"* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n", b"") as port:
        trouble(mailbox(shared, folder, port=port, timeout=0.3), RetryLater)
    assert time.monotonic() - begun < 10


def test_a_server_that_drips_is_given_up(shared, folder):
    with saying(b"* OK ready\r\n", b"* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n", b"* " + b"x" * 100) as port:
        trouble(mailbox(shared, folder, port=port, page_deadline=0.3, timeout=20), RetryLater)


def test_a_password_does_not_cross_a_network_readable():
    with pytest.raises(BadSetting, match="starttls"):
        ImapMailbox("replies", ImapSettings("mail.example.com", USER, PASSWORD, security="none"))


def test_neither_settings_nor_source_show_the_password():
    settings = ImapSettings("mail.example.com", USER, PASSWORD)
    assert PASSWORD not in f"{settings!r} {settings} {ImapMailbox('replies', settings)!r}"


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MailServer, Path]]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = certificate(folder)
    with mail_server(folder, "--cert", str(cert), "--key", str(key)) as server:
        yield server, cert


def test_a_line_is_secured_before_the_login(secured):
    server, cert = secured
    source = mailbox(server, "INBOX", security="starttls", certificates=str(cert))
    assert read(source) == ([], None)


def test_a_certificate_that_nobody_vouches_for_stops_before_the_password(secured):
    server, _ = secured
    told = trouble(mailbox(server, "INBOX", security="starttls"), OutsideFailed)
    assert "the password was not sent" in told


def test_a_server_without_tls_gets_no_password(shared, folder):
    assert "offers no starttls" in trouble(mailbox(shared, folder, security="starttls"), OutsideFailed)
    trouble(mailbox(shared, folder, security="tls", timeout=3), RetryLater)
