"""What every CRM promises: telling the same twice leaves one task, and forgetting leaves none."""

from __future__ import annotations

import pytest

from connectors.crm.base import CrmTask
from connectors.crm.file import FileCrm
from connectors.crm.memory import MemoryCrm
from nurture.errors import OutsideFailed

TASK = CrmTask("task-1", 0, {"lead": {"name": "Ada"}}, "# Ada\n")
OTHER = CrmTask("task-12", 0, {"lead": {"name": "Bo"}}, "# Bo\n")


@pytest.fixture(params=["file", "memory"])
def crm(request, tmp_path):
    return FileCrm(tmp_path / "sales") if request.param == "file" else MemoryCrm()


def held(crm):
    """Everything that the CRM holds, as one text."""
    if isinstance(crm, MemoryCrm):
        return str(crm.tasks)
    return "".join(f"{path.name}: {path.read_text()}" for path in sorted(crm.folder.iterdir()))


def test_told_twice_it_is_one_task(crm):
    references = {crm.upsert(TASK), crm.upsert(TASK)}
    once = held(crm)
    assert len(references) == 1
    crm.upsert(TASK)
    assert held(crm) == once


def test_forgotten_it_is_gone_and_the_others_stay(crm):
    reference = crm.upsert(TASK)
    crm.upsert(OTHER)
    crm.forget(TASK.external_id, reference)
    assert "Ada" not in held(crm)
    assert "Bo" in held(crm)


def test_what_it_never_had_or_forgot_before_is_forgotten_already(crm):
    crm.upsert(OTHER)
    before = held(crm)
    for _ in range(2):
        crm.forget(TASK.external_id, None)
    assert held(crm) == before


def test_a_write_that_was_cut_short_leaves_nothing_either(tmp_path):
    crm = FileCrm(tmp_path)
    (tmp_path / ".task-1.md.part").write_text("Ada")
    crm.forget("task-1", None)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_leads_elsewhere_is_refused(tmp_path):
    (tmp_path / "secret.md").write_text("stays")
    with pytest.raises(OutsideFailed):
        FileCrm(tmp_path / "sales").forget("../secret", None)
    assert (tmp_path / "secret.md").exists()
