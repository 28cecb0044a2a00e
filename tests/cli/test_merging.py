"""`ripen merge` as people and scripts use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.main import run

LEADS = "email,name,company\nada@work.example.com,Ada,Acme\nada@home.example.com,Ada,\n"
EVENTS = """source,email,type,occurred_at
fair,ada@work.example.com,webinar.attended,2026-01-05T10:00:00Z
fair,ada@home.example.com,webinar.attended,2026-01-05T10:00:00Z
fair,ada@home.example.com,page.viewed,2026-01-05T11:00:00Z
"""
AT = ("--now", "2026-01-06T12:00")


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A workspace with one person who is two leads."""
    folder = tmp_path / "business"
    assert run(["init", str(folder)]) == 0
    for kind, text in (("leads", LEADS), ("events", EVENTS)):
        (folder / "given.csv").write_text(text)
        assert run(["import", kind, str(folder / "given.csv"), "--home", str(folder), *AT]) == 0
    capsys.readouterr()
    return folder


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """What a command prints as JSON."""
    assert run([*words, "--json"]) == 0
    out = capsys.readouterr().out
    return dict(json.loads(out))


def test_json_has_what_scripts_depend_on(home, capsys):
    words = ("merge", "ada@work.example.com", "ada@home.example.com", *AT, "--home", str(home))
    looked = answer(capsys, *words, "--dry-run")
    done = answer(capsys, *words)
    assert {name: done[name] for name in ("lead", "events_moved", "duplicates")} == {
        "lead": 1,
        "events_moved": 1,
        "duplicates": 1,
    }
    assert {**done, "dry_run": True} == looked
    run(["run", "follow-up", *AT, "--home", str(home)])
    capsys.readouterr()
    for name in ("2", "ada@home.example.com"):
        assert answer(capsys, "explain", name, "--home", str(home))["lead"]["id"] == 1


def test_people_see_whom_they_merge_and_what_came_of_it(home, capsys):
    assert run(["merge", "ada@work.example.com", "2", *AT, "--home", str(home)]) == 0
    out = capsys.readouterr().out
    assert "Lead 2 (ada@home.example.com) is now part of lead 1 (ada@work.example.com)" in out
    assert "events moved" in out


def test_a_wrong_name_is_a_message_and_nothing_is_merged(home, capsys):
    assert run(["merge", "ada@work.example.com", "nobody@example.com", "--home", str(home)]) == 2
    assert "no lead has this id" in capsys.readouterr().err
    assert run(["merge", "1", "ada@work.example.com", "--home", str(home)]) == 2
    assert "both mean lead 1" in capsys.readouterr().err
