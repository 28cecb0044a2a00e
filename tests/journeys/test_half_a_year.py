"""Half a year of white-paper nurture with the shipped templates, seen by six people who took the same paper."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from tests.journeys.conftest import START, day

# Lived once a worker, so all in one.
pytestmark = pytest.mark.xdist_group("journeys")
PAPERS = "white-paper-nurture"
COPENHAGEN = ZoneInfo("Europe/Copenhagen")


def steps(life, name, sequence=PAPERS):
    return {each["step"]: each for each in life.explained(name, sequence)["steps"]}


def test_who_never_does_anything_gets_five_mails_in_half_a_year_and_is_then_left_in_peace(half_a_year):
    sent = half_a_year.mails("ida", PAPERS)
    assert [step for step, _ in sent] == ["thanks", "case-study", "problem-guide", "webinar-invite", "check-in"]
    told = half_a_year.explained("ida", PAPERS)
    assert (told["status"], told["reason"]) == ("exited", "gone-quiet")
    taken = steps(half_a_year, "ida")
    assert [taken[step]["way"] for step in ("how-keen", "coming", "still-there")] == [
        "learning",
        "stays-away",
        "gone-quiet",
    ]
    assert half_a_year.world.stage("ida") == "mql"


def test_ten_past_ten_stays_ten_past_ten_when_the_clocks_go_forward(half_a_year):
    clocks = [at.astimezone(COPENHAGEN).strftime("%H:%M") for _, at in half_a_year.mails("ida", PAPERS)]
    assert clocks == ["10:10"] * 5


def test_who_has_been_quiet_for_three_months_is_asked_by_the_sequence_for_quiet_leads_as_time_goes_by(half_a_year):
    told = half_a_year.explained("ida", "quiet-leads")
    assert told["entered_at"] >= START + timedelta(days=90)
    assert [step for step, _ in half_a_year.mails("ida", "quiet-leads")] == ["hello", "best-of", "goodbye"]
    assert half_a_year.world.rows("leads")[0]["attributes"]["nurture_track"] == "dormant"


def test_who_clicks_goes_on_at_once_and_is_called_in_the_end(half_a_year):
    taken = steps(half_a_year, "karl")
    assert taken["case-study-clicked"]["outcome"] == "event"
    # Four days after the first mail, and in the first run after the click.
    sent = dict(half_a_year.mails("karl", PAPERS))
    assert taken["case-study-clicked"]["at"] - sent["case-study"] == timedelta(hours=20)
    assert taken["midweek-morning"]["at"].astimezone(COPENHAGEN).strftime("%a %H:%M") == "Tue 09:00"
    assert half_a_year.explained("karl", PAPERS)["reason"] == "completed"
    tasks = half_a_year.explained("karl")["sales_tasks"]
    assert [(task["kind"], task["title"]) for task in tasks] == [("step", "Call this MQL")]


def test_who_asks_for_a_demo_is_with_sales_and_gets_no_further_mail(half_a_year):
    told = half_a_year.explained("dora")
    assert (told["stage"]["name"], [task["kind"] for task in told["sales_tasks"]]) == ("sql", ["sql"])
    (enrollment,) = told["enrollments"]
    assert (enrollment["status"], enrollment["reason"]) == ("goal", "goal")
    assert max(at for _, at in half_a_year.mails("dora", PAPERS)) < day(20)
    assert told["sales_tasks"][0]["opened_at"] == day(20)


def test_whom_sales_rejects_is_nurtured_again_and_comes_back_with_new_evidence_after_the_cool_down(half_a_year):
    told = half_a_year.explained("remy")
    moves = [(each["from"], each["to"]) for each in told["transitions"]]
    assert moves == [("lead", "mql"), ("mql", "sql"), ("sql", "mql"), ("mql", "sql")]
    again = half_a_year.explained("remy", "back-to-nurture")
    assert (again["entered_at"], again["status"]) == (day(3), "goal")
    # A month in peace, then the best of all, then the second demo.
    [(step, sent_at)] = half_a_year.mails("remy", "back-to-nurture")
    assert (step, sent_at >= day(33)) == ("best-of", True)
    opened = sorted(task["opened_at"] for task in told["sales_tasks"])
    assert opened == [day(1), day(64)]


def test_a_reply_ends_ones_own_sequence_and_pauses_the_colleagues_for_a_fortnight(half_a_year):
    replied = half_a_year.explained("rea", PAPERS)
    assert (replied["status"], replied["reason"]) == ("exited", "replied")
    assert [step for step, _ in half_a_year.mails("rea", PAPERS)] == ["thanks"]
    mails = {name: dict(half_a_year.mails(name, PAPERS)) for name in ("ida", "cole")}
    assert mails["cole"]["case-study"] - mails["ida"]["case-study"] == timedelta(days=14)
    assert mails["cole"]["problem-guide"] > mails["ida"]["problem-guide"]


def test_nobody_hears_from_us_twice_a_day_or_four_times_a_week(half_a_year):
    for name in ("ida", "karl", "dora", "remy", "rea", "cole"):
        lead = half_a_year.world.lead_id(name)
        rows = half_a_year.world.rows("messages", lead_id=lead, status="accepted")
        sent = sorted(row["handed_over_at"] for row in rows)
        assert all(later - earlier >= timedelta(days=1) for earlier, later in pairwise(sent))
        assert all(later - earlier >= timedelta(days=7) for earlier, later in zip(sent, sent[3:], strict=False))


def test_after_half_a_year_everybody_has_a_reason_and_the_audit_finds_nothing(half_a_year):
    assert half_a_year.breaches() == []
    for name in ("ida", "karl", "dora", "remy", "rea", "cole"):
        for enrollment in half_a_year.explained(name)["enrollments"]:
            assert enrollment["status"] == "active" or enrollment["reason"]
