"""The canary: after an erasure nothing of the person is found anywhere, and the neighbours are untouched."""

from __future__ import annotations

import gc
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.workspace import settings_of
from tests.canary import DAY, Life, Scan
from tests.databases import SqliteDatabases


@pytest.fixture
def life(databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> Iterator[Life]:
    """Everything that can happen to a lead has happened to three."""
    if not isinstance(databases, SqliteDatabases):
        monkeypatch.setenv("RIPEN_DATABASE_URL", databases.migrated())
    outside = tmp_path / "outside"
    outside.mkdir()
    life = Life(tmp_path / "business", outside, capfd)
    life.begin()
    life.ripen("run", "daily-sync", *life.at())
    life.second_record()
    life.now += DAY
    life.ripen("run", "daily-sync", *life.at())
    life.with_sales()
    life.letters()
    life.ripen("run", "daily-sync", *life.at())
    life.provider()
    life.fails()
    life.is_looked_at()
    yield life
    gc.collect()


def url_of(life: Life) -> str:
    return settings_of(life.home).database_url.replace("postgresql://", "postgresql+psycopg://")


def scanned(life: Life, person) -> Scan:
    found = Scan()
    found.database(url_of(life), person.needles)
    found.folder(life.home, person.needles)
    return found


def of_neighbours(life: Life):
    """What the neighbours' names are found in, table by table."""
    found = {}
    for each in life.neighbours:
        scan = Scan()
        scan.database(url_of(life), each.needles)
        # What PostgreSQL's planner has seen is another sample each time.
        found[each.mark] = sorted(hit for hit in scan.hits if "statistics" not in hit)
    return found


@pytest.mark.timeout(300)
# A command leaves its connections to the end of its process, which here is that of the test.
@pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")
def test_nothing_of_an_erased_person_is_found_anywhere_and_the_neighbours_are_untouched(life, caplog):
    # The canary went where it belongs, so that not finding it afterwards says something.
    before = scanned(life, life.subject)
    places = {hit.partition(" in ")[2] for hit in before.hits}
    assert {
        *("leads.first_name", "leads.company", "leads.attributes", "identities.value", "events.properties"),
        *("events.source_event_id", "consents.wording", "consents.source", "dead_letters.raw", "accounts.name"),
        *("stage_transitions.reason", "provider_facts.raw", "frozen_mails.plan", "dead_letters.context"),
        *("audience_members.member_hash", "inbox/today.csv", "report.html"),
    } <= places
    assert {"outbox", "audiences", "sales"} <= {place.partition("/")[0] for place in places}
    assert {row["status"] for row in life.rows("sales_tasks")} == {"rejected", "open"}
    assert life.rows("runs")[-1]["status"] != "running"
    ours = of_neighbours(life)
    files = {path: path.read_bytes() for path in (life.home / "outbox").iterdir()}

    words = ("privacy", "export", life.subject.address, *life.at(), "--json")
    exported = json.loads(life.ripen(*words, names=True))
    _holds_everything_of_the_person_and_nobody_else(life, Path(exported["folder"]))

    told = json.loads(
        life.ripen(
            "privacy", "erase", life.subject.second, "--yes", *life.at(), "--json", "--reason", life.subject.address
        )
    )
    assert told["completed_at"], told
    assert told["reason"] == "[address]"
    assert of_neighbours(life) == ours
    # Not ours to rewrite: named, and the operator deletes it.
    assert told["files_left"] == ["inbox/today.csv"]
    (life.home / "inbox/today.csv").unlink()
    life.ripen("run", "daily-sync", *life.at())
    life.ripen("report", "--html", str(life.home / "report.html"))
    life.ripen("explain", str(told["lead"]))

    after = scanned(life, life.subject)
    after.text("what the commands said", life.said, life.subject.needles)
    after.text("the logs", caplog.text, life.subject.needles)
    assert not after.hits, after.looked_at()
    assert after.tables > 30, after.looked_at()
    assert after.cells > 1000, after.looked_at()
    assert after.files > 60, after.looked_at()
    left = {path: content for path, content in files.items() if path.exists()}
    assert 0 < len(left) < len(files)
    assert all(path.read_bytes() == content for path, content in left.items())
    assert "invariants hold" in life.ripen("audit", *life.at())

    _comes_again_and_gets_no_mail(life)


def _holds_everything_of_the_person_and_nobody_else(life: Life, folder: Path) -> None:
    whole = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.*") if path.is_file())
    missing = [word for word in life.subject.words if word not in whole and "exception" not in word]
    assert missing == []
    assert [each.mark for each in life.neighbours if each.mark in whole.casefold()] == []
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def _comes_again_and_gets_no_mail(life: Life) -> None:
    life.ripen("import", "leads", str(life.outside / "people.csv"), "--enroll", *life.at())
    life.ripen("import", "events", str(life.outside / "today.csv"), "--enroll", *life.at())
    life.now += DAY
    life.hook(life.subject.event("content.white_paper_downloaded", life.now, "12"))
    for _ in range(3):
        life.ripen("run", "daily-sync", *life.at())
        life.now += DAY
    new = life.lead_of(life.subject)
    mails = [row for row in life.rows("messages") if row["lead_id"] == new]
    assert {(row["status"], row["reason"]) for row in mails} == {("skipped", "suppressed")}
    assert not [path for path in (life.home / "outbox").iterdir() if life.subject.mark.encode() in path.read_bytes()]
    assert "invariants hold" in life.ripen("audit", *life.at())
