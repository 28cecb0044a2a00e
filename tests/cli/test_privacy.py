"""`ripen privacy` as people and scripts use it."""

from __future__ import annotations

import csv
import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from tasks.privacy.export import as_csv

LEADS = """email,first_name,name,company,attributes.note,consent.nurture
ada@example.com,Ada,Ada,Acme,=HYPERLINK("https://example.com"),yes
bo@example.com,Bo,Bo,Acme,plain,yes
"""
EVENTS = """source,source_event_id,email,type,occurred_at
fair,1,ada@example.com,content.white_paper_downloaded,2026-01-05T10:00:00Z
fair,2,bo@example.com,content.white_paper_downloaded,2026-01-05T10:00:00Z
"""
AT = ("--now", "2026-01-06T12:00")


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A workspace with two leads who have got a mail."""
    folder = tmp_path / "business"
    assert run(["init", str(folder)]) == 0
    (folder / "samples/leads.csv").unlink()
    (folder / "samples/events.csv").unlink()
    for kind, text in (("leads", LEADS), ("events", EVENTS)):
        given = tmp_path / "given.csv"
        given.write_text(text)
        assert run(["import", kind, str(given), "--enroll", "--home", str(folder), *AT]) == 0
    assert run(["run", "daily-sync", "--home", str(folder), *AT]) == 0
    capsys.readouterr()
    return folder


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """What a command prints as JSON."""
    assert run([*words, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_an_export_is_a_closed_folder_of_json_csv_and_mails(home, capsys):
    told = answer(capsys, "privacy", "export", "ada@example.com", *AT, "--home", str(home))
    folder = Path(told["folder"])
    assert folder == home / "privacy/exports/lead-1"
    assert (told["lead"], told["mails"], told["rows"]["messages"]) == (1, 1, 1)
    assert {path.name for path in folder.iterdir()} >= {"subject.json", "leads.csv", "events.csv", "mails"}
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert modes == {0o700, 0o600}
    whole = json.loads((folder / "subject.json").read_bytes())
    assert (whole["ids"], whole["leads"][0]["email"]) == ([1], "ada@example.com")
    assert whole["score_contributions"][0]["reason"]
    assert "bo@example.com" not in "".join(path.read_text() for path in folder.rglob("*.*"))


def test_no_cell_of_an_export_is_a_formula(home, capsys, tmp_path):
    out = tmp_path / "for-ada"
    answer(capsys, "privacy", "export", "1", "--out", str(out), *AT, "--home", str(home))
    for path in out.glob("*.csv"):
        for row in csv.reader(io.StringIO(path.read_text())):
            assert [cell for cell in row if cell.startswith(("=", "@", "+", "\t", "\r", "|"))] == []


@pytest.mark.parametrize("text", ["=1+1", "+45", "-x", "@a", "\tx", "\rx", "|cmd", "  =1", "'=1", '"=1'])
def test_a_cell_that_a_spreadsheet_would_act_on_begins_with_an_apostrophe(text):
    [_, [cell, number]] = list(csv.reader(io.StringIO(as_csv([{"a": text, "b": -5}]).decode(), newline="")))
    assert cell == f"'{text}"
    assert number == "-5"


def test_an_export_never_mixes_with_other_files_and_the_same_place_is_written_anew(home, capsys, tmp_path):
    words = ("privacy", "export", "1", *AT, "--home", str(home))
    (tmp_path / "other").mkdir()
    (tmp_path / "other/letter.txt").write_text("mine")
    assert run([*words, "--out", str(tmp_path / "other")]) == 2
    assert "holds other files" in capsys.readouterr().err
    assert run(list(words)) == run(list(words)) == 0


def test_without_yes_and_without_anybody_to_ask_nothing_is_erased(home, capsys):
    assert run(["privacy", "erase", "ada@example.com", *AT, "--home", str(home)]) == 2
    assert "--yes" in capsys.readouterr().err
    assert answer(capsys, "explain", "ada@example.com", "--home", str(home))["lead"]["id"] == 1


class Terminal(io.StringIO):
    """A person at a keyboard."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "code"), [("no", 1), ("erase", 0)])
def test_a_person_sees_what_will_go_and_is_asked(home, capsys, monkeypatch, typed, code):
    (home / "notes.txt").write_text("call ada@example.com")
    monkeypatch.setattr("sys.stdin", Terminal(f"{typed}\n"))
    assert run(["privacy", "erase", "ada@example.com", *AT, "--home", str(home)]) == code
    asked = capsys.readouterr()
    assert "Lead 1 (ada@example.com): " in asked.err
    assert "not deleted, because it is not ours: notes.txt" in asked.err
    found = run(["explain", "ada@example.com", "--home", str(home)])
    assert found == (2 if code == 0 else 0)


def test_a_certificate_says_what_was_done_and_names_nobody(home, capsys):
    answer(capsys, "privacy", "export", "1", *AT, "--home", str(home))
    words = (
        "privacy",
        "erase",
        "ada@example.com",
        "--yes",
        "--reason",
        "by letter of Monday",
        *AT,
        "--home",
        str(home),
    )
    told = answer(capsys, *words)
    assert told["done"]["events"] >= 1
    assert told["files_deleted"]["mails"] == 1
    assert told["files_deleted"]["exports"] > 5
    assert (told["reason"], told["lead"], told["waits_for"]) == ("by letter of Monday", 1, {})
    assert told["completed_at"] == "2026-01-06T11:00:00+00:00"
    kept = home / "privacy/certificates/erasure-1.json"
    assert json.loads(kept.read_bytes()) == told
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "ada" not in kept.read_text().casefold()
    assert answer(capsys, *words)["erased_before"]
    assert run(["privacy", "erase", "1", "--yes", *AT, "--home", str(home)]) == 0
    assert "Lead 1 was erased: certificate 1." in capsys.readouterr().out


def test_an_erased_lead_is_explained_by_one_sentence(home, capsys):
    assert run(["privacy", "erase", "1", "--yes", *AT, "--home", str(home)]) == 0
    capsys.readouterr()
    assert run(["explain", "1", "--home", str(home)]) == 0
    assert capsys.readouterr().out.strip() == "Lead 1 was erased on 2026-01-06 11:00 UTC."
    assert answer(capsys, "explain", "1", "--home", str(home))["erased"]


def test_a_wrong_name_is_a_message(home, capsys):
    for command in (("export",), ("erase", "--yes")):
        assert run(["privacy", command[0], "nobody@example.com", *command[1:], *AT, "--home", str(home)]) == 2
        assert "no lead has this id" in capsys.readouterr().err


def test_before_anything_was_published_a_person_may_ask_too(tmp_path, capsys):
    folder = tmp_path / "fresh"
    assert run(["init", str(folder)]) == 0
    given = tmp_path / "given.csv"
    given.write_text(LEADS)
    assert run(["import", "leads", str(given), "--home", str(folder), *AT]) == 0
    assert run(["privacy", "export", "ada@example.com", "--home", str(folder), *AT]) == 0
    assert run(["privacy", "erase", "ada@example.com", "--yes", "--home", str(folder), *AT]) == 0
