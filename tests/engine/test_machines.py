"""Who opened and clicked: machines are recognised, kept and worth nothing, and a person can say otherwise."""

from __future__ import annotations

from datetime import timedelta

import pytest

from db import judgements
from tests.answers import clicks, documents, follow_up, judge, key_of, send, verdicts


@pytest.fixture
def sent(twin):
    """A world in which ada has had one mail."""
    return twin(_sent)


def _sent(new_world):
    world = new_world()
    send(world)
    return world


PEOPLE = [("an hour later", timedelta(hours=1)), ("three seconds later", timedelta(seconds=3))]


@pytest.mark.parametrize("after", [each[1] for each in PEOPLE], ids=[each[0] for each in PEOPLE])
def test_a_click_is_taken_for_a_persons(sent, after):
    clicks(sent, after=after)
    follow_up(sent)
    assert verdicts(sent) == [(False, None)]
    assert sent.score("ada")["total"] == 10 + 5


@pytest.mark.parametrize("seconds", [0, 1, 2, -1])
def test_a_click_within_two_seconds_of_the_providers_yes_is_kept_and_worth_nothing(sent, seconds):
    clicks(sent, after=timedelta(seconds=seconds))
    follow_up(sent)
    assert verdicts(sent) == [(True, "too-fast")]
    assert sent.score("ada")["total"] == 10


def test_what_the_provider_reports_as_delivered_later_counts_as_delivery_too(new_world):
    world = new_world(documents())
    send(world)
    clicks(world, after=timedelta(minutes=7, seconds=1))
    follow_up(world)
    assert verdicts(world) == [(False, None)]
    world.now -= timedelta(hours=2)
    clicks(world, kind="email.delivered", after=timedelta(minutes=7))
    follow_up(world)
    assert verdicts(world) == [(True, "too-fast")]
    assert world.score("ada")["total"] == 10


def test_a_click_on_every_link_in_a_moment_is_a_scanners_and_the_first_ones_are_judged_anew(sent):
    for second in (0, 4):
        clicks(sent, after=timedelta(minutes=30, seconds=second), url=f"https://example.com/{second}")
    follow_up(sent)
    assert verdicts(sent) == [(False, None)] * 2
    assert sent.score("ada")["total"] == 10 + 5 + 5
    sent.now -= timedelta(hours=2)
    clicks(sent, after=timedelta(minutes=30, seconds=10), url="https://example.com/10")
    clicks(sent, after=timedelta(hours=1), url="https://example.com/4")
    follow_up(sent)
    assert verdicts(sent) == [(True, "every-link")] * 3 + [(False, None)]
    assert sent.score("ada")["total"] == 10 + 5


def test_the_same_link_three_times_is_an_impatient_person(sent):
    for second in range(3):
        clicks(sent, after=timedelta(minutes=30, seconds=second), url="https://example.com/a")
    clicks(sent, after=timedelta(minutes=30, seconds=4), url="https://example.com/b")
    follow_up(sent)
    assert verdicts(sent) == [(False, None)] * 4


def test_links_of_two_mails_are_no_burst(sent):
    first = key_of(sent)
    sent.days(3)
    for second, key in enumerate((first, key_of(sent), key_of(sent))):
        clicks(sent, after=timedelta(minutes=30, seconds=second), url=f"https://example.com/{second}", message_key=key)
    follow_up(sent)
    assert verdicts(sent) == [(False, None)] * 3


@pytest.mark.parametrize(
    "agent", ["Mozilla/5.0 (compatible; MIMECAST-URL-Check)", "Slackbot-LinkExpanding 1.0", "python-requests/2.32"]
)
def test_a_known_prefetcher_is_recognised_by_what_it_says_of_itself(sent, agent):
    clicks(sent, user_agent=agent)
    follow_up(sent)
    assert verdicts(sent) == [(True, "prefetcher")]
    assert sent.score("ada")["total"] == 10


@pytest.mark.every_database
def test_an_open_by_apples_proxy_is_nobodys_and_one_by_a_mail_programs_proxy_is_somebodys(new_world):
    machines = {"privacy_opens": {"user_agents": ["Mozilla/5.0"], "properties": {"sg_machine_open": True}}}
    world = new_world(documents(machines))
    send(world)
    clicks(world, kind="email.opened", user_agent="Mozilla/5.0")
    clicks(world, kind="email.opened", sg_machine_open=True)
    clicks(world, kind="email.opened", user_agent="Mozilla/5.0 (Windows NT 5.1) via ggpht.com GoogleImageProxy")
    clicks(world, user_agent="Mozilla/5.0")
    follow_up(world)
    assert verdicts(world, "email.opened") == [(True, "privacy-open")] * 2 + [(False, None)]
    assert verdicts(world) == [(False, None)]
    assert world.score("ada")["total"] == 10 + 1 + 5


def test_each_rule_can_be_turned_off_or_set_otherwise_and_history_follows(new_world):
    world = new_world(documents())
    send(world)
    clicks(world, after=timedelta(seconds=1))
    clicks(world, user_agent="curl/8.0")
    clicks(world, kind="email.opened", user_agent="Mozilla/5.0")
    for number in range(3):
        clicks(world, after=timedelta(minutes=9), url=f"https://example.com/{number}")
    follow_up(world)
    assert world.score("ada")["total"] == 10
    world.documents["events"]["machines"] = {
        "too_fast": False,
        "every_link": False,
        "user_agents": [],
        "privacy_opens": False,
    }
    world.publish()
    follow_up(world)
    assert {each for kind in ("email.opened", "email.clicked") for each in verdicts(world, kind)} == {(False, None)}
    assert world.score("ada")["total"] == 10 + 5 * 5 + 1
    world.documents["events"]["machines"] = {"too_fast": "2 hours"}
    world.publish()
    follow_up(world)
    assert {each[0] for each in verdicts(world)} == {True}


def test_what_the_source_says_stands_above_the_rules_and_what_a_person_says_above_both(sent):
    said = clicks(sent, machine=True)
    clicks(sent, after=timedelta(seconds=1), machine=True)
    fast = clicks(sent, after=timedelta(seconds=2))
    follow_up(sent)
    assert verdicts(sent) == [(True, "source"), (True, "source"), (True, "too-fast")]
    assert judge(sent, said, "human")
    assert judge(sent, fast, "human")
    follow_up(sent)
    assert verdicts(sent) == [(False, "person"), (True, "source"), (False, "person")]
    assert sent.score("ada")["total"] == 10 + 5 + 5
    assert judge(sent, fast, "machine")
    follow_up(sent)
    assert verdicts(sent)[2] == (True, "person")
    assert sent.score("ada")["total"] == 10 + 5


def test_a_flag_from_before_verdicts_had_names_is_the_sources(sent):
    clicks(sent, machine=True)
    with sent.database.write() as connection:
        connection.exec_driver_sql("UPDATE events SET machine_by = NULL")
    follow_up(sent)
    assert verdicts(sent) == [(True, None)]
    with sent.database.read() as connection:
        (row,) = judgements.listing(connection, sent.lead_id("ada"), 9)
    assert (row["verdict"], row["by"]) == ("machine", "source")


@pytest.mark.every_database
def test_a_verdict_of_human_moves_the_lead_forward_and_one_of_machine_undoes_no_stage_and_no_step(new_world):
    made = documents()
    made["lifecycle"]["conversions"].insert(0, {"id": "clicked", "to": "sql", "on": ["email.clicked"]})
    world = new_world(made)
    send(world)
    event_id = clicks(world, after=timedelta(seconds=1))
    follow_up(world)
    assert (world.stage("ada"), world.rows("sales_tasks")) == ("mql", [])
    judge(world, event_id, "human", "she called about it")
    follow_up(world)
    assert (world.stage("ada"), len(world.rows("sales_tasks"))) == ("sql", 1)
    before = world.rows("executed_steps"), world.rows("stage_transitions")
    judge(world, event_id, "machine")
    follow_up(world)
    assert (world.stage("ada"), len(world.rows("sales_tasks"))) == ("sql", 1)
    assert (world.rows("executed_steps"), world.rows("stage_transitions")) == before
    assert world.score("ada")["total"] == 10


def test_a_person_may_judge_any_fact_but_not_one_that_follows_from_another(new_world):
    made = documents()
    made["events"]["derived"] = {"webinar.attended": {"from": "page.viewed", "where": {"url": {"contains": "live"}}}}
    world = new_world(made)
    world.lead("ada")
    world.happens("ada", "page.viewed", url="/live")
    world.run()
    viewed, derived = world.rows("events")
    assert world.stage("ada") == "mql"
    assert not judge(world, derived["id"], "machine")
    assert not judge(world, 10_000, "machine")
    assert judge(world, viewed["id"], "machine", "a monitor of ours")
    follow_up(world)
    assert [row["type"] for row in world.rows("events")] == ["page.viewed", "event.judged"]
    assert world.score("ada")["total"] == 0
    assert world.stage("ada") == "mql"


def test_the_list_says_of_each_open_and_click_who_did_it_and_who_says_so(sent):
    fast = clicks(sent, after=timedelta(seconds=1), url="https://example.com/a")
    said = clicks(sent, kind="email.opened", machine=True)
    person = clicks(sent)
    follow_up(sent)
    judge(sent, fast, "machine", "first thought")
    judge(sent, fast, "human", "she called about it")
    with sent.database.read() as connection:
        rows = {row["id"]: row for row in judgements.listing(connection, sent.lead_id("ada"), 10)}
    assert {key: (row["verdict"], row["by"], row["reason"]) for key, row in rows.items()} == {
        fast: ("human", "person", "she called about it"),
        said: ("machine", "source", None),
        person: ("human", None, None),
    }
    assert (rows[fast]["url"], rows[fast]["email"], rows[fast]["judged_at"]) == (
        "https://example.com/a",
        "thanks",
        sent.now,
    )


def test_every_page_that_speaks_of_a_lead_keeps_quiet_about_a_judgement(sent):
    judge(sent, clicks(sent), "human")
    follow_up(sent)
    from db import explain

    with sent.database.read() as connection:
        timeline = explain.timeline(connection, sent.lead_id("ada"), sent.now, 9)
    assert [row["type"] for row in timeline] == ["email.clicked", "content.white_paper_downloaded"]


def test_a_score_as_of_then_is_by_the_verdicts_as_known_today(sent):
    from tasks.explain import explain_lead

    event_id = clicks(sent, after=timedelta(seconds=1))
    follow_up(sent)
    then = sent.now
    judge(sent, event_id, "human")
    sent.days(1)
    facts = explain_lead(sent.context, "ada@example.com", sent.now, then)
    assert facts["score"]["total"] == 15


def test_the_verdicts_of_many_leads_take_as_many_statements_as_those_of_one(new_world):
    import sqlalchemy as sa

    def statements(world):
        seen: list[str] = []
        listener = lambda *arguments: seen.append(arguments[2])  # noqa: E731
        world.now += timedelta(hours=2)
        sa.event.listen(world.database.engine, "before_cursor_execute", listener)
        world.run("rescore")
        sa.event.remove(world.database.engine, "before_cursor_execute", listener)
        return len(seen)

    few, many = new_world(), new_world()
    for world, names in ((few, ["ada"]), (many, [f"lead{number}" for number in range(12)])):
        for name in names:
            send(world, name)
        for name in names:
            clicks(world, name, after=timedelta(seconds=1))
        statements(world)
        for name in names:
            clicks(world, name, after=timedelta(seconds=1))
    assert statements(few) == statements(many)
    assert len(verdicts(many)) == 24


def test_a_click_that_comes_between_the_scoring_and_the_steps_of_a_run_waits_for_its_verdict(new_world):
    made = documents()
    until = {"id": "click", "wait": {"until": "email.clicked", "timeout": "10 days"}}
    made["sequences/papers"]["steps"] = [{"id": "thanks", "email": "thanks"}, until, {"id": "more", "email": "more"}]
    world = new_world(made)
    send(world)
    world.now += timedelta(hours=1)
    world.happens("ada", "content.white_paper_downloaded")
    for part in ("rescore", "restage"):
        world.run(part)
    clicks(world, after=timedelta(0), user_agent="Barracuda Sentinel (EE)")
    for part in ("enroll", "advance", "deliver"):
        world.run(part)
    assert world.received("ada") == ["thanks"]
    world.now += timedelta(minutes=10)
    world.run("follow-up")
    assert world.received("ada") == ["thanks"]
    assert verdicts(world) == [(True, "prefetcher")]
    clicks(world, event_id="by-hand", after=timedelta(hours=1))
    world.now += timedelta(hours=2)
    world.run("follow-up")
    assert world.received("ada") == ["thanks", "more"]


def test_what_has_just_come_is_shown_as_not_judged_yet(sent):
    clicks(sent)
    with sent.database.read() as connection:
        [click] = judgements.listing(connection, sent.lead_id("ada"), 10)
    assert (click["verdict"], click["by"]) == ("pending", None)
    follow_up(sent)
    with sent.database.read() as connection:
        [click] = judgements.listing(connection, sent.lead_id("ada"), 10)
    assert (click["verdict"], click["by"]) == ("human", None)


def test_a_merge_judges_what_no_run_has_judged_yet(sent):
    sent.lead("bo")
    clicks(sent)
    sent.now += timedelta(hours=2)
    sent.merge("bo", "ada")
    assert verdicts(sent) == [(False, None)]
    assert sent.score("bo")["total"] == 10 + 5
