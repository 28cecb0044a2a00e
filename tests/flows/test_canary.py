"""The canary inside a real Prefect server: what it keeps of an erased person is nothing, before and after."""

from __future__ import annotations

import pytest

from flows.daily_sync import daily_sync
from flows.one_part import one_part
from tests.canary import DAY, Life, Scan


@pytest.mark.timeout(300)
def test_prefect_keeps_nothing_of_a_person_and_the_erasure_is_completed_by_a_run(
    kept, tmp_path, monkeypatch, interrupt, capfd, caplog
):
    outside = tmp_path / "outside"
    outside.mkdir()
    life = Life(tmp_path / "business", outside, capfd)
    monkeypatch.setenv("RIPEN_HOME", str(life.home))
    life.begin()
    assert daily_sync(now=life.now, return_state=True).is_completed()
    life.second_record()
    life.with_sales()
    interrupt("rescore.before_commit", ValueError(life.subject.word("exception"), life.subject.address))
    life.hook(life.subject.event("page.viewed", life.now, "11"))
    assert daily_sync(now=life.now, return_state=True).is_failed()
    interrupt("")
    assert daily_sync(now=life.now, return_state=True).is_completed()
    # Two folders cannot be written for a while, so that a later run has something left to do.
    folders = [life.home / name for name in ("sales", "audiences")]
    for folder in folders:
        folder.rename(folder.with_name(f"{folder.name}-away"))
        folder.write_text("in the way")
    life.ripen("privacy", "erase", life.subject.address, "--yes", *life.at())
    assert life.rows("erasures")[0]["completed_at"] is None
    for folder in folders:
        folder.unlink()
        folder.with_name(f"{folder.name}-away").rename(folder)
    (life.home / "inbox/today.csv").unlink()
    life.now += DAY
    state = daily_sync(now=life.now, return_state=True)
    assert state.result()["steps"]["retention"]["erasures_completed"] == 1
    assert one_part(part="retention", now=life.now, return_state=True).is_completed()
    kept.task_runs(state.state_details.flow_run_id, len(state.result()["steps"]))

    found = Scan()
    for path in kept.files():
        found.file(path, f"Prefect: {path.name}", life.subject.needles)
    of_prefect = found.files
    found.database(f"sqlite:///{life.home / 'ripen.db'}", life.subject.needles)
    found.folder(life.home, life.subject.needles)
    found.text("the logs", caplog.text, life.subject.needles)
    found.text("what was said", life.said, life.subject.needles)
    assert not found.hits, found.looked_at()
    assert of_prefect >= 1, found.looked_at()
    assert found.tables > 30, found.looked_at()
