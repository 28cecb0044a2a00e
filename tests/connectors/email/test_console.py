"""The console connector."""

from __future__ import annotations

import io
import os
from dataclasses import replace

import pytest

from connectors.email import Console, Verdict
from tests.connectors.email.mails import sample_mail

TWO_PARTS = replace(
    sample_mail("aa"),
    raw=(
        b"From: Ripen <us@example.com>\r\nTo: lead@example.com\r\nSubject: =?utf-8?q?Tak_for_sidst=2C_S=C3=B8ren?=\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"K=C3=A6re S=C3=B8ren\r\n\r\n"
        b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>not shown</p>\r\n--b--\r\n"
    ),
)


def test_headers_and_text_part_are_readable(capsys: pytest.CaptureFixture[str]):
    with Console().open() as session:
        session.stage(TWO_PARTS)
        assert capsys.readouterr().out == ""
        assert session.commit().verdict is Verdict.ACCEPTED
    shown = capsys.readouterr().out
    assert "--- us@example.com -> lead@example.com\n" in shown
    assert "Subject: Tak for sidst, Søren\n" in shown
    assert "Kære Søren\n" in shown
    assert "<p>" not in shown


def test_a_message_cannot_play_with_the_terminal():
    screen = io.StringIO()
    hostile = sample_mail("aa", body=b"\x1b[2J\x1b]0;owned\x07 \xc2\x9b31m\r\n")
    with Console(screen).open() as session:
        session.stage(hostile)
        session.commit()
    assert not any(c in screen.getvalue() for c in "\x1b\x07\x9b")
    assert "owned" in screen.getvalue()


def test_a_terminal_with_few_letters_still_shows_the_message():
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with Console(screen).open() as session:
        session.stage(TWO_PARTS)
        assert session.commit().verdict is Verdict.ACCEPTED
    assert b"K?re S?ren" in screen.buffer.getvalue()


def test_a_reader_who_left_in_the_middle_makes_the_message_unknown():
    reading, writing = os.pipe()
    os.close(reading)
    screen = os.fdopen(writing, "w", encoding="utf-8")
    with Console(screen).open() as session:
        session.stage(TWO_PARTS)
        assert session.commit().verdict is Verdict.UNKNOWN
    with pytest.raises(BrokenPipeError):
        screen.close()
