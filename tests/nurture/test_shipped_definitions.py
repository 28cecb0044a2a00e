"""The shipped templates hold every rule of the domain, exactly, and pass their own check."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from nurture.check import check_bundle, check_documents
from nurture.conditions import STAGES, Condition
from nurture.definitions.bundle import Bundle, bundle_from_documents
from nurture.definitions.program import all_steps, flatten
from nurture.definitions.sequences import AudienceStep, BranchStep, EmailStep, TaskStep, WaitStep, WaitUntil
from nurture.lint.conditions import lint_condition
from nurture.lint.findings import definitions_of
from nurture.strict_yaml import load_yaml
from tasks.definition_files import load_tree

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"

# The published table; the points are the number, the factor is a label.
POINTS = """
email.opened                             email    opened                          influencer      +1
email.clicked                            email    clicked                         most important  +5
email.forwarded                          email    forwarded                       influencing     +3
email.unsubscribed                       email    unsubscribed                    negative        -5
demo.requested                           website  demo requested                  most important  +50
page.pricing_visited                     website  pricing page visited            important       +20
page.multiple_visited                    website  multiple pages visited          influencing     +10
page.careers_visited                     website  careers page visited            negative        -5
webinar.registered                       webinar  registered                      influencing     +10
webinar.attended                         webinar  attended                        important       +2
event.attended                           event    attended                        influencing     +3
event.good_conversation                  event    good conversation               influencing     +10
event.amazing_conversation               event    amazing conversation            important       +30
content.white_paper_downloaded           content  white paper downloaded          influencing     +10
content.specific_white_paper_downloaded  content  specific white paper downloaded important       +30
content.interactive_completed            content  interactive content completed   influencing     +10
"""

TO_MQL = """
newsletter.subscribed content.white_paper_downloaded content.specific_white_paper_downloaded content.ebook_downloaded
content.case_study_read webinar.attended video.watched sample.taken content.spec_sheet_viewed content.catalogue_browsed
lead_ad.submitted guide.downloaded
"""
TO_SQL = """
phone.called form.contact_submitted email.sent_to_sales demo.requested demo.booked meeting.booked analysis.requested
trial.started consultation.requested coupon.requested estimate.requested quote.requested intent.expressed
"""
FROM_MQL_TO_SQL = "webinar.attended sample.requested"
TO_CUSTOMER = "deal.won purchase.made"
OTHERS = """
page.viewed live_chat.asked social.interacted telemarketing.called email.delivered email.bounced email.complained
email.replied email.auto_replied meeting.held sales.accepted sales.rejected deal.lost email.deferred email.rejected
email.unknown email.preferences_set email.confirmed
"""


@pytest.fixture(scope="module")
def result():
    return check_documents(load_tree(TEMPLATES))


@pytest.fixture(scope="module", params=["b2b", "b2c"])
def bundle(request, result) -> Bundle:
    return bundle_from_documents(result.documents, request.param)


@pytest.fixture(scope="module")
def b2b(result) -> Bundle:
    return bundle_from_documents(result.documents, "b2b")


def test_the_only_remark_is_the_published_oddity(result):
    assert [(each.file, each.code, each.severity) for each in result.problems] == [
        ("scoring.yaml", "attended-below-registered", "warning")
    ]


def test_each_profile_alone_passes_too(bundle):
    assert [each.code for each in check_bundle(bundle)] == ["attended-below-registered"]


def test_the_points_are_exactly_the_published_ones(bundle):
    expected = []
    for line in POINTS.strip().splitlines():
        event, channel, behaviour, factor = (
            line[:41].split()[0],
            line[41:50].strip(),
            line[50:82].strip(),
            line[82:98].strip(),
        )
        expected.append((event, channel, behaviour, factor, float(line[98:])))

    shipped = [
        (rule.event, bundle.catalogue.events[rule.event].channel, rule.behaviour, rule.factor, rule.points)
        for rule in bundle.scoring.rules
    ]

    assert shipped == expected


def test_nothing_takes_points_away_or_adds_them_a_second_time(bundle):
    scoring = bundle.scoring

    assert scoring.floor is None
    assert all(
        (rule.dimension, rule.decay, rule.cap, rule.group, rule.where) == ("interest", None, None, None, {})
        for rule in scoring.rules
    )
    assert all(rule.dimension == "fit" for rule in scoring.fit)


def test_the_conversions_are_exactly_the_published_ones(bundle):
    shipped = {
        (start, event, rule.to)
        for rule in bundle.lifecycle.conversions
        for event in rule.on
        for start in rule.from_stages
    }

    expected = {("lead", event, "mql") for event in TO_MQL.split()}
    expected |= {(start, event, "sql") for event in TO_SQL.split() for start in ("lead", "mql")}
    expected |= {("mql", event, "sql") for event in FROM_MQL_TO_SQL.split()}
    expected |= {(start, event, "customer") for event in TO_CUSTOMER.split() for start in ("lead", "mql", "sql")}
    assert shipped == expected


def test_a_video_counts_from_half_of_it_and_nothing_else_has_a_condition(bundle):
    tests = {
        event: {key: operators.chosen() for key, operators in rule.where.items()}
        for rule in bundle.lifecycle.conversions
        for event in rule.on
        if rule.where
    }

    assert tests == {"video.watched": {"percent": ("at_least", 50)}}


def test_one_webinar_makes_a_lead_an_mql_and_an_mql_an_sql(bundle):
    moves = {
        start: rule.to
        for rule in bundle.lifecycle.conversions
        if "webinar.attended" in rule.on
        for start in rule.from_stages
    }

    assert moves == {"lead": "mql", "mql": "sql"}


def test_the_catalogue_knows_every_type_with_channel_and_direction(bundle):
    named = {line.split()[0] for line in POINTS.strip().splitlines()}
    named |= {*TO_MQL.split(), *TO_SQL.split(), *FROM_MQL_TO_SQL.split(), *TO_CUSTOMER.split(), *OTHERS.split()}

    assert set(bundle.catalogue.events) == named
    assert {each.direction for each in bundle.catalogue.events.values()} == {"inbound", "outbound", "push"}


def test_page_types_are_derived_from_page_views(bundle):
    derived = bundle.catalogue.derived

    assert {name: each.from_ for name, each in derived.items()} == dict.fromkeys(
        ["page.pricing_visited", "page.careers_visited", "page.multiple_visited"], "page.viewed"
    )
    visits = derived["page.multiple_visited"]
    assert visits.visit_gap is not None
    assert (visits.at_least, visits.visit_gap.seconds) == (3, 30 * 60)


def test_both_profiles_have_their_thresholds_and_b2b_works_by_account(result):
    profiles = bundle_from_documents(result.documents, "b2b").lifecycle.profiles

    assert list(profiles) == ["b2b", "b2c"]
    for profile in profiles.values():
        assert profile.thresholds.mql is not None
        assert profile.thresholds.sql is not None
        assert 0 < profile.thresholds.mql < profile.thresholds.sql
    assert (profiles["b2b"].task_per, profiles["b2b"].account_scores) == ("account", True)
    assert (profiles["b2c"].task_per, profiles["b2c"].account_scores) == ("lead", False)


def test_sales_has_a_next_step_for_every_way_to_sql(bundle):
    ways = {event for rule in bundle.lifecycle.conversions if rule.to == "sql" for event in rule.on}

    assert ways <= set(bundle.lifecycle.sales.next_steps)


def test_every_rejection_goes_back_and_cools_down(bundle):
    recycle = bundle.lifecycle.recycle

    assert recycle.to in STAGES[:2]
    assert recycle.cool_down.seconds > 0
    for reason in recycle.reasons.values():
        assert reason.cool_down is not None
        assert reason.sequence is None or reason.sequence in bundle.sequences


def test_the_long_nurture_is_for_b2b_only(result):
    assert "white-paper-nurture" in bundle_from_documents(result.documents, "b2b").sequences
    assert set(bundle_from_documents(result.documents, "b2c").sequences) == {
        "webinar-follow-up",
        "quiet-leads",
        "back-to-nurture",
        "confirm-subscription",
    }


def days_of(steps) -> list[int]:
    """The days of every way through the steps, when no awaited event comes."""
    ways = [0]
    for step in steps:
        if isinstance(step, WaitStep):
            length = step.wait.timeout if isinstance(step.wait, WaitUntil) else step.wait
            ways = [way + (length.days if length else 0) for way in ways]
        elif isinstance(step, BranchStep):
            arms = [days_of(arm.steps) for arm in step.branch]
            if not any(arm.else_ for arm in step.branch):
                arms.append([0])
            ways = [way + more for way in ways for arm in arms for more in arm]
    return ways


def test_white_paper_nurture_lasts_six_to_twelve_months(b2b):
    days = days_of(b2b.sequences["white-paper-nurture"].steps)

    assert min(days) >= 180
    assert max(days) <= 365


def test_white_paper_nurture_branches_retargets_and_asks_people(b2b):
    sequence = b2b.sequences["white-paper-nurture"]
    steps = list(all_steps(sequence.steps))

    assert {step.email for step in steps if isinstance(step, EmailStep)} == {
        "wp-thanks",
        "wp-case-study",
        "wp-problem-guide",
        "wp-spec-sheet",
        "wp-webinar-invite",
        "wp-consultation-offer",
        "wp-check-in",
    }
    changes = [step.audience for step in steps if isinstance(step, AudienceStep)]
    assert {each.add for each in changes} == {"white-paper-readers", None}
    assert {each.remove for each in changes} == {"white-paper-readers", None}
    assert {step.task.kind for step in steps if isinstance(step, TaskStep)} == {"look", "call"}
    ends = {each.reason for each in sequence.all_exits(b2b.catalogue.events)}
    assert ends == {"replied", "meeting-booked", "hard-bounce", "complained"}


def test_every_step_of_every_sequence_can_be_laid_out_forward(bundle):
    for sequence in bundle.sequences.values():
        nodes = flatten(sequence)
        place = {node.id: node.position for node in nodes}
        assert len(place) == len(nodes)
        for node in nodes:
            targets = [node.next, *(arm.target for arm in node.arms)]
            assert all(place[target] > node.position for target in targets if target is not None)


def test_quiet_leads_counts_every_sign_of_life(bundle):
    sequence = bundle.sequences["quiet-leads"]
    _, ever, lately, _ = sequence.entry.when.all
    activity = {name for name, kind in bundle.catalogue.events.items() if kind.counts_as_activity}

    assert set(ever.did.event) == set(lately.not_.did.event) == activity
    assert {"email.clicked", "page.viewed", "demo.requested"} <= activity
    assert not activity & {"email.delivered", "email.bounced", "sales.rejected", "telemarketing.called"}
    assert lately.not_.did.within.days == 90
    assert sequence.entry.reentry.after.days == 180


def test_the_webinar_follow_up_speaks_danish_too(bundle):
    emails = {
        step.email for step in all_steps(bundle.sequences["webinar-follow-up"].steps) if isinstance(step, EmailStep)
    }

    assert emails == {"webinar-thanks", "webinar-recording", "webinar-questions", "webinar-consultation"}
    assert all({"en", "da"} <= set(bundle.emails[name].locales) for name in emails)


def test_the_conditions_in_the_readme_can_be_used(bundle):
    [example] = re.findall(r"```yaml\n(.*?)```", (TEMPLATES / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    loaded = load_yaml(example, "README.md")
    condition = TypeAdapter(Condition).validate_python(loaded.data)

    assert loaded.problems == []
    assert list(lint_condition(condition, "README", (), definitions_of(bundle))) == []


def test_customers_and_open_sqls_are_kept_out_of_prospecting(bundle):
    audiences = bundle.audiences

    assert audiences["no-prospecting"].kind == "exclusion"
    assert set(audiences["no-prospecting"].when.stage.in_) == {"sql", "customer"}
    assert audiences["lookalike-customers"].kind == "lookalike"
    assert {each.topic for each in audiences.values()} == {"ads"}
