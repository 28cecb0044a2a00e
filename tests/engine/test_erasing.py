"""A person is erased: what is left, what is told to whom, and that killing it anywhere changes nothing."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from db import suppressions
from nurture import failpoints
from nurture.errors import BadInput, UnknownLead
from nurture.keys import email_hash
from nurture.records import Identity, LeadRecord
from nurture.tokens import UNSUBSCRIBE, sign
from tasks.explain import explain_lead
from tasks.merge import merge_leads
from tasks.privacy.erase import erase_lead, foresee
from tasks.sales_answers import record_answer
from tasks.unsubscribe import unsubscribe
from tests.engine.beginnings import colleagues
from tests.engine.whole import clean, everything
from tests.world import SECRET

DAY = timedelta(days=1)
# Nothing of these is personal: definitions, runs, and what this installation is.
_NOT_OF_PEOPLE = {"definition_versions", "publications", "publication_items", "runs", "installation", "source_cursors"}


def hash_of(name):
    return email_hash(SECRET.encode(), f"{name}@example.com")


def hits(world, *words):
    """Where a word stands, in any column of any table."""
    found = []
    for name, rows in everything(world).items():
        for row in rows:
            for column, value in row.items():
                text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
                found += [f"{name}.{column}: {word}" for word in words if word.casefold() in text.casefold()]
    return found


@pytest.fixture
def lived(twin):
    """Ada is in a sequence, in an audience and, with her colleague Bo, with sales; Cy is somewhere else."""
    return twin(colleagues)


def test_what_is_left_is_an_empty_row_and_the_ledger_of_what_was_sent(lived):
    ada = lived.lead_id("ada")
    assert lived.received("ada") == ["thanks"]
    certificate = erase_lead(lived.context, "ada@example.com", lived.now, reason="asked by letter")
    [row] = lived.rows("leads", id=ada)
    kept = {"id", "attributes", "stage", "stage_since", "erased_at", "created_at", "updated_at"}
    assert {name for name, value in row.items() if value is not None} == kept
    assert (row["attributes"], row["erased_at"], row["stage"]) == ({}, lived.now, "mql")
    [message] = lived.rows("messages", lead_id=ada)
    assert (message["status"], message["subject"], message["response"]) == ("accepted", None, None)
    assert message["key"]
    assert [(each["status"], each["reason"]) for each in lived.rows("enrollments", lead_id=ada)] == [
        ("exited", "erased")
    ]
    [stop] = lived.rows("suppressions", email_hash=hash_of("ada"))
    assert (stop["scope"], stop["reason"]) == ("all", "erased")
    for name in (
        "identities",
        "events",
        "scores",
        "score_contributions",
        "work_queue",
        "entry_marks",
        "audience_members",
    ):
        assert lived.rows(name, lead_id=ada) == [], name
    assert hits(lived, "ada@", "ada-industry") == []
    assert certificate["completed_at"] == lived.now.isoformat()
    assert certificate["reason"] == "asked by letter"
    assert "ada" not in str(certificate).casefold()
    clean(lived)


def test_consent_is_proved_and_withdrawn_without_a_word_of_the_person(lived):
    ada = lived.lead_id("ada")
    erase_lead(lived.context, str(ada), lived.now)
    words = lived.rows("consents", lead_id=ada)
    assert {(each["source"], each["wording"], each["evidence"]) for each in words} == {("erased", None, None)}
    assert [each["status"] for each in words] == ["granted", "granted", "withdrawn", "withdrawn"]
    assert {each["status"] for each in lived.rows("consent_states", lead_id=ada)} == {"withdrawn"}


def test_the_neighbours_are_untouched(lived):
    ada = lived.lead_id("ada")

    def of_others():
        return {
            name: [
                row
                for row in rows
                if ada not in (row.get("lead_id"), row.get("id") if name == "leads" else None)
                and row.get("email_hash") != hash_of("ada")
            ]
            for name, rows in everything(lived).items()
            if name
            not in _NOT_OF_PEOPLE | {"erasures", "executed_steps", "accounts", "score_contributions", "work_queue"}
        }

    before = of_others()
    company = lived.rows("accounts", name="Adamill")[0]["total"]
    erase_lead(lived.context, str(ada), lived.now)
    assert of_others() == before
    assert lived.rows("accounts", name="Adamill")[0]["total"] == company / 2
    erase_lead(lived.context, "cy@example.com", lived.now)
    assert [each["name"] for each in lived.rows("accounts")] == ["Adamill"]
    lived.days(4)
    assert lived.received("bo") == ["thanks", "more"]
    clean(lived)


def test_a_new_import_makes_a_new_lead_who_is_never_written_to(lived):
    ada = lived.lead_id("ada")
    erase_lead(lived.context, str(ada), lived.now)
    lived.lead("ada")
    lived.happens("ada", "content.white_paper_downloaded")
    lived.days(5)
    assert lived.lead_id("ada") != ada
    assert lived.received("ada") == []
    assert set(lived.reasons("ada")) == {"suppressed"}
    assert len([mail for mail in lived.outbox.messages if "ada@example.com" in str(mail)]) <= 1
    clean(lived)


def test_an_erased_lead_enters_nothing_and_an_old_link_changes_nothing(lived):
    ada = lived.lead_id("ada")
    [message] = lived.rows("messages", lead_id=ada)
    erase_lead(lived.context, str(ada), lived.now)
    documents = lived.documents
    documents["sequences/everybody"] = {**documents["sequences/papers"], "sequence": "everybody", "title": "Everybody"}
    documents["sequences/everybody"]["entry"] = {"when": {"field": "phone", "is_set": False}}
    lived.publish(enroll_existing=True)
    token = sign(SECRET.encode(), UNSUBSCRIBE, message["key"])
    catalogue = lived.context.compiled().bundle.catalogue
    assert not unsubscribe(lived.database, token, catalogue=catalogue, secret=SECRET.encode(), now=lived.now)
    lived.days(2)
    assert [each["sequence"] for each in lived.rows("enrollments", lead_id=ada)] == ["papers"]
    assert lived.rows("events", lead_id=ada) == []
    assert lived.rows("scores", lead_id=ada) == []
    clean(lived)


@pytest.mark.every_database
def test_all_ids_of_a_merged_person_are_erased_together_and_copies_of_facts_too(lived):
    lived.lead("anna", phone="+4520123456", company="Adamill")
    lived.happens("anna", "page.viewed", lived.now - DAY, page="secretpage")
    lived.happens("ada", "page.viewed", lived.now - DAY, page="secretpage")
    ada, anna = lived.lead_id("ada"), lived.lead_id("anna")
    lived.merge("ada", "anna")
    assert hits(lived, "secretpage")
    assert lived.rows("dead_letters", reason="duplicate-in-merge")
    certificate = erase_lead(lived.context, "anna@example.com", lived.now)
    assert certificate["leads"] == [ada, anna]
    assert hits(lived, "secretpage", "ada@", "anna", "20123456") == []
    assert {row["erased_at"] for row in lived.rows("leads") if row["id"] in (ada, anna)} == {lived.now}
    assert {row["reason"] for row in lived.rows("suppressions")} == {"erased"}
    assert len(lived.rows("suppressions")) == 2
    clean(lived)


def test_dead_letters_that_speak_of_the_person_go_and_those_of_others_stay(lived):
    for name in ("ada", "cy"):
        lived.happens(name, "no.such_type", note=f"{name} letter")
        lived.happens(name, "page.viewed", lived.now + 3 * DAY, note=f"{name} future")
    assert len(lived.rows("dead_letters")) == 4
    erase_lead(lived.context, "ada@example.com", lived.now)
    assert hits(lived, "ada letter", "ada future", "ada@") == []
    assert len(lived.rows("dead_letters")) == 2
    lived.days(4)
    assert hits(lived, "ada@") == []


@pytest.mark.every_database
def test_sales_forgets_a_task_of_the_person_alone_and_keeps_one_with_colleagues(lived):
    lived.happens("ada", "demo.requested")
    lived.happens("bo", "demo.requested")
    lived.happens("cy", "demo.requested")
    lived.run("follow-up")
    shared, alone = lived.rows("sales_tasks")
    assert (lived.crm.tasks["task-1"].facts["lead"]["name"], lived.crm.tasks["task-2"].facts["lead"]["name"]) == (
        "Ada",
        "Cy",
    )
    for name in ("ada", "cy"):
        erase_lead(lived.context, f"{name}@example.com", lived.now)
    shared, alone = lived.rows("sales_tasks")
    assert (shared["status"], shared["lead_id"]) == ("open", lived.lead_id("bo"))
    assert (alone["status"], alone["title"], alone["reason"]) == ("cancelled", "erased", "erased")
    assert alone["crm_reference"] is None
    lived.run("follow-up")
    assert list(lived.crm.tasks) == ["task-1"]
    assert lived.crm.tasks["task-1"].facts["lead"]["name"] == "Bo"
    assert "Ada\n" not in lived.crm.tasks["task-1"].brief
    assert "ada@example.com" not in str(lived.crm.tasks)
    with pytest.raises(BadInput, match="not open"):
        record_answer(lived.context, alone["id"], "accepted", None, lived.now)
    clean(lived)


def test_while_the_outside_is_away_the_certificate_waits_and_a_later_run_completes_it(lived):
    lived.happens("cy", "demo.requested")
    lived.run("follow-up")
    lived.crm.is_away = lived.platform.refuse = True
    certificate = erase_lead(lived.context, "cy@example.com", lived.now)
    assert certificate["waits_for"] == {"audiences": {"file": 1}, "sales_tasks": 1}
    [row] = lived.rows("erasures")
    assert row["completed_at"] is None
    lived.crm.is_away = False
    lived.days(1, "daily-sync")
    assert lived.rows("erasures")[0]["certificate"]["waits_for"] == {"audiences": {"file": 1}}
    lived.platform.refuse = False
    lived.days(1, "daily-sync")
    [row] = lived.rows("erasures")
    assert (row["completed_at"], row["certificate"]["completed_at"]) == (lived.now, lived.now.isoformat())
    assert len(lived.platform.members["readers"]) == 2
    assert lived.rows("audience_members", status="removing") == []
    clean(lived)


def test_every_other_reason_not_to_write_stands_beside_the_erasure(lived):
    with lived.database.write() as connection:
        suppressions.suppress(
            connection,
            [
                suppressions.Stop(hash_of("ada"), "all", "complaint", lived.now - DAY),
                suppressions.Stop(hash_of("cy"), "all", "imported", lived.now - DAY),
                suppressions.Stop(hash_of("cy"), "all", "operator", lived.now - DAY),
            ],
        )
    for name in ("ada", "cy"):
        erase_lead(lived.context, f"{name}@example.com", lived.now)
    assert {(row["email_hash"], row["reason"]) for row in lived.rows("suppressions")} == {
        *((hash_of("ada"), each) for each in ("complaint", "erased")),
        *((hash_of("cy"), each) for each in ("imported", "operator", "erased")),
    }


def test_every_address_that_the_person_ever_had_is_stopped(lived):
    both = (Identity("email", "ada@example.com"), Identity("email", "ada.old@example.com"))
    lived.store([LeadRecord(both, {"email": "ada@example.com"})])
    erase_lead(lived.context, "ada.old@example.com", lived.now)
    stopped = {row["email_hash"] for row in lived.rows("suppressions", reason="erased")}
    assert stopped == {hash_of("ada"), hash_of("ada.old")}


@pytest.mark.every_database
def test_erasing_twice_is_harmless(lived):
    ada = lived.lead_id("ada")
    first = erase_lead(lived.context, str(ada), lived.now)
    before = everything(lived)
    assert erase_lead(lived.context, str(ada), lived.now + DAY)["erasure"] == first["erasure"]
    assert everything(lived) == before
    assert erase_lead(lived.context, "Ada@Example.com", lived.now + DAY)["erased_before"]
    with pytest.raises(UnknownLead):
        erase_lead(lived.context, "never@example.com", lived.now)


def test_what_is_foreseen_is_what_is_done_and_nothing_is_done_by_looking(lived):
    before = everything(lived)
    foreseen = foresee(lived.context, "ada@example.com", lived.now)
    assert everything(lived) == before
    assert foreseen.name == "ada@example.com"
    certificate = erase_lead(lived.context, "ada@example.com", lived.now)
    assert {what: number for what, number in foreseen.done.items() if number} == certificate["done"]


def test_explain_says_erased_and_nothing_else_and_merging_is_refused(lived):
    ada = lived.lead_id("ada")
    erase_lead(lived.context, str(ada), lived.now)
    assert explain_lead(lived.context, str(ada), lived.now) == {
        "lead": {"id": ada},
        "erased": True,
        "erased_at": lived.now,
    }
    with pytest.raises(UnknownLead):
        explain_lead(lived.context, "ada@example.com", lived.now)
    with pytest.raises(BadInput, match="was erased"):
        merge_leads(lived.context, "cy@example.com", str(ada), lived.now)


def test_a_message_that_is_being_handed_over_finishes_and_is_listed(lived):
    """The worker is past the point of no return when the person is erased; its verdict comes after that."""
    lived.now += 3 * DAY
    seen = {}

    def erase_now(name):
        if name == "deliver.handing_over" and not seen:
            [mail] = lived.rows("messages", status="handing_over")
            seen["lead"] = mail["lead_id"]
            seen["certificate"] = erase_lead(lived.context, str(mail["lead_id"]), lived.now)

    failpoints.listen(erase_now)
    try:
        lived.run()
    finally:
        failpoints.listen(None)
    [listed] = seen["certificate"]["waits_for"]["messages"]
    [message] = lived.rows("messages", id=listed)
    assert (message["status"], message["subject"], message["response"]) == ("accepted", None, None)
    [row] = lived.rows("erasures")
    assert row["completed_at"] == lived.now
    clean(lived)


def test_nothing_enters_the_hand_over_after_the_erasure(new_world):
    """The worker has prepared everything and waits before the last check; the erasure commits first."""
    world = new_world()
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    prepared, erased = threading.Event(), threading.Event()

    def wait(name):
        if name == "deliver.staged" and threading.current_thread() is not threading.main_thread():
            prepared.set()
            erased.wait(30)

    failpoints.listen(wait)
    try:
        worker = threading.Thread(target=world.run)
        worker.start()
        assert prepared.wait(30)
        erase_lead(world.context, "ada@example.com", world.now)
        erased.set()
        worker.join(60)
    finally:
        failpoints.listen(None)
        erased.set()
    assert list(world.outbox.messages) == []
    [message] = world.rows("messages")
    assert (message["status"], message["reason"]) == ("skipped", "erased")
    clean(world)
