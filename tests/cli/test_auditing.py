"""`ripen audit` and `ripen explain` in a workspace whose time is not the clock's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from cli.main import run
from db import tables
from db.audit import CHECKS
from db.engine import Database
from tests.house.project import ROOT

LEADS = b"email,first_name,country\nada@example.com,Ada,DK\n"
EVENTS = (
    b"source_event_id,email,type,occurred_at\n"
    b"e-1,ada@example.com,content.white_paper_downloaded,2026-01-06T11:00Z\n"
)  # fmt: skip


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that has lived for two days in a January long ago."""
    folder = tmp_path_factory.mktemp("lived") / "business"
    at = ["--home", str(folder), "--now"]
    assert run(["init", str(folder)]) == 0
    assert run(["run", "daily-sync", *at, "2026-01-06T10:00Z"]) == 0
    for kind, text in (("leads", LEADS), ("events", EVENTS)):
        file = folder / f"{kind}.csv"
        file.write_bytes(text)
        assert run(["import", kind, str(file), "--enroll", *at, "2026-01-06T12:00Z"]) == 0
    assert run(["run", "daily-sync", *at, "2026-01-07T06:00Z"]) == 0
    return folder


@pytest.fixture
def home(lived: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may break."""
    return Path(shutil.copytree(lived, tmp_path / "business"))


def change(home: Path, statement: sa.Update) -> None:
    database = Database(f"sqlite:///{home / 'ripen.db'}")
    with database.write() as connection:
        assert connection.execute(statement).rowcount
    database.dispose()


def test_a_workspace_is_judged_at_the_end_of_its_last_run_not_by_the_clock(home, capsys):
    capsys.readouterr()
    assert run(["audit", "--home", str(home)]) == 0
    assert f"All {len(CHECKS)} invariants hold, as of 2026-01-07 06:00 UTC." in capsys.readouterr().out


def test_what_is_broken_is_exit_code_1_until_it_is_mended(home, capsys):
    change(home, sa.update(tables.scores).values(interest=9.0))
    capsys.readouterr()
    assert run(["audit", "--home", str(home), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    (breach,) = (each for each in told["breaches"] if each["check"] == "sums")
    assert (breach["rows"], breach["left"], breach["repairable"]) == (1, 1, True)
    assert {"says", "examples", "repaired", "remedy"} <= set(breach)
    assert run(["audit", "--home", str(home)]) == 1
    shown = capsys.readouterr()
    assert "sums" in shown.out
    assert "`ripen audit --repair` mends what is safe to mend." in shown.err
    assert run(["audit", "--repair", "--home", str(home)]) == 0
    assert "Mended" in capsys.readouterr().out
    assert run(["audit", "--home", str(home)]) == 0


def test_what_cannot_be_mended_says_what_a_person_should_do(home, capsys):
    change(home, sa.update(tables.stage_transitions).values(from_stage="sql"))
    capsys.readouterr()
    assert run(["audit", "--repair", "--home", str(home)]) == 1
    assert "transition-chain: transitions are never rewritten" in capsys.readouterr().err


def test_every_check_stands_in_the_documents_with_what_a_person_does():
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    assert [check.name for check in CHECKS if f"| `{check.name}` | {check.says} |" not in page] == []
    assert [check.name for check in CHECKS if f"| {check.remedy} |" not in page] == []


def test_an_explanation_can_be_read_by_people_and_by_programs(home, capsys):
    capsys.readouterr()
    assert run(["explain", "ada@example.com", "--home", str(home)]) == 0
    shown = capsys.readouterr().out
    for said in ("Stage", "White paper downloaded", "Not in", "Audiences", "no-consent: nobody has granted this topic"):
        assert said in " ".join(shown.split())
    assert run(["explain", "ada@example.com", "--home", str(home), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    keys = ("lead", "score", "stage", "transitions", "enrollments", "messages", "not_in", "audiences", "missing_to_sql")
    assert [key for key in keys if key not in told] == []
    assert run(["explain", "ada@example.com", "--home", str(home), "--at", "2026-01-06T11:30Z", "--json"]) == 0
    assert "not_in" not in json.loads(capsys.readouterr().out)
