"""What `ripen import` and `ripen letters` print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.importing import import_command
from cli.letters import letters_command, replay_command
from nurture.errors import BadInput
from tests.intake import NOW, ROOT, SECRET, Store, catalogue


@pytest.fixture
def stored(database_url: str) -> Any:
    made = Store(database_url)
    yield made
    made.close()


def run(stored: Store, path: Path, kind: Any = "leads", mapping: str | None = None, **more: Any) -> int:
    flags = {"dry_run": False, "enroll": False, "json": True, **more}
    return import_command(
        ROOT, kind, path, mapping, NOW, database=stored.database, catalogue=catalogue(), secret=SECRET, **flags
    )


def test_json_has_what_scripts_depend_on(stored: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("email,name\nbo@example.com,Bo\nnobody,N\n")

    assert run(stored, path) == 0
    out, err = capfd.readouterr()
    found = json.loads(out)
    assert {key: found[key] for key in ("rows", "created", "updated", "duplicates", "refused")} == {
        "rows": 2,
        "created": 1,
        "updated": 0,
        "duplicates": 0,
        "refused": 1,
    }
    assert [(each["line"], each["reason"]) for each in found["refusals"]] == [(3, "bad-email")]
    assert err == ""


def test_people_see_counts_refusals_and_what_to_do(
    stored: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("email,name\nbo@example.com,Bo\nnobody,N\n")
    run(stored, path, json=False)

    out, err = capfd.readouterr()
    assert "bad-email" in out
    assert "created" in out
    assert "`ripen letters replay`" in err


def test_a_mapping_is_found_by_its_name_in_the_templates(
    stored: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lead.csv"
    path.write_text(
        "id,created_at,updated_at,email,first_name,last_name\n7,2026-01-01,2026-01-02,bo@example.com,Bo,B\n"
    )

    run(stored, path, mapping="marketo_leads")
    assert json.loads(capfd.readouterr().out)["created"] == 1
    with pytest.raises(BadInput, match=r"there is no mapping marketo_lead; did you mean `marketo_leads`\?"):
        run(stored, path, mapping="marketo_lead")


def test_letters_are_listed_and_replayed(stored: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "events.csv"
    path.write_text("email,type,occurred_at\nbo@example.com,tour.booked,2026-03-01\n")
    run(stored, path, "events")
    capfd.readouterr()

    assert letters_command(True, database=stored.database) == 0
    (letter,) = json.loads(capfd.readouterr().out)["letters"]
    assert (letter["place"], letter["reason"], letter["seen"]) == ("events.csv:2", "unknown-event-type", 1)
    assert letters_command(False, database=stored.database) == 0
    assert "1 unknown-event-type" in capfd.readouterr().out

    status = replay_command(
        ROOT, [letter["id"]], NOW, True, database=stored.database, catalogue=catalogue(), secret=SECRET
    )
    assert status == 1, "it is refused again"
    assert json.loads(capfd.readouterr().out)["refused"] == [letter["id"]]
