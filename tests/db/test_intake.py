"""Intake into a real database: who is who, what happened, and what could not be used."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import tables
from db.intake import store
from nurture.keys import email_hash, event_tiebreak
from nurture.records import Consent, Origin, Refused
from tests.databases import Databases
from tests.intake import NOW, SECRET, Store, catalogue, event, lead

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


# --- Leads ------------------------------------------------------------------------------------------------------------


def test_a_lead_is_stored_with_its_account_and_the_hash_of_its_address(stored: Store) -> None:
    stored.put(lead("Bo@example.com".lower(), name="Bo Berg", company="Ørsted A/S", country="DK", source="fair"))

    (row,) = stored.rows("leads")
    assert (row["name"], row["company"], row["country"], row["source"]) == ("Bo Berg", "Ørsted A/S", "DK", "fair")
    assert row["email_hash"] == email_hash(SECRET, "bo@example.com")
    assert stored.rows("accounts", "name", "name_key") == [("Ørsted A/S", "ørsted")]
    assert stored.rows("identities", "kind", "value", "lead_id") == [("email", "bo@example.com", row["id"])]


def test_two_ways_of_writing_a_company_are_one_account(stored: Store) -> None:
    stored.put(lead("a@example.com", company="ACME, Inc."))
    stored.put(lead("b@example.com", company="Acme"), lead("c@example.com", company="acme inc"))

    assert len(stored.rows("accounts")) == 1
    assert len(set(stored.rows("leads", "account_id"))) == 1


def test_the_same_leads_again_change_nothing(stored: Store) -> None:
    records = [lead(f"p{n}@example.com", name=f"P {n}", attributes={"industry": "food"}) for n in range(5)]
    first = stored.put_all(records)
    before = stored.rows("leads")

    again = stored.put_all(records, now=NOW + DAY)

    assert (first.leads_created, first.leads_updated, first.leads_unchanged) == (5, 0, 0)
    assert (again.leads_created, again.leads_updated, again.leads_unchanged) == (0, 0, 5)
    assert stored.rows("leads") == before


def test_newer_knowledge_replaces_older_and_a_gap_replaces_nothing(stored: Store) -> None:
    stored.put(lead("a@example.com", job_title="Engineer", city="Odense", source="fair", attributes={"employees": 10}))
    stored.put(
        lead("a@example.com", job_title="Director", source="newsletter", attributes={"employees": 20}), now=NOW + DAY
    )

    (row,) = stored.rows("leads")
    assert (row["job_title"], row["city"], row["attributes"]) == ("Director", "Odense", {"employees": 20})
    assert row["source"] == "fair", "where a lead came from first stays what it was"


def test_older_knowledge_fills_gaps_only(stored: Store) -> None:
    stored.put(lead("a@example.com", job_title="Director", as_of=NOW))
    stored.put(lead("a@example.com", job_title="Engineer", city="Odense", as_of=NOW - 300 * DAY))

    assert stored.rows("leads", "job_title", "city") == [("Director", "Odense")]


def test_an_external_id_finds_the_lead_whose_address_has_changed(stored: Store) -> None:
    stored.put(lead("old@example.com", others={"crm": "7"}))
    stored.put(lead("new@example.com", others={"crm": "7"}), now=NOW + DAY)

    assert stored.rows("leads", "email") == ["new@example.com"]
    assert stored.rows("identities", "value") == ["old@example.com", "7", "new@example.com"]


def test_colleagues_who_share_a_switchboard_stay_two_people(stored: Store) -> None:
    stored.put(lead("a@example.com", others={"phone": "+4512345678"}))
    stored.put(lead("b@example.com", others={"phone": "+4512345678"}))
    stored.put(
        lead("c@example.com", others={"phone": "+4599999999"}), lead("d@example.com", others={"phone": "+4599999999"})
    )

    assert stored.rows("leads", "email") == [f"{name}@example.com" for name in "abcd"]


def test_a_phone_number_alone_finds_its_lead(stored: Store) -> None:
    stored.put(lead("a@example.com", others={"phone": "+4512345678"}))
    counts = stored.put(event("1", "phone.called", others={"phone": "+4512345678"}))

    assert counts.leads_created == 0
    assert stored.rows("events", "lead_id") == stored.rows("leads", "id")


def test_a_record_that_matches_two_leads_goes_to_the_stronger_identifier(stored: Store) -> None:
    stored.put(lead("a@example.com"), lead(others={"crm": "7"}))
    counts = stored.put(event("1", email="a@example.com", others={"crm": "7"}))

    assert counts.conflicts == 1
    assert stored.rows("events", "lead_id") == [1]
    assert stored.rows("identities", "lead_id", kind="external:crm") == [2]


# --- Events -----------------------------------------------------------------------------------------------------------


def test_an_event_makes_a_lead_of_somebody_new(stored: Store) -> None:
    counts = stored.put(event("1", "demo.requested", "a@example.com", at=NOW - HOUR, source="website"))

    assert (counts.leads_created, counts.events_created) == (1, 1)
    (row,) = stored.rows("leads")
    assert (row["email"], row["source"], row["created_at"]) == ("a@example.com", "website", NOW - HOUR)
    assert stored.rows("events", "tiebreak") == [event_tiebreak("website", "1")]


def test_a_duplicate_event_changes_nothing(stored: Store) -> None:
    one = event("1", "demo.requested", "a@example.com")
    stored.put(one)
    before = stored.rows("events"), stored.rows("leads")

    counts = stored.put(one, one, event("1", "page.viewed", "a@example.com"), now=NOW + DAY)

    assert (counts.events_created, counts.duplicates, counts.leads_updated) == (0, 3, 0)
    assert (stored.rows("events"), stored.rows("leads")) == before


def test_of_a_batch_in_which_some_events_are_known_only_the_new_ones_count(stored: Store) -> None:
    stored.put(event("1", email="a@example.com"), lead("b@example.com"))
    with stored.database.write() as connection:
        connection.execute(tables.work_queue.delete())

    counts = stored.put(
        event("1", "email.unsubscribed", "a@example.com"),
        event("2", "page.viewed", "b@example.com"),
        event("2", "email.unsubscribed", "b@example.com"),
    )

    assert (counts.events_created, counts.duplicates, counts.consents_changed) == (1, 2, 0)
    assert stored.rows("events", "source_event_id", "type") == [("1", "page.viewed"), ("2", "page.viewed")]
    assert stored.rows("work_queue", "lead_id") == stored.rows("leads", "id", email="b@example.com")


def test_no_lead_is_younger_than_its_first_event(stored: Store) -> None:
    stored.put(lead("a@example.com"), lead("b@example.com", created_at=NOW - 9 * DAY))
    both = [event(f"{name}{n}", email=f"{name}@example.com", at=NOW - n * DAY) for name in "ab" for n in (2, 3, 1)]
    stored.put(*both)
    assert stored.rows("leads", "created_at") == [NOW - 3 * DAY, NOW - 9 * DAY]


def test_the_same_id_from_another_source_is_another_event(stored: Store) -> None:
    stored.put(event("1", email="a@example.com"), event("1", email="a@example.com", source="other"))

    assert len(stored.rows("events")) == 2


def test_anonymous_activity_finds_its_lead_when_an_identifier_links_them(stored: Store) -> None:
    cookie = {"anonymous": "cookie-1"}
    stored.put(event("1", at=NOW - 2 * DAY, others=cookie), event("2", at=NOW - DAY, others=cookie))
    assert stored.rows("leads") == []
    assert stored.rows("events", "lead_id") == [None, None]

    counts = stored.put(event("3", "form.contact_submitted", "a@example.com", others=cookie))

    assert (counts.attached, counts.leads_created) == (2, 1)
    assert stored.rows("events", "lead_id") == [1, 1, 1]
    assert stored.rows("leads", "created_at") == [NOW - 2 * DAY]
    assert stored.rows("work_queue", "lead_id") == [1]


def test_anonymous_activity_in_the_same_batch_finds_its_lead_in_any_order(stored: Store) -> None:
    cookie = {"anonymous": "cookie-1"}
    stored.put(event("1", others=cookie), event("2", email="a@example.com", others=cookie), event("3", others=cookie))

    assert stored.rows("events", "lead_id") == [1, 1, 1]


def test_a_shared_browser_does_not_make_two_people_one(stored: Store) -> None:
    cookie = {"anonymous": "cookie-1"}
    stored.put(event("1", email="a@example.com", others=cookie))
    stored.put(event("2", email="b@example.com", others=cookie))

    assert stored.rows("leads", "email") == ["a@example.com", "b@example.com"]


def test_an_address_from_an_event_fills_a_lead_that_has_none(stored: Store) -> None:
    stored.put(lead(others={"crm": "7"}, name="Bo"))
    stored.put(event("1", email="bo@example.com", others={"crm": "7"}))

    assert stored.rows("leads", "email", "email_hash") == [("bo@example.com", email_hash(SECRET, "bo@example.com"))]


def test_a_late_event_makes_its_lead_older(stored: Store) -> None:
    stored.put(event("1", email="a@example.com"))
    stored.put(event("2", email="a@example.com", at=NOW - 40 * DAY), now=NOW + DAY)

    assert stored.rows("leads", "created_at") == [NOW - 40 * DAY]
    assert stored.rows("events", "received_at") == [NOW, NOW + DAY]


def test_an_event_may_name_the_lead_itself(stored: Store) -> None:
    stored.put(lead("a@example.com"))
    counts = stored.put(event("1", "email.clicked", lead_id=1, machine=True), event("2", "email.clicked", lead_id=99))

    assert stored.rows("events", "lead_id", "machine") == [(1, True)]
    assert [each.reason for each in counts.refusals] == ["unknown-lead"]


def test_a_merged_lead_is_the_one_that_survives(stored: Store) -> None:
    stored.put(lead("a@example.com"), lead("b@example.com"))
    with stored.database.write() as connection:
        connection.execute(sa.text("UPDATE leads SET merged_into_id = 1 WHERE id = 2"))

    stored.put(event("1", email="b@example.com"), event("2", lead_id=2))

    assert stored.rows("events", "lead_id") == [1, 1]


def test_history_is_marked_silent_until_something_new_comes(stored: Store) -> None:
    stored.put(event("1", email="a@example.com"), event("2", email="b@example.com"), silent=True)
    stored.put(event("3", email="b@example.com"))

    assert stored.rows("events", "silent") == [True, True, False]
    assert stored.rows("work_queue", "queue", "lead_id", "silent") == [("score", 1, True), ("score", 2, False)]


# --- What cannot be used ----------------------------------------------------------------------------------------------


def test_an_unknown_type_is_a_dead_letter_that_names_the_nearest_one(stored: Store) -> None:
    counts = stored.put(event("1", "demo.request", "a@example.com"), event("2", email="b@example.com"))

    assert (counts.events_created, counts.refused) == (1, 1)
    (letter,) = stored.rows("dead_letters")
    assert (letter["reason"], letter["status"]) == ("unknown-event-type", "waiting")
    assert letter["message"] == "`demo.request` is no event type of events.yaml (did you mean `demo.requested`?)"
    assert stored.rows("leads", "email") == ["b@example.com"], "what was refused makes no lead"


def test_an_event_up_to_five_minutes_ahead_is_taken_and_a_later_one_waits_for_its_time(stored: Store) -> None:
    stored.put(
        event("1", email="a@example.com", at=NOW + timedelta(minutes=5)),
        event("2", email="a@example.com", at=NOW + timedelta(minutes=5, seconds=1)),
    )

    assert stored.rows("events", "source_event_id") == ["1"]
    (letter,) = stored.rows("dead_letters")
    assert (letter["reason"], letter["release_at"]) == ("future", NOW + timedelta(minutes=5, seconds=1))


def test_a_record_about_nobody_is_refused(stored: Store) -> None:
    counts = stored.put(lead(name="Bo"), event("1"))

    assert [each.reason for each in counts.refusals] == ["no-identifier", "no-identifier"]
    assert stored.rows("dead_letters", "kind") == ["lead", "event"]


def test_the_same_bad_record_is_kept_once_and_counted(stored: Store) -> None:
    bad = Refused("lead", "bad-email", "the address cannot be right", Origin("a.csv:2", {"email": "nobody"}, 2))
    stored.put(bad)
    stored.put(bad, now=NOW + DAY)

    assert stored.rows("dead_letters", "seen", "raw", "received_at") == [(2, b'{"email":"nobody"}', NOW)]


def test_bytes_that_no_text_column_could_hold_are_kept_as_they_came(stored: Store) -> None:
    raw = b'{"name": "\x00\xff' + "\ud800".encode("utf-8", "surrogatepass")
    stored.put(Refused("event", "not-json", "no JSON", Origin("a.jsonl:1", raw, 1)))
    stored.put(Refused("event", "control-character", "a surrogate", Origin("b", {"name": "\ud800"}, 1)))

    assert stored.rows("dead_letters", "raw") == [raw, b'{"name": "\\ud800"}']


# --- Consent and suppression ------------------------------------------------------------------------------------------


def granted(topic: str, at: Any = None, basis: Any = "consent") -> Consent:
    return Consent("granted", basis, "form", topic=topic, occurred_at=at)


def states(stored: Store) -> dict[str, str]:
    return dict(stored.rows("consent_states", "topic", "status"))


def test_a_consent_is_recorded_with_its_evidence(stored: Store) -> None:
    stored.put(
        lead("a@example.com", consents=(Consent("granted", "consent", "fair", "nurture", wording="Yes please"),))
    )

    (row,) = stored.rows("consents")
    assert (row["topic"], row["status"], row["basis"], row["source"], row["wording"], row["occurred_at"]) == (
        "nurture",
        "granted",
        "consent",
        "fair",
        "Yes please",
        NOW,
    )
    assert stored.rows("consent_states", "topic", "status", "consent_id") == [("nurture", "granted", row["id"])]


def test_an_unsubscribe_withdraws_every_email_topic_and_advertising_and_suppresses(stored: Store) -> None:
    stored.put(lead("a@example.com", consents=(granted("nurture", NOW - DAY), granted("ads", NOW - DAY))))
    stored.put(event("1", "email.unsubscribed", "a@example.com"))

    assert states(stored) == dict.fromkeys(("nurture", "events", "newsletter", "ads"), "withdrawn")
    hash_ = email_hash(SECRET, "a@example.com")
    assert stored.rows("suppressions", "email_hash", "scope", "reason", "since") == [
        (hash_, "all", "unsubscribed", NOW)
    ]


def test_an_unsubscribe_from_one_topic_leaves_the_others(stored: Store) -> None:
    stored.put(lead("a@example.com", consents=(granted("nurture", NOW - DAY), granted("newsletter", NOW - DAY))))
    stored.put(event("1", "email.unsubscribed", "a@example.com", properties={"topic": "newsletter"}))

    assert states(stored) == {"nurture": "granted", "newsletter": "withdrawn", "ads": "withdrawn"}
    assert stored.rows("suppressions", "scope") == ["topic:newsletter"]


def test_a_complaint_and_a_hard_bounce_suppress_the_address_and_a_soft_bounce_does_not(stored: Store) -> None:
    stored.put(
        event("1", "email.complained", "a@example.com"),
        event("2", "email.bounced", "b@example.com", properties={"kind": "hard"}),
        event("3", "email.bounced", "c@example.com", properties={"kind": "soft"}),
    )

    found = {(row["email_hash"], row["scope"], row["reason"]) for row in stored.rows("suppressions")}
    assert found == {
        (email_hash(SECRET, "a@example.com"), "all", "complaint"),
        (email_hash(SECRET, "b@example.com"), "all", "hard_bounce"),
    }
    assert set(stored.rows("consent_states", "lead_id")) == {1}, "a dead mailbox says nothing about consent"


def test_an_older_word_that_arrives_late_does_not_undo_a_newer_one(stored: Store) -> None:
    stored.put(event("1", "email.unsubscribed", "a@example.com", properties={"topic": "nurture"}))
    stored.put(lead("a@example.com", consents=(granted("nurture", NOW - DAY),)))

    assert states(stored)["nurture"] == "withdrawn"
    assert [row["status"] for row in stored.rows("consents", topic="nurture")] == ["withdrawn", "granted"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_of_two_words_at_one_instant_the_stricter_wins(stored: Store, order: tuple[int, ...]) -> None:
    words = [
        Consent(status, "consent", "form", topic="nurture", occurred_at=NOW)  # type: ignore[arg-type]
        for status in ("granted", "pending", "withdrawn")
    ]
    for index in order:
        stored.put(lead("a@example.com", consents=(words[index],)))

    assert states(stored) == {"nurture": "withdrawn"}


def test_a_list_without_dates_never_grants_what_was_withdrawn(stored: Store) -> None:
    stored.put(event("1", "email.unsubscribed", "a@example.com"))
    stored.put(lead("a@example.com", consents=(granted("nurture"),)), now=NOW + DAY)

    assert states(stored)["nurture"] == "withdrawn"


def test_a_snapshot_that_repeats_a_consent_adds_nothing(stored: Store) -> None:
    withdrawn = Consent("withdrawn", "none", "crm", channel="email")
    stored.put(lead("a@example.com", consents=(withdrawn,)))
    stored.put(lead("a@example.com", consents=(withdrawn,)), now=NOW + DAY)

    assert len(stored.rows("consents")) == 3


def test_a_bounce_from_before_the_address_was_known_still_suppresses_it(stored: Store) -> None:
    stored.put(event("1", "email.bounced", others={"marketo": "7"}, properties={"kind": "hard"}))
    assert stored.rows("suppressions") == []

    stored.put(lead("a@example.com", others={"marketo": "7"}))

    assert stored.rows("suppressions", "email_hash") == [email_hash(SECRET, "a@example.com")]


def test_a_second_stop_of_the_same_kind_is_no_second_suppression(stored: Store) -> None:
    stored.put(event("1", "email.complained", "a@example.com"), event("2", "email.complained", "a@example.com"))
    stored.put(event("3", "email.complained", "a@example.com"))

    assert len(stored.rows("suppressions")) == 1


# --- Batches ----------------------------------------------------------------------------------------------------------


def statements_of(stored: Store, records: list[Any]) -> int:
    seen: list[str] = []

    def count(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    sa.event.listen(stored.database.engine, "before_cursor_execute", count)
    try:
        stored.put_all(records)
    finally:
        sa.event.remove(stored.database.engine, "before_cursor_execute", count)
    return len(seen)


def test_the_number_of_statements_does_not_grow_with_the_batch(stored: Store) -> None:
    def batch(start: int, size: int) -> list[Any]:
        found: list[Any] = []
        for n in range(start, start + size):
            address = f"p{n}@example.com"
            found.append(lead(address, company=f"Firm {n}", others={"crm": str(n)}, consents=(granted("nurture"),)))
            found.append(event(f"u{n}", "email.unsubscribed", address, others={"anonymous": f"c{n}"}))
            found.append(event(f"x{n}", "no.such_type", address))
        return found

    few = statements_of(stored, batch(0, 3))
    many = statements_of(stored, batch(100, 400))

    assert many == few
    assert len(stored.rows("leads")) == 403


def test_one_poison_record_never_stops_a_batch(stored: Store) -> None:
    records: list[Any] = [event(str(n), email=f"p{n}@example.com") for n in range(1000)]
    records[500] = event("500", "no.such_type", "p500@example.com")

    counts = stored.put_all(records)

    assert (counts.events_created, counts.refused) == (999, 1)


def test_a_lead_of_whom_only_an_anonymous_id_is_known_is_nobody_and_what_is_said_of_it_is_kept(stored: Store) -> None:
    counts = stored.put(lead(others={"anonymous": "c"}, name="Bo", consents=(granted("nurture"),)))

    assert (counts.leads_unchanged, counts.leads_updated, counts.refused) == (0, 0, 1)
    assert stored.rows("leads") == stored.rows("work_queue") == stored.rows("consents") == []
    assert stored.rows("dead_letters", "kind", "reason") == [("lead", "no-identifier")]


def test_a_batch_that_fails_leaves_nothing_behind(stored: Store) -> None:
    class Stop(Exception):
        pass

    def fail() -> None:
        with stored.database.write() as connection:
            store(
                connection,
                [event("1", email="a@example.com"), lead("b@example.com")],
                source="test",
                now=NOW,
                silent=False,
                catalogue=catalogue(),
                secret=SECRET,
            )
            raise Stop

    with pytest.raises(Stop):
        fail()

    assert [stored.rows(table) for table in ("leads", "events", "identities", "work_queue")] == [[], [], [], []]


# --- Any order, any repetition ----------------------------------------------------------------------------------------

PEOPLE = ("a@example.com", "b@example.com", "c@example.com")
KNOWN_BY = ("address", "cookie", "address and cookie")
KINDS = ("page.viewed", "email.clicked", "email.unsubscribed", "email.complained", "demo.requested")


@st.composite
def shuffled(draw: st.DrawFn) -> tuple[list[Any], list[list[Any]]]:
    """A list of events, and the same in another order with repetitions, cut into batches."""
    count = draw(st.integers(1, 8))
    people = [(draw(st.sampled_from(PEOPLE)), draw(st.sampled_from(KNOWN_BY))) for _ in range(count)]
    events = [
        event(
            f"id-{n}",
            draw(st.sampled_from(KINDS)),
            person if "address" in known_by else None,
            others={"anonymous": f"cookie-{person}"} if "cookie" in known_by else {},
            at=NOW - timedelta(hours=draw(st.integers(0, 4))),
            properties=draw(st.sampled_from(({}, {"topic": "nurture"}, {"topic": "newsletter"}))),
        )
        for n, (person, known_by) in enumerate(people)
    ]
    again = draw(st.lists(st.sampled_from(events), max_size=6))
    mixed = draw(st.permutations([*events, *again]))
    cut = draw(st.integers(0, len(mixed)))
    return events, [mixed[:cut], mixed[cut:]]


def picture(stored: Store) -> dict[str, Any]:
    """What is known, said without the ids that depend on the order."""
    address = dict(stored.rows("leads", "id", "email"))
    return {
        "leads": sorted((row["email"], row["created_at"]) for row in stored.rows("leads")),
        "events": sorted(
            (row["source_event_id"], row["type"], row["occurred_at"], row["tiebreak"], address.get(row["lead_id"], ""))
            for row in stored.rows("events")
        ),
        "consents": sorted(
            (address[row["lead_id"]], row["topic"], row["status"], row["since"])
            for row in stored.rows("consent_states")
        ),
        "stops": sorted((row["email_hash"], row["scope"]) for row in stored.rows("suppressions")),
    }


@settings(
    max_examples=settings.default.max_examples // 4,  # each example makes two databases
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(case=shuffled())
def test_any_order_and_repetition_of_events_gives_the_same_store(
    case: tuple[list[Any], list[list[Any]]], databases: Databases
) -> None:
    events, batches = case
    pictures = []
    for parts in ([events], batches):
        stored = Store(databases.migrated())
        for part in parts:
            stored.put_all(part)
        pictures.append(picture(stored))
        stored.close()

    assert pictures[0] == pictures[1]


def test_two_processes_that_meet_the_same_person_make_one_lead(stored: Store) -> None:
    from threading import Barrier, Thread

    start = Barrier(2)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        other = Store(stored.database.url)
        try:
            start.wait()
            for n in range(20):
                other.put(event(f"{number}-{n}", email=f"p{n}@example.com"))
        except BaseException as error:
            failures.append(error)
        finally:
            other.close()

    threads = [Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(stored.rows("leads")) == 20
    assert len(stored.rows("events")) == 40
