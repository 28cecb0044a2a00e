"""What an operator reads about a run: attention first, each with the command that helps, and nothing personal."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cli.main import app
from db.attention import Trouble
from tasks.day import Outcome
from tasks.run_summary import ADVICE, Summary, headline, in_words, local_time, markdown

NOW = datetime(2026, 3, 3, 5, 30, tzinfo=UTC)
STEPS = {"rescore": {"leads_rescored": 1204}, "deliver": {"messages_accepted": 3, "messages_skipped": 0}}


def summary(troubles: tuple[Trouble, ...] = (), **more: object) -> Summary:
    given = {
        "outcome": Outcome(7, "daily-sync", NOW, STEPS, {}),
        "pipeline": {"lead": 2000, "mql": 30, "sql": 4, "customer": 1},
        "messages": [{"outcome": "skipped", "reason": "no-consent", "messages": 2}],
        "troubles": troubles,
        "time_zone": "Europe/Copenhagen",
    }
    return Summary(**(given | more))


def test_counts_read_as_one_line_without_zeros():
    assert in_words({"leads_rescored": 1204, "transitions": 0, "left:goal-reached": 2}) == (
        "leads rescored 1,204, left by goal reached 2"
    )
    assert in_words({"transitions": 0}) == "nothing to do"


def test_unknown_messages_stand_first_in_the_headline():
    assert headline(summary()) == "leads rescored 1,204, messages accepted 3"
    assert headline(summary((Trouble("messages-unknown", 2, NOW),))).startswith("completed with 2 unknowns: leads")
    assert headline(summary((Trouble("messages-unknown", 1, NOW),))).startswith("completed with 1 unknown: leads")


def test_every_trouble_names_the_command_that_helps():
    every = tuple(Trouble(kind, 5, NOW) for kind in ADVICE)
    text = markdown(summary(every))
    for advice in ADVICE.values():
        assert f"| `{advice.command}` |" in text
    assert text.index("What needs attention") < text.index("Messages by outcome")


@pytest.mark.parametrize("advice", ADVICE.values(), ids=ADVICE)
def test_every_command_that_is_advised_exists(advice):
    program, command, *_ = advice.command.split()
    assert program == "ripen"
    assert command in app


def test_a_run_without_trouble_says_so():
    assert "## What needs attention\n\nNothing.\n" in markdown(summary())


def test_the_tables_tell_outcomes_pipeline_and_steps():
    text = markdown(summary())
    assert text.startswith("# daily-sync: Tue 3 Mar 06:30\n\nRun 7, as of 2026-03-03 05:30 UTC: ")
    assert "| skipped | no consent | 2 |" in text
    assert "| lead | 2,000 |" in text
    assert "| deliver | messages accepted 3 |" in text


def test_what_a_provider_says_is_shown_as_text_and_without_personal_data():
    said = "535 <img src=x onerror=alert(1)> [click](https://evil.example) | ada@example.com `x` www.evil.example"
    paused = {"name": "smtp", "paused_until": NOW, "reason": said}
    text = markdown(summary((Trouble("transport-paused", 1, NOW),), transports=[paused]))
    line = next(each for each in text.splitlines() if each.startswith("Transport"))
    assert "ada@" not in line
    for active in ("<img", "](", "://", " www.", " `"):
        assert active not in line


def test_a_time_is_said_in_the_project_s_zone():
    assert local_time(NOW, "Europe/Copenhagen") == "Tue 3 Mar 06:30"
    assert local_time(NOW, "America/New_York") == "Tue 3 Mar 00:30"
