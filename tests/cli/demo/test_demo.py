"""`ripen demo`: a business from nothing, the same one every time, and a workspace in which the other commands work."""

from __future__ import annotations

import json
import shutil
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cli.main import run

# One worker lives one demo for all of them.
pytestmark = pytest.mark.xdist_group("demo")
SIZE = ("--leads", "200", "--days", "10", "--no-prefect")


class Demo(NamedTuple):
    """A demo's folder and what it printed."""

    home: Path
    figures: dict[str, Any]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """One demo for all tests of this file."""
    return lived(tmp_path_factory.mktemp("demo") / "business")


def lived(home: Path, *more: str) -> Demo:
    with pytest.MonkeyPatch.context() as patch:
        shown: list[Any] = []
        patch.setattr("cli.demo.command.print_json", shown.append)
        assert run(["demo", "--home", str(home), *SIZE, "--json", *more]) == 0
    return Demo(home, shown[0])


def test_the_figures_have_their_names_and_hang_together(demo):
    found = demo.figures
    assert {"leads", "events", "days", "stages", "messages", "sales_tasks", "audience_members", "report"} <= set(found)
    assert (found["leads"], found["days"]) == (200, 10)
    assert sum(found["stages"].values()) == 200
    assert all(found["stages"][stage] for stage in ("lead", "mql", "sql", "customer"))
    assert sum(found["tasks"].values()) == found["sales_tasks"] > 0
    assert found["audience_members"] > 0


def test_two_demos_give_the_same_figures(demo, tmp_path):
    again = lived(tmp_path / "again").figures
    assert {**again, "report": ""} == {**demo.figures, "report": ""}


def test_another_seed_is_another_business(demo, tmp_path):
    assert lived(tmp_path / "other", "--seed", "8").figures["digest"] != demo.figures["digest"]


def test_every_accepted_message_lies_there_as_a_file(demo):
    mails = list((demo.home / "outbox").glob("*.eml"))
    assert len(mails) == demo.figures["messages"]["accepted"] > 0
    for path in mails:
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        assert mail["To"].addresses[0].domain.endswith(".test")
        assert mail["List-Unsubscribe"]


def test_people_answer_their_mails_and_sales_its_tasks(demo):
    report = json_of(demo, "report")
    mails = [step for sequence in report["sequences"] for step in sequence["steps"] if step["sent"]]
    assert sum(step["opened"] for step in mails) > 0
    assert report["speed_to_lead"]["accepted"]["tasks"] > 0


def test_no_invariant_is_broken(demo, capsys):
    assert run(["audit", "--home", str(demo.home), "--now", "2026-06-25T06:30Z", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["breaches"] == []


def test_broken_lines_go_to_the_dead_letters(demo):
    assert demo.figures["dead_letters"] == {"unknown-event-type": 1}


def test_the_report_is_written(demo):
    page = Path(demo.figures["report"])
    assert page == demo.home / "report.html"
    assert "Pipeline over time" in page.read_text(encoding="utf-8")


def test_a_lead_of_the_demo_can_be_explained_and_its_points_add_up(demo):
    for lead in (1, 50, 150, 200):
        facts = json_of(demo, "explain", str(lead))
        assert {"lead", "score", "stage", "transitions", "enrollments", "messages"} <= set(facts)
        points = sum(each["points"] for each in facts["score"]["contributions"])
        assert points == pytest.approx(facts["score"]["total"])


def test_the_explanation_and_the_report_are_readable_on_a_terminal(demo, capsys):
    assert run(["explain", "1", "--home", str(demo.home)]) == 0
    assert "together: interest" in capsys.readouterr().out
    assert run(["report", "--home", str(demo.home)]) == 0
    assert "White paper nurture" in capsys.readouterr().out


def test_the_demo_itself_is_readable_on_a_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert run(["demo", "--home", str(tmp_path / "small"), "--leads", "150", "--days", "7", "--no-prefect"]) == 0
    shown = capsys.readouterr().out
    for part in (
        "150 leads",
        "Pipeline",
        "Messages",
        "Sales tasks",
        "One score explained",
        "report.html",
        "What to do next",
    ):
        assert part in shown


def test_the_shipped_definitions_of_its_workspace_are_clean(demo, capsys):
    assert run(["check", "--home", str(demo.home), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["errors"] == []


def test_one_day_more_can_be_lived(demo, tmp_path):
    # In a copy: the other tests look at the demo as it was left.
    longer = demo._replace(home=Path(shutil.copytree(demo.home, tmp_path / "longer")))
    counts = json_of(longer, "run", "daily-sync", "--now", "2026-06-26T06:30Z")["counts"]
    assert counts["rows"] == 0


def test_a_demo_replaces_an_older_demo_and_nothing_else(tmp_path, capsys):
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("keep me")
    assert run(["demo", "--home", str(foreign), *SIZE]) == 2
    assert "no demo made it" in capsys.readouterr().err
    assert (foreign / "letter.txt").read_text() == "keep me"


def test_a_demo_without_leads_is_refused(tmp_path, capsys):
    assert run(["demo", "--home", str(tmp_path / "none"), "--leads", "0"]) == 2
    assert "20 leads or more" in capsys.readouterr().err


def json_of(demo: Demo, *words: str) -> dict[str, Any]:
    """What a command prints as JSON."""
    with pytest.MonkeyPatch.context() as patch:
        shown: list[Any] = []
        for module in ("cli.explaining", "cli.reporting", "cli.running"):
            patch.setattr(f"{module}.print_json", shown.append)
        assert run([*words, "--home", str(demo.home), "--json"]) == 0
    return shown[0]
