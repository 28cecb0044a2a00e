"""A user's mistake is a clear message and an exit code, never a stack trace."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from cli.main import run
from db import tables
from db.engine import Database
from tests.connectors.email.hostile_smtp import Order, SmtpSink


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "business"
    assert run(["init", str(folder)]) == 0
    return folder


def importing(home: Path, text: bytes, *options: str) -> int:
    file = home / "given.csv"
    file.write_bytes(text)
    return run(["import", "events", str(file), "--home", str(home), "--now", "2026-01-06T12:00", *options])


def test_a_folder_that_is_no_workspace(tmp_path, capsys):
    assert run(["run", "daily-sync", "--home", str(tmp_path)]) == 2
    assert "is not a workspace" in capsys.readouterr().err


def test_an_unknown_command_and_an_unknown_flow(home, capsys):
    assert run(["nope"]) == 2
    assert run(["run", "dayly-sync", "--home", str(home)]) == 2
    assert 'Did you mean "daily-sync"?' in capsys.readouterr().err


def test_a_workspace_is_not_overwritten(home, capsys):
    assert run(["init", str(home)]) == 2
    assert "workspace already" in capsys.readouterr().err


def test_a_typo_in_the_settings_names_the_key(home, capsys):
    (home / "ripen.toml").write_text('[email]\ntransprt = "smtp"\n')
    assert run(["messages", "--home", str(home)]) == 2
    assert "email.transprt" in capsys.readouterr().err


def test_a_typo_in_a_step_names_the_place_and_the_nearest_word(home, capsys):
    file = home / "templates" / "sequences" / "webinar-follow-up.yaml"
    file.write_text(file.read_text().replace("email: webinar-thanks", "emial: webinar-thanks", 1))
    assert run(["check", "--home", str(home)]) == 1
    shown = capsys.readouterr().out
    assert "sequences/webinar-follow-up.yaml:" in shown
    assert "email" in shown


def test_an_undefined_variable_in_a_template_names_the_place(home, capsys):
    file = home / "templates" / "emails" / "wp-thanks" / "text.txt"
    file.write_text(file.read_text() + "\n{{ lead.shoe_size }}\n")
    assert run(["check", "--home", str(home)]) == 1
    shown = capsys.readouterr().out
    assert "emails/wp-thanks/text.txt:" in shown
    assert "shoe_size" in shown


def test_broken_definitions_are_not_published(home, capsys):
    (home / "templates" / "scoring.yaml").write_text("rules: [\n")
    assert run(["publish", "--home", str(home)]) == 2
    assert "ripen check" in capsys.readouterr().err


def test_a_wrong_smtp_password_pauses_the_transport_and_burns_no_message(home, capsys, monkeypatch):
    monkeypatch.setenv("RIPEN_EMAIL__PASSWORD", "not-the-one")
    leads = home / "leads.csv"
    leads.write_bytes((home / "samples" / "leads.csv").read_bytes())
    with SmtpSink(Order("auth", "535 5.7.8 no", times=None)) as sink:
        (home / "ripen.toml").write_text(
            f'[email]\ntransport = "smtp"\nhost = "127.0.0.1"\nport = {sink.port}\nusername = "u"\nsecurity = "none"\n'
        )
        grant(home, leads)
        assert (
            importing(
                home,
                b"email,type,occurred_at,source,source_event_id\nada@example.com,"
                b"content.white_paper_downloaded,2026-01-06T09:00:00Z,w,1\n",
                "--enroll",
            )
            == 0
        )
        assert run(["run", "daily-sync", "--home", str(home), "--now", "2026-01-06T12:00"]) == 3
        assert "password" in capsys.readouterr().err
        assert sink.accepted == []
    assert run(["messages", "--home", str(home), "--json"]) == 0
    message = json.loads(capsys.readouterr().out)["messages"][0]
    assert (message["status"], message["reason"]) == ("queued", None)


def grant(home: Path, leads: Path) -> None:
    mapping = ["--mapping", "signup_list", "--now", "2026-01-06T08:00", "--enroll"]
    assert run(["import", "leads", str(leads), "--home", str(home), *mapping]) == 0


def test_a_read_only_outbox_stops_sending_with_the_setting_to_mend(home, capsys):
    (home / "outbox").write_text("a file stands where the folder should be")
    leads = home / "leads.csv"
    leads.write_bytes((home / "samples" / "leads.csv").read_bytes())
    grant(home, leads)
    importing(
        home,
        b"email,type,occurred_at,source,source_event_id\nada@example.com,"
        b"content.white_paper_downloaded,2026-01-06T09:00:00Z,w,1\n",
        "--enroll",
    )
    assert run(["run", "daily-sync", "--home", str(home), "--now", "2026-01-06T12:00"]) == 3
    assert "folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"email;type;occurred_at\na@example.com;x;2026-01-01\n", "delimiter"),
        ("email,type\na@example.com,x\n".encode("utf-16"), "UTF-16"),
        (b"emial,type,occurred_at\na@example.com,page.viewed,2026-01-01\n", "email"),
        (b'email,type,occurred_at\n"a@example.com,page.viewed,2026-01-01\n', "quot"),
    ],
    ids=["wrong delimiter", "UTF-16", "unknown column", "half-written"],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole_with_the_reason(home, capsys, content, says):
    assert importing(home, content) == 2
    assert says in capsys.readouterr().err


def test_bad_rows_are_kept_with_their_reason_and_the_others_go_in(home, capsys):
    rows = b"\xef\xbb\xbfemail,type,occurred_at,source,source_event_id\n" + b"".join(
        (
            b"ada@example.com,page.viewed,2026-01-05T10:00:00Z,w,1\n",
            b"ada@example.com,page.viewed,2026-01-05T10:00:00Z,w,1\n",
            b"ada@example.com,page.viewd,2026-01-05T10:00:00Z,w,2\n",
            b"ada@example.com,page.viewed,2026-03-05T10:00:00Z,w,3\n",
            b",page.viewed,2026-01-05T10:00:00Z,w,4\n",
            b"bo@example.com,page.viewed,2026-01-05T10:00:00Z,w,5\n",
        )
    )
    assert importing(home, rows, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["rows"], report["duplicates"]) == (6, 1)
    assert report["refused"] == len(report["refusals"]) == 3
    reasons = {refusal["line"]: refusal["reason"] for refusal in report["refusals"]}
    assert reasons[4] == "unknown-event-type"
    assert reasons[5] == "future"
    assert set(reasons) == {4, 5, 6}
    assert run(["letters", "--home", str(home), "--json"]) == 0
    letters = json.loads(capsys.readouterr().out)["letters"]
    assert len(letters) == 3


def test_a_huge_field_refuses_the_row_and_not_the_file(home, capsys):
    rows = b"email,type,occurred_at,source,source_event_id,properties.note\n"
    rows += b"ada@example.com,page.viewed,2026-01-05T10:00:00Z,w,1," + b"x" * 10_000_000 + b"\n"
    rows += b"ada@example.com,page.viewed,2026-01-05T10:00:00Z,w,2,short\n"
    assert importing(home, rows, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["rows"], report["refused"], report["created"]) == (2, 1, 1)


def test_a_newer_database_is_refused(home, capsys):
    import sqlite3

    assert run(["db", "upgrade", "--home", str(home)]) == 0
    with sqlite3.connect(home / "ripen.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'f00d'")
    assert run(["run", "daily-sync", "--home", str(home)]) == 3
    assert "newer Ripen" in capsys.readouterr().err


def test_an_instant_without_an_offset_is_local_to_the_project_in_every_command(home, capsys):
    assert run(["publish", "--home", str(home), "--now", "2026-01-06T12:00"]) == 0
    assert run(["sequences", "hold", "quiet-leads", "--home", str(home), "--now", "2026-01-06T13:00"]) == 0
    with Database(f"sqlite:///{home / 'ripen.db'}").read() as connection:
        since = connection.execute(sa.select(tables.sequence_states.c.since)).scalar_one()
    assert since == datetime(2026, 1, 6, 12, tzinfo=UTC)


def test_a_wrong_time_zone_of_the_project_names_the_setting(home, capsys):
    settings = home / "ripen.toml"
    settings.write_text(settings.read_text().replace("Europe/Copenhagen", "Europe/Kopenhagen"))
    assert run(["run", "daily-sync", "--home", str(home), "--now", "2026-01-06T12:00"]) == 2
    assert "project.time_zone" in capsys.readouterr().err
