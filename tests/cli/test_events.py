"""`ripen events`: who opened and clicked, and a person's word on it."""

from __future__ import annotations

import json

import pytest

from cli.main import run

NOW = ("--now", "2026-01-06T12:00:00Z")
EVENTS = b"""source,source_event_id,email,type,occurred_at,machine,url,user_agent
mail,1,ada@example.com,email.clicked,2026-01-06T10:00:00Z,,https://example.com/a,Slackbot 1.0
mail,2,ada@example.com,email.clicked,2026-01-06T11:00:00Z,,https://example.com/b,
mail,3,ada@example.com,email.opened,2026-01-06T09:00:00Z,true,,
"""


@pytest.fixture
def home(tmp_path, capsys):
    folder = tmp_path / "business"
    assert run(["init", str(folder)]) == 0
    file = folder / "given.csv"
    lines = [line.split(b",") for line in EVENTS.splitlines()]
    lines[0][6:] = [b"properties.url", b"properties.user_agent"]
    file.write_bytes(b"\n".join(b",".join(line) for line in lines))
    assert run(["import", "events", str(file), "--home", str(folder), *NOW]) == 0
    assert run(["run", "follow-up", "--home", str(folder), *NOW]) == 0
    capsys.readouterr()
    return folder


def listed(home, capsys):
    capsys.readouterr()
    assert run(["events", "ada@example.com", "--home", str(home), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["events"]


def test_the_list_says_who_did_it_and_a_judgement_corrects_score_and_list(home, capsys):
    rows = listed(home, capsys)
    assert [(row["verdict"], row["by"]) for row in rows] == [
        ("human", None),
        ("machine", "prefetcher"),
        ("machine", "source"),
    ]
    judge = ["events", "judge", str(rows[1]["id"]), "human", "--reason", "a preview that she sent on"]
    assert run([*judge, "--home", str(home), *NOW]) == 0
    assert run(["run", "follow-up", "--home", str(home), *NOW]) == 0
    row = listed(home, capsys)[1]
    assert (row["verdict"], row["by"], row["reason"]) == ("human", "person", "a preview that she sent on")
    assert run(["explain", "ada@example.com", "--home", str(home), "--json"]) == 0
    (clicks,) = [
        each
        for each in json.loads(capsys.readouterr().out)["score"]["contributions"]
        if each["rule"] == "email.clicked"
    ]
    assert len(clicks["events"]) == 2


def test_the_table_is_readable_and_a_wrong_number_is_said(home, capsys):
    assert run(["events", "ada@example.com", "--home", str(home)]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "prefetcher" in shown
    whys = [row["why"] for row in listed(home, capsys)]
    assert whys == [
        "nothing says that a machine did it",
        "its user agent is that of a scanner, a preview or a program",
        "its source says that a machine did it",
    ]
    assert run(["events", "judge", "9999", "machine", "--home", str(home)]) == 2
    assert "event 9999 cannot be judged" in capsys.readouterr().err
    assert run(["events", "nobody@example.com", "--home", str(home)]) == 2
