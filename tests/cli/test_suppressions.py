"""`ripen suppressions`: what stops an address, by whom, and what a person may lift."""

from __future__ import annotations

import json

import pytest

from cli.main import run

NOW = ("--now", "2026-01-06T12:00:00Z")
ADA = "ada@example.com"
EVENTS = b"""source,source_event_id,email,type,occurred_at
mail,1,ada@example.com,email.complained,2026-01-06T10:00:00Z
mail,2,bo@example.com,email.unsubscribed,2026-01-06T11:00:00Z
"""


@pytest.fixture
def home(tmp_path, capsys):
    folder = tmp_path / "business"
    assert run(["init", str(folder)]) == 0
    file = folder / "given.csv"
    file.write_bytes(EVENTS)
    assert run(["import", "events", str(file), "--home", str(folder), *NOW]) == 0
    assert run(["run", "follow-up", "--home", str(folder), *NOW]) == 0
    capsys.readouterr()
    return folder


def said(home, capsys, *words):
    """The exit code and the JSON of one call."""
    capsys.readouterr()
    code = run(["suppressions", *words, "--home", str(home), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_stop_by_hand_is_listed_and_lifted_with_its_reason(home, capsys):
    assert said(home, capsys, "add", ADA, "--scope", "topic:newsletter", *NOW)[1]["new"] is True
    assert said(home, capsys, "add", ADA, "--scope", "topic:newsletter", *NOW)[1]["new"] is False
    listed = said(home, capsys)[1]
    assert listed["counts"] == {"complaint": 1, "operator": 1, "unsubscribed": 1}
    code, answer = said(home, capsys, "lift", ADA, "--scope", "topic:newsletter", "--reason", "by phone", *NOW)
    assert (code, [row["lifted_because"] for row in answer["stay"]]) == (0, [])
    rows = said(home, capsys, "--address", ADA)[1]["suppressions"]
    assert [(row["reason"], row["lifted_because"]) for row in rows] == [
        ("complaint", None),
        ("operator", "operator: by phone"),
    ]


def test_a_complaint_stays_whoever_asks_for_its_end(home, capsys):
    code, answer = said(home, capsys, "lift", ADA, "--reason", "she is a friend", *NOW)
    assert code == 1
    assert [row["reason"] for row in answer["stay"]] == ["complaint"]
    assert run(["suppressions", "lift", ADA, "--reason", "x", "--home", str(home), *NOW]) == 1
    assert "double opt-in" in capsys.readouterr().err
    assert said(home, capsys, "--address", ADA)[1]["suppressions"][0]["lifted_at"] is None


def test_what_the_person_withdrew_stays_withdrawn_after_a_lift(home, capsys):
    assert said(home, capsys, "lift", "bo@example.com", "--reason", "asked by phone", *NOW)[0] == 0
    assert run(["explain", "bo@example.com", "--home", str(home), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {each["status"] for each in facts["consents"]} == {"withdrawn"}
    assert [each["lifted_because"] for each in facts["suppressions"]] == ["operator: asked by phone"]
    assert run(["explain", "bo@example.com", "--home", str(home)]) == 0
    shown = capsys.readouterr().out
    assert "Suppressions" in shown
    assert "email.unsubscribed" in shown


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["add", "nobody"], "no e-mail address"),
        (["add", ADA, "--scope", "topic:nonsense"], "topic:newsletter"),
        (["add", ADA, "--reason", "complaint"], "reason"),
        (["lift", ADA], "reason"),
        (["lift", ADA, "--reason", " "], "few words"),
    ],
)
def test_a_mistake_is_a_message(home, capsys, words, hint):
    assert run(["suppressions", *words, "--home", str(home)]) == 2
    assert hint in capsys.readouterr().err


def test_lifting_what_is_not_there_is_a_no(home, capsys):
    assert said(home, capsys, "lift", "cy@example.com", "--reason", "x", *NOW) == (1, {"lifted": [], "stay": []})
