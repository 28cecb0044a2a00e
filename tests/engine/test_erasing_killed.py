"""An erasure that is killed anywhere and repeated ends in the same state."""

from __future__ import annotations

import json
import os
import shutil
import signal
from datetime import timedelta

import pytest

from connectors.crm.file import FileCrm
from nurture import failpoints
from tasks.privacy.erase import erase_lead
from tests.crash.engine import Copies, differences
from tests.engine.beginnings import colleagues
from tests.engine.whole import everything

DAY = timedelta(days=1)


@pytest.fixture
def lived(twin):
    """Ada is in a sequence, in an audience and, with her colleague Bo, with sales; Cy is somewhere else."""
    return twin(colleagues)


def state(world):
    """Everything, but for which of two tries has deleted how many files, and numbers that a dead one has used up."""
    rows = everything(world)
    for row in rows["erasures"]:
        row["certificate"] = {k: v for k, v in row["certificate"].items() if k != "files_deleted"}
    for name, column in (
        ("consents", "id"),
        ("consent_states", "consent_id"),
        ("suppressions", "id"),
        ("erasures", "id"),
    ):
        for row in rows[name]:
            row.pop(column)
    return {name: [sorted((k, str(v)) for k, v in row.items()) for row in found] for name, found in rows.items()}


@pytest.mark.timeout(300)
def test_killed_at_any_point_and_repeated_it_ends_in_the_same_state(databases, lived, tmp_path):
    lived.context.crm = FileCrm(tmp_path / "sales")
    lived.happens("cy", "demo.requested")
    lived.run("follow-up")
    lived.now += DAY
    copies = Copies(databases, lived.database.url)
    lived.database.dispose()
    copies.keep()
    passed = []
    failpoints.listen(passed.append)
    erase_lead(lived.context, "cy@example.com", lived.now)
    failpoints.listen(None)
    undisturbed = state(lived)
    certificates = tmp_path / "privacy/certificates"
    assert json.loads((certificates / "erasure-1.json").read_bytes())["completed_at"] == lived.now.isoformat()
    assert set(failpoints.BY_HAND) - {"merge.before_commit", "merge.committed"} <= set(passed)
    for at, name in enumerate(passed, 1):
        copies.put_back(lived.context)
        shutil.rmtree(certificates)
        (tmp_path / "sales").mkdir(exist_ok=True)
        (tmp_path / "sales/task-1.md").write_text("Cy")
        assert _dies(lived.context, at, lived.now) == -signal.SIGKILL
        erase_lead(lived.context, "cy@example.com", lived.now)
        assert differences(undisturbed, state(lived)) == [], name
        assert not (tmp_path / "sales/task-1.md").exists(), name
        [certificate] = certificates.iterdir()
        assert json.loads(certificate.read_bytes())["completed_at"] == lived.now.isoformat(), name


def _dies(context, die_at, now):
    context.database.dispose()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    count = 0

    def listener(name):
        nonlocal count
        count += 1
        if count == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    failpoints.listen(listener)
    try:
        erase_lead(context, "cy@example.com", now)
    finally:
        os._exit(1)
