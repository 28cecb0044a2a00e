"""Flows on a real Prefect server: they do what the command line does, show it, and tell nothing about anybody."""

from __future__ import annotations

import logging
import shutil

import sqlalchemy as sa

from cli.main import run as ripen
from connectors.prefect_server import PrefectServer
from db import runs, tables
from flows.daily_sync import daily_sync
from flows.follow_up import follow_up
from flows.one_part import one_part
from nurture.errors import OutsideFailed
from tasks import prefect_steps
from tasks.day import run_flow
from tasks.run_summary import in_words
from tasks.workspace import open_context
from tests.flows.conftest import CANARIES, NOW


def plainly(home, flow="daily-sync", now=NOW):
    """The same flow without Prefect."""
    context = open_context(home)
    try:
        return run_flow(context, flow, now)
    finally:
        context.database.dispose()


def last_run(home):
    context = open_context(home)
    with context.database.read() as connection:
        [row] = runs.recent(connection, 1)
    context.database.dispose()
    return row


def test_a_daily_sync_completes_shows_its_counts_and_keeps_nothing_personal(kept, home, tmp_path):
    twin = shutil.copytree(home, tmp_path / "twin")
    state = daily_sync(now=NOW, return_state=True)
    assert state.is_completed(), state.message
    outcome = plainly(twin)
    assert state.result()["steps"] == outcome.steps
    assert outcome.counts["messages_accepted"] > 0
    assert outcome.counts["tasks_opened"] > 0

    flow_run = kept.run(state.state_details.flow_run_id)
    assert flow_run.name == "daily sync of Tue 3 Mar 10:00"
    assert flow_run.state.message == state.message == in_words(outcome.counts)
    task_runs = kept.task_runs(flow_run.id, len(outcome.steps))
    assert [each.name for each in task_runs][:4] == ["pull events", "expire consents", "rescore", "restage"]
    assert task_runs[2].state.message == in_words(outcome.steps["rescore"])

    artifacts = kept.artifacts(flow_run.id)
    assert {"daily-sync", "messages", "pipeline"} <= set(artifacts)
    assert "## What needs attention" in artifacts["daily-sync"].data
    assert "| accepted |" in artifacts["daily-sync"].data

    # The canaries went where they belong, so that not finding them in Prefect says something.
    mails = b"".join(path.read_bytes() for path in (home / "outbox").rglob("*.eml"))
    assert CANARIES[0] in mails
    assert kept.canaries() == []


def test_a_failing_step_says_what_and_where_and_tells_nothing_about_anybody(kept, home, interrupt, capfd):
    interrupt("rescore.before_commit", ValueError("canary-exception canary.mail1@example.com", {"Canarylast": 1}))
    state = daily_sync(now=NOW, return_state=True)
    assert state.is_failed()
    assert "rescore of run 1 was stopped by an unexpected ValueError at " in state.message

    flow_run = kept.run(state.state_details.flow_run_id)
    assert flow_run.state.message == state.message
    task_runs = kept.task_runs(flow_run.id, 3)
    assert [(each.name, each.state.name) for each in task_runs] == [
        ("pull events", "Completed"),
        ("expire consents", "Completed"),
        ("rescore", "Failed"),
    ]
    assert task_runs[2].run_count == 1
    assert kept.canaries() == []
    # A result on disk would be a pickle.
    assert [path for path in kept.files() if "storage" in path.parts] == []
    shown = capfd.readouterr()
    assert not [each for each in CANARIES if each.decode() in shown.out + shown.err]
    assert (last_run(home)["status"], "canary" in last_run(home)["error"]) == ("failed", False)

    # Whoever runs it again goes on from there.
    assert daily_sync(now=NOW, return_state=True).is_completed()


def test_a_trouble_outside_is_tried_again_and_anything_else_is_not(kept, home, interrupt, monkeypatch):
    monkeypatch.setattr(prefect_steps, "RETRY_DELAYS_SECONDS", [0, 0])
    interrupt("rescore.before_commit", OutsideFailed("the database is away"), OutsideFailed("the database is away"))
    state = one_part(part="rescore", now=NOW, return_state=True)
    assert state.is_completed()
    assert state.result()["steps"]["rescore"]["leads_rescored"] == 8
    [task_run] = kept.task_runs(state.state_details.flow_run_id, 1)
    assert task_run.run_count == 3
    assert kept.run(state.state_details.flow_run_id).name == "rescore of Tue 3 Mar 10:00"


def test_a_run_with_unknown_messages_is_not_plain_green(kept, home):
    plainly(home)
    context = open_context(home)
    with context.database.write() as connection:
        first = sa.select(sa.func.min(tables.messages.c.id)).scalar_subquery()
        unknown = sa.update(tables.messages).where(tables.messages.c.id == first)
        connection.execute(unknown.values(status="unknown", reason="reply-lost", settled_at=NOW))
    context.database.dispose()
    state = follow_up(now=NOW, return_state=True)
    assert state.is_completed()
    assert state.name == "Completed with unknowns"
    assert state.message.startswith("completed with 1 unknown: ")
    flow_run = kept.run(state.state_details.flow_run_id)
    assert flow_run.state.name == "Completed with unknowns"
    summary = kept.artifacts(flow_run.id)["follow-up"].data
    assert "| `ripen messages --status unknown` |" in summary
    assert kept.canaries() == []


def test_a_workspace_that_cannot_be_opened_fails_with_the_remedy(kept, home):
    (home / "ripen.toml").write_text('[project]\ntime_zone = "Europe/Copenhagen"\n\n[email]\ntransport = "pigeon"\n')
    state = daily_sync(now=NOW, return_state=True)
    assert state.is_failed()
    assert "ripen.toml: email.transport" in state.message
    assert kept.run(state.state_details.flow_run_id).name == "daily sync of Tue 3 Mar 09:00 UTC"


def test_the_command_line_runs_a_flow_under_prefect_with_the_same_exit_codes(kept, home, capsys, monkeypatch):
    monkeypatch.setattr("cli.prefect_runs.prefect_environment", lambda home: {})
    asked = ["--now", NOW.isoformat(), "--home", str(home)]
    assert ripen(["run", "follow-up", *asked, "--prefect", "--json"]) == 0
    assert '"messages_accepted"' in capsys.readouterr().out
    (home / "ripen.toml").write_text("[[[")
    assert ripen(["run", "follow-up", *asked, "--prefect"]) == 2


def test_a_flow_logs_nothing_that_looks_personal(home):
    logger = logging.getLogger("prefect.flow_runs")
    record = logger.makeRecord("x", logging.INFO, "f", 1, "sent to %s", ("canary.mail1@example.com",), None)
    assert logger.filter(record)
    assert record.getMessage() == "sent to [address]"


def test_a_rate_is_also_a_limit_in_prefect_that_the_workers_ask(kept, home, prefect_server, monkeypatch):
    monkeypatch.setenv("RIPEN_EMAIL__RATE_PER_SECOND", "50")
    server = PrefectServer(prefect_server)
    server.ensure_rate("ripen-email", 50)
    state = follow_up(now=NOW, return_state=True)
    server.close()
    assert state.is_completed(), state.message
    sent = state.result()["steps"]["deliver"]["messages_accepted"]
    assert sent > 0
    events = kept.events("concurrency-limit.acquired")
    assert sum(int(each["resource"]["slots-acquired"]) for each in events) == sent
